import type { AttachedFile, Carrier, Outcome, OutgoingMessage } from '../core/delivery/carrier.ts'
import { type Answer, classify, httpCarrier, under } from './http.ts'
import { addressed, base64, mailbox } from './message.ts'

type ResendSettings = { apiKey: string; baseUrl?: string | undefined; timeoutMs?: number | undefined }

/**
 * Resend. It answers a repeat with the same key as it answered the first, and 409 if the repeat differs: after a definite
 * answer, a call for other recipients needs a new key.
 */
export function resend({ apiKey, baseUrl = 'https://api.resend.com', timeoutMs }: ResendSettings): Carrier {
  const url = under(baseUrl, '/emails')
  return httpCarrier('resend', timeoutMs, (message) => ({
    url,
    headers: {
      authorization: `Bearer ${apiKey}`,
      'content-type': 'application/json',
      'idempotency-key': message.idempotencyKey,
    },
    body: JSON.stringify(request(message)),
    read: (answer) => read(answer, [apiKey]),
  }))
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
