import type { Outcome, RefusedRecipient } from '../core/delivery/carrier.ts'
import { quote } from './message.ts'
import type { Reply } from './smtp-wire.ts'

export const positive = ({ code }: Reply) => code >= 200 && code < 300

/** A reply's own words, fit to be stored. */
export const words = ({ code, lines }: Reply) => quote(`${code} ${lines.join(' ')}`)

/** `queued as 4XyZ` (Postfix), `id=1abc-000` (Exim), `Ok 0100018f…` (Amazon), `OK 17 a1si2 - gsmtp` (Google). */
export function queueId({ lines }: Reply) {
  const text = lines.join(' ')
  const found =
    /queued as:? <?([\w.@-]+)/i.exec(text) ??
    /\bid[=:] ?<?([\w.@-]+)/i.exec(text) ??
    /^(?:\d\.\d\.\d )?ok:?\s+\d+ ([\w.-]+) - gsmtp/i.exec(text) ??
    /^(?:\d\.\d\.\d )?ok:?\s+([\w.@-]*\d[\w.@-]*)$/i.exec(text)
  return found?.[1] ?? null
}

export function refuse(
  kind: 'refused_permanent' | 'refused_retry',
  code: string,
  detail: string,
  recipients: RefusedRecipient[] = [],
): Outcome {
  return { kind, code, detail, recipients }
}

const THROTTLES = [421, 450, 451, 452]
const THROTTLING = /\b4\.7\.28\b|\b4\.3\.2\b|\brate\b|throttl|too (?:many|much|fast)|slow down|limit/i
/** Enhanced codes 4.2.x are about one mailbox, whatever limit they name. */
const MAILBOX_FULL = /^4\.2\.\d/

export function throttling(reply: Reply) {
  const text = reply.lines.join(' ')
  return THROTTLES.includes(reply.code) && THROTTLING.test(text) && !MAILBOX_FULL.test(text)
}

/** A refusal of the message. If we may not send at all (530 and similar), that is about the relay, not the message. */
export function answered(reply: Reply, recipients: RefusedRecipient[] = []): Outcome {
  const code = String(reply.code)
  if ([530, 534, 535, 538].includes(reply.code))
    return refuse('refused_retry', 'auth', words(reply), recipients)
  if (reply.code >= 500) return refuse('refused_permanent', code, words(reply), recipients)
  if (throttling(reply)) return { kind: 'throttled', code, detail: words(reply), retryAfterMs: null }
  return refuse('refused_retry', code, words(reply), recipients)
}

export function allRefused(replies: Reply[], refused: RefusedRecipient[]): Outcome {
  const first = replies[0]
  if (first && replies.every(throttling)) return answered(first)
  const kind = refused.every(({ permanent }) => permanent) ? 'refused_permanent' : 'refused_retry'
  return refuse(kind, 'recipients', 'the server takes none of the recipients', refused)
}
