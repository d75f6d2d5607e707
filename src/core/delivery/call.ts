import { tracing } from 'cloudflare:workers'
import { type Env, settings } from '../../env.ts'
import { bounceDomain } from '../accounts/domains/records.ts'
import { sha256 } from '../ground/hash.ts'
import { ringAll } from '../journal/bells.ts'
import { type Rendered, readFiles } from '../letters/rendered.ts'
import { returnPath } from '../reading/bounces/return-path.ts'

import type { Carrier, CarrierName, Outcome, OutgoingMessage } from './carrier.ts'
import { depart } from './depart.ts'
import { reportHealth } from './health.ts'
import type { Locked } from './lock.ts'
import type { Following } from './next-state.ts'
import { recordOutcome } from './outcome.ts'

/** One locked send while it is being delivered. */
export type Turn = {
  locked: Locked
  rendered: Rendered
  carriers: ReadonlyMap<CarrierName, Carrier>
  clock: () => Date
}

type Call = {
  /** The recipients that still have to be served. */
  open: string[]
  /** Those of them that this call is for. */
  asked: string[]
  /** What follows at once if this call does not serve its recipients. */
  otherwise: Following
}

/**
 * One call to one carrier, recorded before and after. `goesOn` tells whether the send is still locked and more is to be
 * done at once; `waiting` are the recipients of the next call, if there are any.
 */
export async function callCarrier(
  { locked, rendered, clock }: Turn,
  carrier: Carrier,
  { open, asked, otherwise }: Call,
): Promise<{ goesOn: boolean; waiting: string[] }> {
  const { env, hold } = locked
  const message = await messageFor(locked, carrier.name, rendered, asked)
  const departure = await depart(locked, carrier.name, asked, clock())
  if (!departure.departed) return { goesOn: false, waiting: [] }
  const { outcome, latencyMs } = await timedCall(carrier, message)
  await reportHealth(env, carrier.name, outcome, clock())
  // An answer about those asked leaves the others a call of their own; any other answer is about the whole message.
  const waiting = isAboutRecipients(outcome, asked) ? open.filter((email) => !asked.includes(email)) : []
  const { state, waitMs } = await recordOutcome(locked, waiting.length > 0 ? asked : open, outcome, {
    now: clock(),
    carrier: carrier.name,
    asked,
    replayableMs: carrier.idempotencyMs,
    following: waiting.length > 0 ? 'other_recipients' : otherwise,
    latencyMs,
  })
  if (waitMs !== null) await ringAll(env.DELIVER, [{ ...hold, afterMs: waitMs }])
  return { goesOn: state === 'claimed', waiting }
}

async function timedCall(carrier: Carrier, message: OutgoingMessage) {
  const startedAt = Date.now()
  const outcome = await tracing.enterSpan('carrier', async (span) => {
    const answer = await carrier.send(message)
    span.setAttributes({ carrier: carrier.name, sendId: message.sendId, outcome: answer.kind })
    return answer
  })
  return { outcome, latencyMs: Date.now() - startedAt }
}

function isAboutRecipients(outcome: Outcome, asked: string[]): boolean {
  if (outcome.kind === 'accepted') return true
  return outcome.kind === 'refused_permanent' && outcome.recipients.length >= asked.length
}

async function messageFor(
  { env, send }: Locked,
  carrier: CarrierName,
  rendered: Rendered,
  recipients: string[],
): Promise<OutgoingMessage> {
  const { from, to, cc, bcc, replyTo, subject, text, html, headers, messageId, raw } = rendered
  return {
    tenantId: send.tenantId,
    sendId: send.id,
    idempotencyKey: await idempotencyKeyOf(send.id, recipients),
    messageId,
    envelopeFrom: carrier === 'smtp' ? await bounceAddress(env, send, from.email) : from.email,
    recipients,
    from,
    to,
    cc,
    bcc,
    replyTo,
    subject,
    text,
    html,
    headers: { ...headers, 'Message-ID': `<${messageId}>` },
    attachments: await readFiles(env, rendered.files ?? []),
    raw: new TextEncoder().encode(raw),
  }
}

/** One key for one set of recipients: to a carrier, the same message to fewer recipients is another message. */
async function idempotencyKeyOf(sendId: string, recipients: string[]): Promise<string> {
  return `${sendId}-${(await sha256(recipients.join(','))).slice(0, 16)}`
}

/** The address to which a relay reports bounces: it names the send, with a proof. Other carriers report by events. */
async function bounceAddress(env: Env, send: Locked['send'], from: string): Promise<string> {
  const { tokenSecret, mailDomain } = settings(env)
  if (tokenSecret === null) return from
  // In the author's domain, so that its SPF record covers this address, too.
  const domain = send.domainId === null ? mailDomain : bounceDomain(from.slice(from.lastIndexOf('@') + 1))
  return await returnPath(tokenSecret, domain, send.id)
}
