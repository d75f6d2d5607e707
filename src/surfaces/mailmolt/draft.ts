import { MAX_SUBJECT, parseAddress, safeHeaderText } from '../../core/ground/address.ts'
import { z } from '../http.ts'
import { attachments, bodyText } from '../letter-fields.ts'

const RECIPIENTS_AT_MOST = 50

const Address = z
  .string()
  .max(320)
  .refine((text) => parseAddress(text) !== null, 'is not an email address')
  .openapi({ type: 'string', format: 'email' })
/** The parser's limit. More than fifty recipients in total are refused with a message that names that limit. */
const Addresses = z.array(Address).max(1_000)

/** A subject that fits one header line of RFC 5322. */
export const Subject = z
  .string()
  .max(MAX_SUBJECT)
  .refine((text) => safeHeaderText(text) === null, 'holds characters that no header may hold')

export const BodyText = bodyText(1024)

const Id = z.string().min(1).max(1_000)

const fields = {
  to: z
    .union([Address, Addresses.min(1)], { error: 'must be an email address, or a list of them' })
    .openapi({ description: 'Up to 50 recipients across to/cc/bcc combined.' }),
  cc: Addresses.optional(),
  bcc: Addresses.optional(),
  subject: Subject,
  text: BodyText.optional(),
  html: BodyText.optional().openapi({ description: 'Sanitised before it is kept or sent.' }),
  reply_to: Address.optional(),
  in_reply_to: z.string().max(1_000).optional().openapi({
    description:
      'The id or the RFC 5322 Message-ID of a message. If the mailbox has it, the new message joins its thread.',
  }),
  references: z.array(Id).max(1_000).optional(),
  attachments: attachments(20).optional(),
}

type Recipients = string | string[] | null | undefined

const few = (wanted: { to?: Recipients; cc?: Recipients; bcc?: Recipients }) =>
  [wanted.to, wanted.cc, wanted.bcc].flatMap(listOf).length <= RECIPIENTS_AT_MOST
const TOO_MANY = { message: `are more than ${RECIPIENTS_AT_MOST} with cc and bcc`, path: ['to'] }

/** The body of a send, as published. */
export const MessageBody = z.object(fields).refine(few, TOO_MANY).openapi('Message')
/** The body of a reply. Recipients and subject have defaults. */
export const ReplyBody = z
  .object({ ...fields, to: fields.to.optional(), subject: Subject.optional() })
  .refine(few, TOO_MANY)
  .openapi('Reply')

/** The addresses as a list: a field may hold one or several. */
export function listOf(addresses: Recipients): string[] {
  return typeof addresses === 'string' ? [addresses] : (addresses ?? [])
}
