import { z } from 'zod'
import { bounceOf, type CarrierEvent, type EventKind, eventOf, statusIn } from './event.ts'
import { isSame, parse, textOf } from './proof.ts'
import { type Reader, refused, reported, unconfigured } from './report.ts'

/** Reports of Postmark. They are not signed: Postmark presents `user:password` by HTTP basic authentication (RFC 7617). */
export const readPostmark: Reader = ({ headers, body }, { POSTMARK_WEBHOOK_SECRET: secret = '' }) => {
  if (!/^[^:]+:.+$/s.test(secret)) return unconfigured
  const [, given = ''] = /^basic ([\w+/=]*)$/i.exec(headers.get('authorization') ?? '') ?? []
  if (!isSame(given, Buffer.from(secret).toString('base64'))) return refused('not our password')
  const { data } = Body.safeParse(parse(textOf(body)))
  return data ? reported(eventsIn(data)) : refused('not a report of Postmark')
}

const text = z.string().nullish().catch(null)
const Body = z.object({
  RecordType: z.string(),
  ID: z.union([z.number(), z.string()]).nullish().catch(null),
  Type: text,
  MessageID: text,
  Recipient: text,
  Email: text,
  DeliveredAt: text,
  BouncedAt: text,
  Details: text,
  Description: text,
  Metadata: z.record(z.string(), z.string()).catch({}),
})
type Body = z.infer<typeof Body>

/**
 * Postmark's bounce types. Only two are about the address. An automatic answer is no bounce; what never left Postmark is
 * `rejected`. All others, known or not, are soft: the recipient server's policy, its DNS, a full mailbox.
 * https://postmarkapp.com/developer/api/bounce-api#bounce-types
 */
const BOUNCES: Record<string, EventKind | null> = {
  HardBounce: 'hard_bounce',
  BadEmailAddress: 'hard_bounce',
  Transient: 'delayed',
  SpamComplaint: 'complaint',
  ManuallyDeactivated: 'rejected',
  Unconfirmed: 'rejected',
  SMTPApiError: 'rejected',
  InboundError: 'rejected',
  TemplateRenderingFailed: 'rejected',
  AutoResponder: null,
  AddressChange: null,
  ChallengeVerification: null,
  Subscribe: null,
  Unsubscribe: null,
  OpenRelayTest: null,
}

function bounceKind({ Type: type, Details: details }: Body) {
  const kind = type && Object.hasOwn(BOUNCES, type) ? (BOUNCES[type] ?? null) : 'soft_bounce'
  return kind === 'hard_bounce' ? bounceOf(true, statusIn(details)) : kind
}

function eventsIn(body: Body): CarrierEvent[] {
  const ours = {
    tenantId: body.Metadata.tenant_id,
    sendId: body.Metadata.send_id,
    carrierMessageId: body.MessageID,
    detail: body.Details ?? body.Description,
  }
  switch (body.RecordType) {
    case 'Delivery':
      return eventOf('postmark', {
        ...ours,
        // A delivery has no id: there is one for each message and recipient.
        id: body.MessageID && body.Recipient ? `delivery:${body.MessageID}:${body.Recipient}` : null,
        kind: 'delivered',
        recipients: [body.Recipient],
        at: body.DeliveredAt,
        code: statusIn(body.Details),
      })
    case 'Bounce':
    case 'SpamComplaint':
      return eventOf('postmark', {
        ...ours,
        id: body.ID ? `bounce:${body.ID}` : null,
        kind: body.RecordType === 'Bounce' ? bounceKind(body) : 'complaint',
        recipients: [body.Email],
        at: body.BouncedAt,
        code: statusIn(body.Details) ?? body.Type,
      })
    default:
      return []
  }
}
