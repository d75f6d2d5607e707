import type { AttachedFile, Carrier, Outcome, OutgoingMessage, Party } from '../core/delivery/carrier.ts'
import { type Answer, classify, httpCarrier, under } from './http.ts'
import { addressed, base64 } from './message.ts'

type SendgridSettings = {
  apiKey: string
  baseUrl?: string | undefined
  timeoutMs?: number | undefined
}

/** SendGrid, API version 3. It knows no idempotency key: a repeat is a second mail. */
export function sendgrid({
  apiKey,
  baseUrl = 'https://api.sendgrid.com',
  timeoutMs,
}: SendgridSettings): Carrier {
  const url = under(baseUrl, '/v3/mail/send')
  return httpCarrier('sendgrid', timeoutMs, (message) => ({
    url,
    headers: {
      accept: 'application/json',
      authorization: `Bearer ${apiKey}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(request(message)),
    read: (answer) => read(answer, [apiKey]),
  }))
}

function request(message: OutgoingMessage) {
  const { to, cc, bcc } = addressed(message)
  // SendGrid refuses any other order, and empty parts.
  const content = [
    { type: 'text/plain', value: message.text },
    { type: 'text/html', value: message.html },
  ].filter(({ value }) => value)
  return {
    personalizations: [
      {
        to: to.map(party),
        ...(cc.length > 0 ? { cc: cc.map(party) } : {}),
        ...(bcc.length > 0 ? { bcc: bcc.map(({ email }) => ({ email })) } : {}),
        custom_args: { tenant_id: message.tenantId, send_id: message.sendId },
      },
    ],
    from: party(message.from),
    ...(message.replyTo ? { reply_to: party(message.replyTo) } : {}),
    subject: message.subject,
    content,
    headers: message.headers,
    ...(message.attachments.length > 0 ? { attachments: message.attachments.map(attached) } : {}),
  }
}

function party({ email, name }: Party) {
  return name ? { email, name } : { email }
}

function attached({ filename, contentType, content, contentId }: AttachedFile) {
  const file = { filename, type: contentType, content: base64(content) }
  return contentId === undefined
    ? { ...file, disposition: 'attachment' }
    : { ...file, disposition: 'inline', content_id: contentId }
}

/** An acceptance has no body: the message's id is in a header. */
function read(answer: Answer, secrets: string[]): Outcome {
  const { status, headers } = answer
  const id = headers.get('x-message-id')
  if (status === 202 && id) return { kind: 'accepted', carrierMessageId: id, delivered: false, refused: [] }
  return classify(answer, { code: `http_${status}`, isPermanent: [400, 413].includes(status), secrets })
}
