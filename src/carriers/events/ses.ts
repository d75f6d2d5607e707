import { z } from 'zod'
import { bounceOf, type CarrierEvent, type EventKind, eventOf, type Reported, statusIn } from './event.ts'
import { parse } from './proof.ts'
import { type Reader, reported, unconfigured } from './report.ts'
import { readSns } from './sns.ts'

/** Reports of SES, which come through SNS from the topics in SES_TOPIC_ARNS. */
export const readSes: Reader = async ({ body }, { SES_TOPIC_ARNS = '' }, now, reach) => {
  const topicArns = SES_TOPIC_ARNS.split(',')
    .map((arn) => arn.trim())
    .filter(Boolean)
  if (topicArns.length === 0) return unconfigured
  const report = await readSns(body, topicArns, now, reach)
  return report.kind === 'notification' ? reported(eventsIn(report.id, report.message)) : report
}

const text = z.string().nullish().catch(null)
const recipients = z.array(z.object({ emailAddress: text, status: text, diagnosticCode: text })).catch([])
/** A part that only some events have; absent parts are read as empty. */
const part = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.preprocess((given) => given ?? {}, z.object(shape))
const Message = z.object({
  eventType: text,
  notificationType: text,
  mail: z.object({
    timestamp: text,
    messageId: text,
    destination: z.array(z.string()).catch([]),
    tags: z.record(z.string(), z.array(z.string())).catch({}),
    headers: z.array(z.object({ name: z.string(), value: z.string() })).catch([]),
    commonHeaders: z.object({ messageId: text }).catch({ messageId: null }),
  }),
  delivery: part({ timestamp: text, recipients: z.array(z.string()).catch([]), smtpResponse: text }),
  deliveryDelay: part({ timestamp: text, delayType: text, delayedRecipients: recipients }),
  bounce: part({ timestamp: text, bounceType: text, bounceSubType: text, bouncedRecipients: recipients }),
  complaint: part({
    ...{ timestamp: text, complaintSubType: text, complaintFeedbackType: text },
    complainedRecipients: recipients,
  }),
  reject: part({ reason: text }),
  failure: part({ errorMessage: text }),
})
type Message = z.infer<typeof Message>

/** Reads both forms: event publishing by a configuration set, and the notifications of an identity. */
function eventsIn(id: string, message: string): CarrierEvent[] {
  const { data } = Message.safeParse(parse(message))
  if (!data) return []
  const { mail } = data
  const header = (wanted: string) => mail.headers.find(({ name }) => name.toLowerCase() === wanted)?.value
  const found = reportedBy(data)
  return found.flatMap((each, index) =>
    eventOf('ses', {
      // One notification may be about several recipients, each with its own reason.
      id: found.length > 1 ? `${id}.${index}` : id,
      tenantId: mail.tags.tenant_id?.[0],
      sendId: mail.tags.send_id?.[0] ?? header('x-moltpost-send-id'),
      messageId: mail.commonHeaders.messageId ?? header('message-id'),
      carrierMessageId: mail.messageId,
      ...each,
    }),
  )
}

type Part = Pick<Reported, 'kind' | 'recipients' | 'at' | 'code' | 'detail'>

/** https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html */
function reportedBy(message: Message): Part[] {
  const { mail, delivery, deliveryDelay, bounce, complaint, reject, failure } = message
  const whole = { recipients: mail.destination, at: mail.timestamp }
  switch (message.eventType ?? message.notificationType) {
    case 'Send':
      return [{ ...whole, kind: 'accepted' }]
    case 'Delivery': {
      const { recipients, timestamp: at, smtpResponse: detail } = delivery
      return [{ kind: 'delivered', recipients, at, code: statusIn(detail), detail }]
    }
    case 'DeliveryDelay': {
      const { timestamp: at, delayType, delayedRecipients } = deliveryDelay
      return delayedRecipients.map(({ emailAddress, status, diagnosticCode }) => ({
        ...{ kind: 'delayed', recipients: [emailAddress], at },
        ...{ code: status ?? delayType, detail: diagnosticCode ?? delayType },
      }))
    }
    case 'Bounce': {
      const { timestamp: at, bounceType, bounceSubType, bouncedRecipients } = bounce
      const named = [bounceType, bounceSubType].filter(Boolean).join('/')
      return bouncedRecipients.map(({ emailAddress, status, diagnosticCode }) => ({
        ...{ kind: sesBounce(bounceType, bounceSubType, status), recipients: [emailAddress], at },
        ...{ code: status ?? named, detail: diagnosticCode ?? named },
      }))
    }
    case 'Complaint': {
      const { timestamp: at, complaintSubType, complaintFeedbackType, complainedRecipients } = complaint
      // The recipients that may have complained: mailbox providers do not say which one it was.
      const recipients = complainedRecipients.map(({ emailAddress }) => emailAddress)
      const kind = complaintOf(complaintSubType, complaintFeedbackType)
      return [{ kind, recipients, at, code: complaintSubType ?? complaintFeedbackType }]
    }
    case 'Reject':
      return [{ ...whole, kind: 'rejected', code: 'Reject', detail: reject.reason }]
    case 'Rendering Failure':
      return [{ ...whole, kind: 'rejected', code: 'Rendering Failure', detail: failure.errorMessage }]
    default:
      return []
  }
}

/** An address on the account's suppression list was not tried. Some feedback types are the opposite of a complaint. */
function complaintOf(
  subType: string | null | undefined,
  feedback: string | null | undefined,
): EventKind | null {
  if (subType === 'OnAccountSuppressionList') return 'rejected'
  return feedback === 'not-spam' || feedback === 'auth-failure' ? null : 'complaint'
}

/**
 * Amazon's bounce types, which Resend passes on. Permanent General and NoEmail are answers of the recipient's server.
 * Suppressed is an answer of Amazon, which counts it as a hard bounce. An address on our account's list was not tried at all.
 * https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html#bounce-types
 */
export function sesBounce(
  type: string | null | undefined,
  subType: string | null | undefined,
  status: string | null | undefined,
): EventKind {
  if (subType === 'OnAccountSuppressionList' || subType === 'UnsubscribedRecipient') return 'rejected'
  const isAboutAddress = ['General', 'NoEmail', 'Suppressed'].includes(subType ?? '')
  return bounceOf(type === 'Permanent' && isAboutAddress, status)
}
