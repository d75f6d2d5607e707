import type { Carrier, Outcome, OutgoingMessage } from '../core/delivery/carrier.ts'
import { type Answer, classify, httpCarrier, under } from './http.ts'
import { bareId, base64 } from './message.ts'

type MailgunSettings = {
  apiKey: string
  /** The sending domain, as it is set up at Mailgun. */
  domain: string
  /** For domains in the European region https://api.eu.mailgun.net. */
  baseUrl?: string | undefined
  timeoutMs?: number | undefined
}

/** Mailgun takes the message as written. It knows no idempotency key: a repeat is a second mail. */
export function mailgun({
  apiKey,
  domain,
  baseUrl = 'https://api.mailgun.net',
  timeoutMs,
}: MailgunSettings): Carrier {
  const url = under(baseUrl, `/v3/${encodeURIComponent(domain)}/messages.mime`)
  const credentials = base64(new TextEncoder().encode(`api:${apiKey}`))
  return httpCarrier('mailgun', timeoutMs, (message) => ({
    url,
    headers: { authorization: `Basic ${credentials}` },
    body: request(message),
    read: (answer) => read(answer, [credentials, apiKey]),
  }))
}

/** `to` is the envelope; the To and Cc that recipients see are in the message itself. */
function request(message: OutgoingMessage) {
  const form = new FormData()
  for (const email of new Set(message.recipients)) form.append('to', email)
  form.append('message', new Blob([message.raw], { type: 'message/rfc822' }), 'message.eml')
  form.append('v:tenant_id', message.tenantId)
  form.append('v:send_id', message.sendId)
  return form
}

function read(answer: Answer, secrets: string[]): Outcome {
  const { status, body } = answer
  if (status === 200 && typeof body.id === 'string' && body.id)
    return { kind: 'accepted', carrierMessageId: bareId(body.id), delivered: false, refused: [] }
  const isThrottled = status === 420 || /limit exceeded/i.test(String(body.message))
  return classify(answer, {
    code: `http_${status}`,
    isPermanent: [400, 413].includes(status),
    isThrottled,
    secrets,
  })
}
