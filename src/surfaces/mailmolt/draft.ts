import { MAX_SUBJECT, parseAddress, safeHeaderText } from '../../core/address.ts'
import { bytesOf, type GivenFile } from '../../core/inbox/files.ts'
import { z } from '../http.ts'

const RECIPIENTS_AT_MOST = 50
const BODY_AT_MOST = 1_048_576
const FILES_AT_MOST = 7 * 1024 * 1024

const Address = z
  .string()
  .max(320)
  .refine((text) => parseAddress(text) !== null, 'is not an email address')
  .openapi({ type: 'string', format: 'email' })
/** So many entries are read at all; more than fifty in all are refused by the rule that says so. */
const Addresses = z.array(Address).max(1_000)

/** What may stand in a Subject field, on one line of RFC 5322. */
export const Subject = z
  .string()
  .max(MAX_SUBJECT)
  .refine((text) => safeHeaderText(text) === null, 'holds characters that no header may hold')

/** A body as mail can hold it: well-formed, without NUL (RFC 5322, section 4). */
export const BodyText = z
  .string()
  .transform((text) => text.toWellFormed().replaceAll('\0', ''))
  .refine((text) => new TextEncoder().encode(text).byteLength <= BODY_AT_MOST, 'is above 1 MB of UTF-8')
  .openapi({ type: 'string' })

const File = z.object({
  filename: z.string().min(1).max(1_000),
  content_type: z.string().max(200).default('application/octet-stream'),
  content_base64: z
    .string()
    .transform((text, context) => {
      const content = bytesOf(text)
      if (content === null) context.addIssue({ code: 'custom', message: 'is not base64' })
      return content ?? new Uint8Array()
    })
    .openapi({ type: 'string', format: 'byte' }),
})

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
      'The id, or the RFC 5322 Message-ID, of a message. Where the mailbox sees it, its thread goes on.',
  }),
  references: z.array(Id).max(1_000).optional(),
  attachments: z
    .array(File)
    .max(20)
    .refine((files) => sizeOf(files) <= FILES_AT_MOST, 'are above 7 MB in all')
    .optional(),
}

type Recipients = string | string[] | null | undefined

const few = (wanted: { to?: Recipients; cc?: Recipients; bcc?: Recipients }) =>
  [wanted.to, wanted.cc, wanted.bcc].flatMap(listOf).length <= RECIPIENTS_AT_MOST
const TOO_MANY = { message: `are more than ${RECIPIENTS_AT_MOST} with cc and bcc`, path: ['to'] }

/** A letter to be sent, as the published document has it. */
export const MessageBody = z.object(fields).refine(few, TOO_MANY).openapi('Message')
/** An answer: whom it is for and what it is called go without saying. */
export const ReplyBody = z
  .object({ ...fields, to: fields.to.optional(), subject: Subject.optional() })
  .refine(few, TOO_MANY)
  .openapi('Reply')

/** Addresses, whether one is given or several. */
export function listOf(addresses: Recipients): string[] {
  return typeof addresses === 'string' ? [addresses] : (addresses ?? [])
}

/** The attachments of a letter, decoded. */
export function filesOf({ attachments }: Pick<z.infer<typeof ReplyBody>, 'attachments'>): GivenFile[] {
  return (attachments ?? []).map(({ filename, content_type, content_base64 }) => ({
    filename,
    contentType: content_type,
    content: content_base64,
  }))
}

function sizeOf(files: { content_base64: Uint8Array }[]): number {
  return files.reduce((sum, file) => sum + file.content_base64.byteLength, 0)
}
