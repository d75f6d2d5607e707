import type { AttachedFile, Carrier, Outcome, OutgoingMessage, Party } from '../core/delivery/carrier.ts'
import { ambiguous } from './http.ts'
import { addressed, bareId, carrierOf, inactive, namedIn, quote } from './message.ts'

type CloudflareSettings = { email: SendEmail; timeoutMs?: number | undefined }

/**
 * Cloudflare's own Email Service, through the `send_email` binding. It knows no idempotency key. It writes Message-ID and the
 * MIME structure itself; of `headers` it accepts `X-` fields and a list of others.
 */
export function cloudflare({ email, timeoutMs = 20_000 }: CloudflareSettings): Carrier {
  return carrierOf('cloudflare', async (message) => {
    try {
      const sent = await within(timeoutMs, email.send(request(message)))
      if (!sent) return ambiguous('timeout', `no answer in ${timeoutMs} ms`)
      const { messageId } = sent
      if (typeof messageId !== 'string' || !messageId) return ambiguous('no_id', 'an answer without an id')
      return { kind: 'accepted', carrierMessageId: bareId(messageId), delivered: false, refused: [] }
    } catch (error) {
      return read(error, message.recipients)
    }
  })
}

function request(message: OutgoingMessage): EmailMessageBuilder {
  const { to, cc, bcc } = addressed(message)
  const headers = Object.entries(message.headers).filter(([name]) => name.toLowerCase() !== 'message-id')
  return {
    from: party(message.from),
    to: to.map(party),
    ...(cc.length > 0 ? { cc: cc.map(party) } : {}),
    ...(bcc.length > 0 ? { bcc: bcc.map(({ email }) => email) } : {}),
    ...(message.replyTo ? { replyTo: party(message.replyTo) } : {}),
    subject: message.subject,
    ...(message.text === null ? {} : { text: message.text }),
    ...(message.html === null ? {} : { html: message.html }),
    headers: Object.fromEntries(headers),
    ...(message.attachments.length > 0 ? { attachments: message.attachments.map(attached) } : {}),
  }
}

function party({ email, name }: Party) {
  return name ? { email, name } : email
}

function attached({ filename, contentType, content, contentId }: AttachedFile): EmailAttachment {
  const file = { filename, type: contentType, content }
  return contentId === undefined
    ? { ...file, disposition: 'attachment' }
    : { ...file, disposition: 'inline', contentId }
}

/** The answer, or null if none came in time. The call cannot be cancelled, so it may still succeed. */
async function within<T>(limitMs: number, answer: Promise<T>): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), limitMs)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The codes of definite refusals. After any other failure nobody can say whether the message was taken. */
const MEANING: Record<string, 'refused_permanent' | 'refused_retry' | 'throttled'> = {
  E_VALIDATION_ERROR: 'refused_permanent',
  E_FIELD_MISSING: 'refused_permanent',
  E_TOO_MANY_RECIPIENTS: 'refused_permanent',
  E_CONTENT_TOO_LARGE: 'refused_permanent',
  E_HEADER_NOT_ALLOWED: 'refused_permanent',
  E_HEADER_USE_API_FIELD: 'refused_permanent',
  E_HEADER_VALUE_INVALID: 'refused_permanent',
  E_HEADER_VALUE_TOO_LONG: 'refused_permanent',
  E_HEADER_NAME_INVALID: 'refused_permanent',
  E_HEADERS_TOO_LARGE: 'refused_permanent',
  E_HEADERS_TOO_MANY: 'refused_permanent',
  E_RECIPIENT_SUPPRESSED: 'refused_retry',
  E_RECIPIENT_NOT_ALLOWED: 'refused_retry',
  E_SENDER_NOT_VERIFIED: 'refused_retry',
  E_SENDER_DOMAIN_NOT_AVAILABLE: 'refused_retry',
  E_RATE_LIMIT_EXCEEDED: 'throttled',
  E_DAILY_LIMIT_EXCEEDED: 'throttled',
}

function read(error: unknown, recipients: string[]): Outcome {
  const words = error instanceof Error ? error.message : ''
  const given = typeof error === 'object' && error !== null && 'code' in error ? error.code : null
  const code = /\bE_[A-Z_]{1,60}\b/.exec(`${given} ${words}`)?.[0] ?? 'failed'
  const kind = Object.hasOwn(MEANING, code) ? MEANING[code] : undefined
  const detail = quote(words)
  if (kind === undefined) return ambiguous(code, detail)
  if (kind === 'throttled') return { kind, code, detail, retryAfterMs: null }
  if (code !== 'E_RECIPIENT_SUPPRESSED') return { kind, code, detail, recipients: [] }
  const named = recipients.length === 1 ? recipients : namedIn(words, recipients)
  const isForAll = named.length === recipients.length
  return { kind: isForAll ? 'refused_permanent' : kind, code, detail, recipients: inactive(named, code) }
}
