import { BUDGET } from './budget.ts'
import { type Field, fieldValue } from './header.ts'
import { readStructured } from './parts.ts'

export type Automatic = { isAutomatic: boolean; reason: AutomaticReason | null }

/** How a message shows that a program sent it. */
type AutomaticReason =
  | 'auto_submitted'
  | 'report'
  | 'null_sender'
  | 'list'
  | 'precedence'
  | 'autoreply'
  | 'response_suppressed'
  | 'machine_sender'

const AUTOREPLY = new Set([
  'x-autoreply',
  'x-autoreply-from',
  'x-autorespond',
  'x-autoresponder',
  'x-auto-reply-from',
  'x-mail-autoreply',
  'x-loop',
])
const LIST = /^list-(?:id|post|unsubscribe|help|subscribe|owner|archive)$/
const MACHINE = /^(?:mailer-daemon|no-?reply|do-?not-?reply|bounces?|auto-?reply|autoresponder)(?:[+-].*)?@/i

/** Whether a program sent the message. Such a message must not be answered automatically (RFC 3834, section 2). */
export function readAutomatic(fields: Field[], author: { email: string } | null): Automatic {
  const reason = reasonOf(fields, author)
  return { isAutomatic: reason !== null, reason }
}

function reasonOf(fields: Field[], author: { email: string } | null): AutomaticReason | null {
  const word = (name: string) => /^[\w-]*/.exec(fieldValue(fields, name).toLowerCase())?.[0] ?? ''
  const { value: type, parameters } = readStructured(fieldValue(fields, 'content-type'))
  const submitted = fields.filter(({ name }) => name === 'auto-submitted')
  if (submitted.some(({ value }) => !/^no(?![\w-])/i.test(value))) return 'auto_submitted'
  if (type === 'multipart/report' || /report-type\s*=/i.test(parameters)) return 'report'
  if (/^<\s*>$/.test(fieldValue(fields, 'return-path'))) return 'null_sender'
  if (fields.some(({ name }) => LIST.test(name))) return 'list'
  if (/^(?:bulk|list|junk|auto_reply)$/.test(word('precedence'))) return 'precedence'
  if (fields.some(({ name }) => AUTOREPLY.has(name))) return 'autoreply'
  const suppressed = fieldValue(fields, 'x-auto-response-suppress')
    .slice(0, BUDGET.field)
    .split(/[,;\s]+/)
  if (suppressed.some((each) => /^(?:all|oof|autoreply)$/i.test(each))) return 'response_suppressed'
  return author && MACHINE.test(author.email) ? 'machine_sender' : null
}
