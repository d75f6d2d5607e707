import { CAPABILITIES } from './capability.ts'
import type { AttachedFile, Carrier, Outcome, OutgoingMessage, Party, RefusedRecipient } from './carrier.ts'
import { type Answer, ambiguous, post, refuse, throttle } from './http.ts'
import { base64, refuseUnsafe, stillToServe } from './message.ts'

export type ResendSettings = { apiKey: string; baseUrl?: string | undefined; timeoutMs?: number | undefined }

/**
 * Resend. It answers a repeat with the same key as it answered the first, and 409 when the repeat differs: whoever
 * changes the recipients after a definite answer must bring a new key.
 */
export function resend({
  apiKey,
  baseUrl = 'https://api.resend.com',
  timeoutMs = 20_000,
}: ResendSettings): Carrier {
  const url = `${baseUrl.replace(/\/+$/, '')}/emails`
  return {
    name: 'resend',
    idempotencyMs: CAPABILITIES.resend.idempotencyMs,
    async send(message) {
      const unsafe = refuseUnsafe(message)
      if (unsafe) return unsafe
      const { to, cc, bcc, waiting } = address(message)
      const answer = await post(
        url,
        {
          headers: {
            authorization: `Bearer ${apiKey}`,
            'content-type': 'application/json',
            'idempotency-key': message.idempotencyKey,
          },
          body: JSON.stringify(request(message, to, cc, bcc)),
        },
        timeoutMs,
      )
      return 'kind' in answer ? answer : classify(answer, waiting, [apiKey])
    },
  }
}

/**
 * Resend mails everyone in `to` and wants at least one there. Copies may move up, for they see each other anyway.
 * Blind copies may not: when only they are left, the first goes alone and the others wait for the next attempt.
 */
function address(message: OutgoingMessage) {
  const { to, cc, bcc } = stillToServe(message)
  if (to.length > 0) return { to, cc, bcc, waiting: [] }
  if (cc.length > 0) return { to: cc, cc: [], bcc, waiting: [] }
  const waiting = bcc.slice(1).map(
    ({ email }): RefusedRecipient => ({
      email,
      permanent: false,
      code: 'one_blind_copy_at_a_time',
      detail: 'Resend needs a visible recipient, and blind copies must not see each other',
    }),
  )
  return { to: bcc.slice(0, 1), cc: [], bcc: [], waiting }
}

function request(message: OutgoingMessage, to: Party[], cc: Party[], bcc: Party[]) {
  return {
    from: mailbox(message.from),
    to: to.map(mailbox),
    ...(cc.length > 0 ? { cc: cc.map(mailbox) } : {}),
    ...(bcc.length > 0 ? { bcc: bcc.map(({ email }) => email) } : {}),
    ...(message.replyTo ? { reply_to: mailbox(message.replyTo) } : {}),
    subject: message.subject,
    ...(message.text === null ? {} : { text: message.text }),
    ...(message.html === null ? {} : { html: message.html }),
    headers: message.headers,
    ...(message.attachments.length > 0 ? { attachments: message.attachments.map(attached) } : {}),
    tags: [{ name: 'send_id', value: message.sendId.replace(/[^\w-]/g, '_') }],
  }
}

function attached({ filename, contentType, content }: AttachedFile) {
  return { filename, content_type: contentType, content: base64(content) }
}

function mailbox({ email, name }: Party) {
  return name ? `"${name.replace(/["\\]/g, '\\$&')}" <${email}>` : email
}

function classify(answer: Answer, waiting: RefusedRecipient[], secrets: string[]): Outcome {
  const { status, body } = answer
  if (status === 200 && typeof body.id === 'string' && body.id)
    return { kind: 'accepted', providerMessageId: body.id, delivered: false, refused: waiting }

  const code = typeof body.name === 'string' && /^\w{1,64}$/.test(body.name) ? body.name : `http_${status}`
  if (status >= 300 && status < 400) return refuse('refused_retry', code, answer, secrets)
  // 409: another request with this key is under way, or was made with another body; either may have been accepted.
  if (status < 400 || status >= 500 || [408, 409, 425, 499].includes(status))
    return ambiguous(code, `${status} is no answer to rely on`)
  if (status === 429) return throttle(code, answer, secrets)
  if ([400, 413, 422, 451].includes(status)) return refuse('refused_permanent', code, answer, secrets)
  return refuse('refused_retry', code, answer, secrets)
}
