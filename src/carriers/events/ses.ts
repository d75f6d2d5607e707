import { z } from 'zod'
import { bounceOf, type CarrierEvent, type EventKind, eventOf, statusIn, type Told } from './event.ts'
import { parse } from './proof.ts'
import { type Reader, told, unconfigured } from './report.ts'
import { readSns } from './sns.ts'

/** Reports of SES, which come by way of SNS from the topics in SES_TOPIC_ARNS. */
export const readSes: Reader = async ({ body }, { SES_TOPIC_ARNS = '' }, now, reach) => {
  const topicArns = SES_TOPIC_ARNS.split(',')
    .map((arn) => arn.trim())
    .filter(Boolean)
  if (topicArns.length === 0) return unconfigured
  const report = await readSns(body, topicArns, now, reach)
  return report.kind === 'notification' ? told(eventsIn(report.id, report.message)) : report
}

const text = z.string().nullish().catch(null)
const recipients = z.array(z.object({ emailAddress: text, status: text, diagnosticCode: text })).catch([])
/** Whichever the event is not about is absent, and then says nothing. */
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

/** Both forms: of event publishing, by configuration set, and of an identity's notifications. */
function eventsIn(id: string, message: string): CarrierEvent[] {
  const { data } = Message.safeParse(parse(message))
  if (!data) return []
  const { mail } = data
  const header = (wanted: string) => mail.headers.find(({ name }) => name.toLowerCase() === wanted)?.value
  const found = toldBy(data)
  return found.flatMap((each, index) =>
    eventOf('ses', {
      // One notification may tell of several recipients, each with a reason of its own.
      id: found.length > 1 ? `${id}.${index}` : id,
      tenantId: mail.tags.tenant_id?.[0],
      sendId: mail.tags.send_id?.[0] ?? header('x-moltpost-send-id'),
      messageId: mail.commonHeaders.messageId ?? header('message-id'),
      carrierMessageId: mail.messageId,
      ...each,
    }),
  )
}

type Part = Pick<Told, 'kind' | 'recipients' | 'at' | 'code' | 'detail'>

/** https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html */
function toldBy(message: Message): Part[] {
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
      // Those who may have complained: mailbox providers hide who of a message's recipients it was.
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

/** An address on the account's own suppression list was not tried; and some feedback says the contrary of a complaint. */
function complaintOf(
  subType: string | null | undefined,
  feedback: string | null | undefined,
): EventKind | null {
  if (subType === 'OnAccountSuppressionList') return 'rejected'
  return feedback === 'not-spam' || feedback === 'auth-failure' ? null : 'complaint'
}

/**
 * Amazon's bounce types, which Resend passes on. Permanent General and NoEmail are the recipient's server's word, and
 * Suppressed is Amazon's, which counts it as a hard bounce; on our own account's list it was not tried at all.
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
