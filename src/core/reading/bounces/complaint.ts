import type { Email } from 'postal-mime'
import type { BounceReport } from './bounce-report.ts'
import { find, readFields, typed } from './fields.ts'
import { addressIn, type ComplaintReason, printable } from './recipient.ts'
import { returnedOf } from './returned.ts'

/** Feedback types that count as a complaint. Others, such as `not-spam` and `auth-failure`, do not. */
export const COMPLAINTS = new Map<string, ComplaintReason>([
  ['abuse', 'abuse'],
  ['fraud', 'fraud'],
  ['virus', 'virus'],
  ['opt-out', 'opt_out'],
  ['opt-out-list', 'opt_out'],
])
const RECIPIENTS_AT_MOST = 100

/** Reads a feedback report (RFC 5965). Null if it is no complaint. Many name no recipient: then `address` is null. */
export function readComplaint(mail: Email, feedback: string): BounceReport | null {
  const fields = readFields(feedback)
  const reason = COMPLAINTS.get(find(fields, 'feedback-type')?.toLowerCase() ?? '')
  if (reason === undefined) return null
  const named = fields.filter(([name]) => name === 'original-rcpt-to' || name === 'removal-recipient')
  const addresses = new Set(named.map(([, value]) => addressIn(typed(value))))
  const original = returnedOf(mail, '')
  return {
    kind: 'complaint',
    recipients: [...(addresses.size > 0 ? addresses : [null])]
      .slice(0, RECIPIENTS_AT_MOST)
      .map((address) => ({
        address,
        action: null,
        status: null,
        replyCode: null,
        isHard: false,
        reason,
        diagnostic: null,
      })),
    originalMessageId: original.messageId,
    sendId: original.sendId,
    originalSender: addressIn(find(fields, 'original-mail-from')) ?? original.sender,
    reporter: printable(typed(find(fields, 'reporting-mta')) ?? mail.from?.address?.split('@').at(-1) ?? ''),
  }
}
