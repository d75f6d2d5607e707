import { fieldFault } from '../../letters/message/draft.ts'
import { sortFields } from '../../letters/message/foreign-fields.ts'
import type { GivenFile } from '../../mail/files.ts'
import { type Field, fieldValue, printable, readHeader } from '../../reading/mime/header.ts'
import { type IncomingFile, type IncomingMail, readMail } from '../../reading/mime/mail.ts'
import { readStructured } from '../../reading/mime/parts.ts'
import type { Party } from '../../reading/party.ts'

/** A message that a mail program submitted, parsed and checked. */
export type Submitted = {
  /** Without angle brackets; null if the program set none. */
  messageId: string | null
  from: Party
  to: Party[]
  cc: Party[]
  replyTo: string | null
  subject: string
  text: string | null
  html: string | null
  files: GivenFile[]
  /** The program's own header fields that are kept. */
  headers: Record<string, string>
  /** The names of those that are not. */
  droppedFields: string[]
  /** The program gave the message an unsubscribe field. */
  asksUnsubscribe: boolean
  inReplyTo: string | null
  references: string[]
}

/** Why a message is refused: a code and a sentence. */
type Unfit = { reason: string; detail: string }

/** The largest message, in bytes: the limit of a request body, minus some room for the envelope. */
export const MESSAGE_AT_MOST = 10 * 1024 * 1024 - 64 * 1024

const FILES_AT_MOST = 50
/** The limit of all files together, decoded, in bytes: the same as on the other surfaces. */
const CONTENT_AT_MOST = 7 * 1024 * 1024
const OWN_FIELDS_AT_MOST = 50
const OWN_FIELD_LENGTH = 2_000

/** Types that would break if the message were taken apart and rebuilt: signatures, encryption, reports. */
const SEALED =
  /^(?:multipart\/(?:signed|encrypted|report)|application\/(?:x-)?pkcs7-(?:mime|signature)|message\/.*)$/
const CONTENT_ID = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,250}$/

/**
 * Reads a message within the limits of inbound mail. An ambiguous message is refused: our rules could read one text and
 * its recipient another.
 */
export async function readSubmission(raw: Uint8Array): Promise<Submitted | Unfit> {
  if (raw.byteLength > MESSAGE_AT_MOST) return tooLarge(`it is above ${MESSAGE_AT_MOST} bytes`)
  const mail = await readMail(raw, { authservIds: [] })
  const { fields } = readHeader(raw, 0)
  const unfit = unfitness(mail, fields)
  if (unfit) return unfit
  if (mail.from === null) return malformed('it does not name exactly one author')

  const own = ownFields(fields)
  if (own.kept.length > OWN_FIELDS_AT_MOST)
    return malformed(`it has more than ${OWN_FIELDS_AT_MOST} header fields of its own`)
  const { messageId, from, to, cc, replyTo, subject, text, html, files, inReplyTo, references } = mail
  return {
    ...{ messageId, from, to, cc, subject, inReplyTo, references },
    replyTo: replyTo[0]?.email ?? null,
    text: text ?? (html === null ? '' : null),
    html,
    files: files.map((file) => fileOf(file, html !== null)),
    headers: Object.fromEntries(own.kept),
    droppedFields: own.dropped.slice(0, OWN_FIELDS_AT_MOST),
    asksUnsubscribe: own.asksUnsubscribe,
  }
}

const malformed = (detail: string): Unfit => ({ reason: 'malformed_message', detail })
const tooLarge = (detail: string): Unfit => ({ reason: 'message_too_large', detail })

function unfitness(mail: IncomingMail, fields: Field[]): Unfit | null {
  if (mail.unreadable !== null) return malformed(`it cannot be read: ${mail.unreadable}`)
  if (mail.ambiguities.length > 0) {
    return malformed(`programs would read it differently: ${mail.ambiguities.join(', ')}`)
  }
  const type = readStructured(fieldValue(fields, 'content-type')).value
  if (SEALED.test(type))
    return { reason: 'unsupported_content', detail: `${type} would be damaged on the way` }
  if (mail.isTruncated) return tooLarge('its text or its HTML is above 1 MB')
  if (mail.files.length > FILES_AT_MOST) return tooLarge(`it has more than ${FILES_AT_MOST} files`)
  const size = mail.files.reduce((sum, file) => sum + file.size, 0)
  return size > CONTENT_AT_MOST ? tooLarge('its files are above 7 MB in all') : null
}

/** A message inside the message becomes a plain file, because carriers accept nothing else. */
function fileOf(
  { filename, contentType, content, contentId, isInline }: IncomingFile,
  hasHtml: boolean,
): GivenFile {
  const isShown = hasHtml && isInline && contentId !== null && CONTENT_ID.test(contentId)
  const type = /^(?:message|multipart)\//.test(contentType) ? 'application/octet-stream' : contentType
  return { filename, contentType: type, content, ...(isShown ? { contentId } : {}) }
}

/** The program's fields that leave with the message, if their value is allowed in a header, and the names of the others. */
function ownFields(fields: Field[]): {
  kept: [name: string, value: string][]
  dropped: string[]
  asksUnsubscribe: boolean
} {
  const { kept, dropped, asksUnsubscribe } = sortFields(fields)
  const spelt = (name: string) => name.replace(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase())
  const said = kept.map(({ name, value }): [string, string] => [
    spelt(name),
    printable(value, OWN_FIELD_LENGTH),
  ])
  const isFit = ([name, value]: [string, string]) => fieldFault(name, value) === null
  const unfit = said.filter((field) => !isFit(field)).map(([name]) => name)
  return { kept: said.filter(isFit), dropped: [...dropped.map(spelt), ...unfit].sort(), asksUnsubscribe }
}
