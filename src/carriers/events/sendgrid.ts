import { createPublicKey, verify } from 'node:crypto'
import { z } from 'zod'
import { bounceOf, type CarrierEvent, type EventKind, eventOf, statusIn } from './event.ts'
import { decode, isRecent, parse, textOf } from './proof.ts'
import { type Reader, refused, reported, unconfigured } from './report.ts'

/** Reports of SendGrid: many events at once, signed by ECDSA on P-256 over the time and the raw body. */
export const readSendgrid: Reader = ({ headers, body }, { SENDGRID_WEBHOOK_KEY = '' }, now) => {
  const key = publicKeyOf(SENDGRID_WEBHOOK_KEY)
  if (!key) return unconfigured
  const seconds = headers.get('x-twilio-email-event-webhook-timestamp') ?? ''
  const signature = decode(headers.get('x-twilio-email-event-webhook-signature') ?? '')
  if (!isRecent(seconds, now)) return refused('too old or too new')
  if (!signature) return refused('no signature')
  if (!verify('sha256', Buffer.concat([Buffer.from(seconds), body]), key, signature))
    return refused('the signature does not match')
  const items = parse(textOf(body))
  return Array.isArray(items) ? reported(items.flatMap(eventsIn)) : refused('not a report of SendGrid')
}

function publicKeyOf(base64: string) {
  try {
    const key = createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' })
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? key : null
  } catch {
    return null
  }
}

const text = z.string().nullish().catch(null)
const Event = z.object({
  event: z.string(),
  sg_event_id: text,
  sg_message_id: text,
  'smtp-id': text,
  email: text,
  timestamp: z.number(),
  type: text,
  status: text,
  reason: text,
  response: text,
  tenant_id: text,
  send_id: text,
})
type Event = z.infer<typeof Event>

/** https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event */
const KINDS: Record<string, (event: Event) => EventKind> = {
  processed: () => 'accepted',
  delivered: () => 'delivered',
  deferred: () => 'delayed',
  // `blocked` is a refusal of this message or of the sender. A bounce is hard only with a 5.x.x status.
  bounce: ({ type, status }) => bounceOf(type === 'bounce' && /^5\./.test(status ?? ''), status),
  dropped: () => 'rejected',
  spamreport: () => 'complaint',
}

function eventsIn(reported: unknown): CarrierEvent[] {
  const { data: event } = Event.safeParse(reported)
  if (!event || !Object.hasOwn(KINDS, event.event)) return []
  const words = event.reason ?? event.response
  return eventOf('sendgrid', {
    id: event.sg_event_id,
    kind: KINDS[event.event]?.(event) ?? null,
    tenantId: event.tenant_id,
    sendId: event.send_id,
    messageId: event['smtp-id'],
    // The `X-Message-Id` of the answer to the send, followed by the message's way through SendGrid.
    carrierMessageId: event.sg_message_id?.split(/\.(?:filter|recvd)/)[0],
    recipients: [event.email],
    at: event.timestamp,
    code: event.status || (statusIn(words) ?? event.type),
    detail: words,
  })
}
