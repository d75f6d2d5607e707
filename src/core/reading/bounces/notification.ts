import type { Email } from 'postal-mime'
import { z } from 'zod'
import type { BounceReport } from './bounce-report.ts'
import { COMPLAINTS } from './complaint.ts'
import { typed } from './fields.ts'
import { actionIn, addressIn, type BouncedRecipient, judgeRecipient, printable } from './recipient.ts'
import { bareId, sendIdIn } from './returned.ts'

const Notification = z.object({
  notificationType: z.enum(['Bounce', 'Complaint', 'Delivery']),
  mail: z.object({
    source: z.string().nullish(),
    headers: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
  }),
  bounce: z
    .object({
      bouncedRecipients: z.array(
        z.object({
          emailAddress: z.string(),
          action: z.string().nullish(),
          status: z.string().nullish(),
          diagnosticCode: z.string().nullish(),
        }),
      ),
      reportingMTA: z.string().nullish(),
    })
    .nullish(),
  complaint: z
    .object({
      complainedRecipients: z.array(z.object({ emailAddress: z.string() })),
      complaintFeedbackType: z.string().nullish(),
    })
    .nullish(),
  delivery: z
    .object({
      recipients: z.array(z.string()),
      smtpResponse: z.string().nullish(),
      reportingMTA: z.string().nullish(),
    })
    .nullish(),
})
const Envelope = z.object({ Type: z.literal('Notification'), Message: z.string() })
const RECIPIENTS_AT_MOST = 100

/** Reads an Amazon SES notification that arrives through an SNS email subscription. Null if the text is none. */
export function readNotification(mail: Email, body: string): BounceReport | null {
  const told = Notification.safeParse(jsonIn(body)).data
  if (told === undefined) return null
  const { bounce, complaint, delivery } = told
  const recipients = [
    ...(bounce?.bouncedRecipients ?? []).map((each) =>
      recipientOf(each.emailAddress, each.action ?? 'failed', each.status, each.diagnosticCode),
    ),
    ...(delivery?.recipients ?? []).map((address) =>
      recipientOf(address, 'delivered', null, delivery?.smtpResponse),
    ),
    ...(complaint?.complainedRecipients ?? []).map(({ emailAddress }) => {
      const reason = COMPLAINTS.get(complaint?.complaintFeedbackType ?? 'abuse') ?? 'abuse'
      return { ...recipientOf(emailAddress, 'failed', null, null), action: null, reason }
    }),
  ].slice(0, RECIPIENTS_AT_MOST)
  if (recipients.length === 0) return null

  const header = (name: string) => told.mail.headers?.find((each) => each.name.toLowerCase() === name)?.value
  const reporter = typed(bounce?.reportingMTA ?? delivery?.reportingMTA ?? null)
  return {
    kind:
      told.notificationType === 'Bounce'
        ? 'bounce'
        : told.notificationType === 'Delivery'
          ? 'delivered'
          : 'complaint',
    recipients,
    originalMessageId: bareId(header('message-id') ?? null),
    sendId: sendIdIn(header('x-moltpost-send-id') ?? null),
    originalSender: addressIn(told.mail.source ?? null),
    reporter: printable(reporter ?? mail.from?.address?.split('@').at(-1) ?? ''),
  }
}

function recipientOf(
  address: string,
  action: string,
  status: string | null | undefined,
  diagnostic: string | null | undefined,
): BouncedRecipient {
  return judgeRecipient({
    address: addressIn(address),
    action: actionIn(action),
    field: status ?? null,
    diagnostic: typed(diagnostic ?? null),
    told: '',
    stage: null,
  })
}

/** The JSON object at the start of a text, taken out of its SNS envelope. Some relays cut long lines with `!` and a line break. */
function jsonIn(body: string): unknown {
  const text = body.replace(/!\n ?/g, '')
  const end = text.lastIndexOf('}')
  const outer = parse(text.slice(0, end + 1))
  const envelope = Envelope.safeParse(outer).data
  return envelope ? parse(envelope.Message) : outer
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
