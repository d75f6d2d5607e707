import type { Email } from 'postal-mime'
import type { BounceReport } from './bounce-report.ts'
import { readComplaint } from './complaint.ts'
import { type DeliveryStatus, readDeliveryStatus } from './delivery-status.ts'
import { isDelayed, isUndelivered, type Notice, readNotices, readStage, splitReturned } from './free-text.ts'
import { readNotification } from './notification.ts'
import { headerOf, partText, readParts } from './parts.ts'
import { actionIn, addressIn, type BouncedRecipient, judgeRecipient, printable } from './recipient.ts'
import { readReply } from './reply.ts'
import { bareId, type Returned, returnedOf } from './returned.ts'

/** A mail that may be a bounce, and what was read from it. */
type Letter = {
  mail: Email
  subject: string
  notice: string
  notices: Notice[]
  failed: string | null
  original: Returned
}

const DAEMON =
  /^(?:(?:mailer|mail)[-_.]?(?:daemon|system|delivery\S{0,30})|mdaemon|poo?st[-_.]?master|double-bounce)(?:@|$)/
const NOTIFIER = 'no-reply@sns.amazonaws.com'
const FORWARDED = /^\s*(?:fwd?|wg|tr|rv)\s*:/i

/**
 * Reads a bounce (RFC 3464, or a mail server's free text) or a complaint (RFC 5965). Null for any other mail: an ordinary
 * mail, an automatic reply, a read receipt, a forwarded report. Never throws.
 */
export async function readBounce(raw: Uint8Array): Promise<BounceReport | null> {
  const parts = await readParts(raw)
  if (parts === null) return null
  const { mail, body } = parts
  const author = mail.from?.address?.toLowerCase() ?? ''
  if (author === NOTIFIER) return readNotification(mail, body)

  const subject = mail.subject ?? ''
  const type = headerOf(mail, 'content-type').toLowerCase()
  const isReport = type.startsWith('multipart/report')
  const feedback = partText(mail, /^message\/feedback-report$/)
  if (isReport && feedback !== null) return readComplaint(mail, feedback)
  if (FORWARDED.test(subject) || /report-type="?disposition-notification/.test(type)) return null

  const failed = addressIn(headerOf(mail, 'x-failed-recipients').split(',')[0] ?? '')
  const isDaemon = author === '' || DAEMON.test(author) || failed !== null
  const isFromNobody = headerOf(mail, 'return-path').trim() === '<>'
  if (!isReport && !isDaemon && !isFromNobody) return null

  const { notice, returned } = splitReturned(body)
  const notices = readNotices(notice, oursIn(mail))
  const letter = { mail, subject, notice, notices, failed, original: returnedOf(mail, returned) }
  const part = partText(mail, /^message\/(?:global-)?delivery-status$/)
  const status = readDeliveryStatus(part ?? '') ?? (isDaemon ? readDeliveryStatus(body) : null)
  if (status) return fromStatus(letter, status)

  const reply = readReply(notice)
  const isTold = isUndelivered(`${subject}\n${notice}`)
  const hasReply = reply.status !== null || /^[45]\d\d[ -]/m.test(notice)
  const tells = isDaemon ? isTold || hasReply || part !== null : isTold && reply.status !== null
  return tells ? fromWords(letter) : null
}

function fromStatus(letter: Letter, status: DeliveryStatus): BounceReport {
  const { notice, notices, failed } = letter
  const stage = readStage(notice)
  const recipients = status.recipients.map((each) => {
    const address = addressIn(each.original) ?? addressIn(each.final) ?? failed
    const said = notices.find(
      (one) => one.address !== null && one.address.toLowerCase() === address?.toLowerCase(),
    )
    return judgeRecipient({
      address,
      action: actionIn(each.action),
      field: each.status,
      diagnostic: each.diagnostic,
      told: said?.text ?? (status.recipients.length === 1 ? notice : ''),
      stage: said ? (readStage(said.text) ?? stage) : stage,
    })
  })
  return report(letter, recipients, status)
}

function fromWords(letter: Letter): BounceReport {
  const { subject, notice, notices, failed } = letter
  const stage = readStage(notice)
  const action = isDelayed(`${subject}\n${notice}`) ? 'delayed' : 'failed'
  const recipients = notices.map(({ address, text }) =>
    judgeRecipient({
      address: addressIn(address) ?? failed,
      action,
      field: null,
      diagnostic: text,
      told: notices.length === 1 ? notice : '',
      stage: readStage(text) ?? stage,
    }),
  )
  return report(letter, recipients, null)
}

function report(
  { mail, original }: Letter,
  recipients: BouncedRecipient[],
  status: DeliveryStatus | null,
): BounceReport {
  const has = (action: BouncedRecipient['action']) => recipients.some((each) => each.action === action)
  const named = bareId(status?.originalMessageId ?? null) ?? bareId(mail.inReplyTo ?? null)
  return {
    kind: has('failed') ? 'bounce' : has('delayed') ? 'delay' : 'delivered',
    recipients,
    originalMessageId: original.messageId ?? named,
    sendId: original.sendId,
    originalSender: original.sender ?? addressIn(status?.originalSender ?? null),
    reporter: printable(status?.reporter ?? mail.from?.address?.split('@').at(-1) ?? ''),
  }
}

/** Addresses that a notice may contain but that did not fail: its author and its recipients. */
function oursIn(mail: Email) {
  const parties = [mail.from, ...(mail.to ?? [])].map((party) => party?.address?.toLowerCase() ?? '')
  return new Set([...parties, mail.deliveredTo?.toLowerCase() ?? ''])
}
