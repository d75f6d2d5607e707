import type { AttachedFile, Carrier, Outcome, OutgoingMessage } from '../core/delivery/carrier.ts'
import { CAPABILITIES } from './capability.ts'
import { type Answer, classify, post, under } from './http.ts'
import { addressed, base64, mailbox, refuseUnsafe } from './message.ts'

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
  const url = under(baseUrl, '/emails')
  return {
    name: 'resend',
    idempotencyMs: CAPABILITIES.resend.idempotencyMs,
    async send(message) {
      const unsafe = refuseUnsafe(message)
      if (unsafe) return unsafe
      const answer = await post(
        url,
        {
          headers: {
            authorization: `Bearer ${apiKey}`,
            'content-type': 'application/json',
            'idempotency-key': message.idempotencyKey,
          },
          body: JSON.stringify(request(message)),
        },
        timeoutMs,
      )
      return 'kind' in answer ? answer : read(answer, [apiKey])
    },
  }
}

function request(message: OutgoingMessage) {
  const { to, cc, bcc } = addressed(message)
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
    tags: [
      { name: 'tenant_id', value: tag(message.tenantId) },
      { name: 'send_id', value: tag(message.sendId) },
    ],
  }
}

function attached({ filename, contentType, content, contentId }: AttachedFile) {
  const shown = contentId === undefined ? {} : { content_id: contentId }
  return { filename, content_type: contentType, content: base64(content), ...shown }
}

function tag(id: string) {
  return id.replace(/[^\w-]/g, '_')
}

function read(answer: Answer, secrets: string[]): Outcome {
  const { status, body } = answer
  if (status === 200 && typeof body.id === 'string' && body.id)
    return { kind: 'accepted', carrierMessageId: body.id, delivered: false, refused: [] }
  const code = typeof body.name === 'string' && /^\w{1,64}$/.test(body.name) ? body.name : `http_${status}`
  return classify(answer, { code, isPermanent: [400, 413, 422, 451].includes(status), secrets })
}
