import { z } from 'zod'
import { bounceOf, type CarrierEvent, type EventKind, eventOf } from './event.ts'

const text = z.string().nullish().catch(null)
const Body = z.object({
  type: z.string(),
  payload: z.object({
    eventId: text,
    messageId: text,
    recipient: text,
    delivery: z.object({ smtpEnhancedStatusCode: text, smtpResponse: text }).nullish().catch(null),
    bounce: z.object({ type: text, classification: text, reason: text }).nullish().catch(null),
    failure: z.object({ reason: text }).nullish().catch(null),
    rejection: z.object({ reason: text, detail: text }).nullish().catch(null),
    complaint: z.object({ type: text }).nullish().catch(null),
  }),
  metadata: z.object({ eventTimestamp: text }),
})
type Payload = z.infer<typeof Body>['payload']

/** https://developers.cloudflare.com/email-service/platform/event-subscriptions */
const KINDS: Record<string, (payload: Payload) => EventKind> = {
  delivered: () => 'delivered',
  deferred: () => 'delayed',
  // `soft` means a temporary failure whose retries are used up.
  bounced: ({ bounce, delivery }) => bounceOf(bounce?.type === 'hard', delivery?.smtpEnhancedStatusCode),
  failed: () => 'rejected',
  rejected: () => 'rejected',
  complained: () => 'complaint',
}

/** The event in a message of the queue that Cloudflare's Email Sending reports to; none if it is another message. */
export function cloudflareEvents(body: unknown): CarrierEvent[] {
  const { data } = Body.safeParse(body)
  const name = /^cf\.email\.sending\.message\.(\w+)$/.exec(data?.type ?? '')?.[1] ?? ''
  if (!data || !Object.hasOwn(KINDS, name)) return []
  const { payload, metadata } = data
  const { delivery, bounce, failure, rejection, complaint } = payload
  return eventOf('cloudflare', {
    id: payload.eventId,
    kind: KINDS[name]?.(payload) ?? null,
    messageId: payload.messageId?.includes('@') ? payload.messageId : null,
    carrierMessageId: payload.messageId,
    recipients: [payload.recipient],
    at: metadata.eventTimestamp,
    code:
      delivery?.smtpEnhancedStatusCode ??
      bounce?.classification ??
      failure?.reason ??
      rejection?.reason ??
      complaint?.type,
    detail: delivery?.smtpResponse ?? bounce?.reason ?? rejection?.detail,
  })
}
