import { fieldFault } from '../../letters/message.ts'
import type { GivenFile } from '../../mail/files.ts'
import { type Field, fieldValue, printable, readHeader } from '../../reading/mime/header.ts'
import { type IncomingFile, type IncomingMail, readMail } from '../../reading/mime/mail.ts'
import { readStructured } from '../../reading/mime/parts.ts'
import type { Party } from '../../reading/party.ts'

/** A message as a mail program has handed it in, read and found fit to be sent. */
export type Submitted = {
  /** Without angle brackets, null where the program gave none. */
  messageId: string | null
  from: Party
  to: Party[]
  cc: Party[]
  replyTo: string | null
  subject: string
  text: string | null
  html: string | null
  files: GivenFile[]
  /** Fields of the program's own that travel on. */
  headers: Record<string, string>
  inReplyTo: string | null
  references: string[]
}

/** Why a message is not taken, in a word and in a sentence. */
export type Unfit = { reason: string; detail: string }

/** The largest message that is taken, in bytes: what a request body holds, less the room for its envelope. */
export const MESSAGE_AT_MOST = 10 * 1024 * 1024 - 64 * 1024

const FILES_AT_MOST = 50
/** Of all files together once decoded, in bytes, as at the other doors. */
const CONTENT_AT_MOST = 7 * 1024 * 1024
const OWN_FIELDS_AT_MOST = 50
const OWN_FIELD_LENGTH = 2_000

/** What cannot be taken apart and put together again without breaking what it promises. */
const SEALED =
  /^(?:multipart\/(?:signed|encrypted|report)|application\/(?:x-)?pkcs7-(?:mime|signature)|message\/.*)$/
/** Fields of a program's own that other programs act upon. Those by which we speak ourselves are ours. */
const KEPT =
  /^(?:x-(?!moltpost-|mailmolt-|moltbotden-).+|list-(?:id|help|subscribe|unsubscribe|unsubscribe-post|post|owner|archive)|auto-submitted|precedence|importance|priority|sensitivity|keywords|comments|organization|feedback-id)$/
const CONTENT_ID = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,250}$/

/**
 * Reads a message within the budgets of inbound mail. What two readers would read differently is not taken: it could say
 * one thing to our rules and another to whoever gets it.
 */
export async function readSubmission(raw: Uint8Array): Promise<Submitted | Unfit> {
  if (raw.byteLength > MESSAGE_AT_MOST) return tooLarge(`it is above ${MESSAGE_AT_MOST} bytes`)
  const mail = await readMail(raw, { authservIds: [] })
  const { fields } = readHeader(raw, 0)
  const unfit = unfitness(mail, fields)
  if (unfit) return unfit
  if (mail.from === null) return malformed('it does not tell its one author')

  const own = ownFields(fields)
  if (own.length > OWN_FIELDS_AT_MOST)
    return malformed(`it has above ${OWN_FIELDS_AT_MOST} header fields of its own`)
  const { messageId, from, to, cc, replyTo, subject, text, html, files, inReplyTo, references } = mail
  return {
    ...{ messageId, from, to, cc, subject, inReplyTo, references },
    replyTo: replyTo[0]?.email ?? null,
    text: text ?? (html === null ? '' : null),
    html,
    files: files.map((file) => fileOf(file, html !== null)),
    headers: Object.fromEntries(own),
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
  if (SEALED.test(type)) return { reason: 'unsupported_content', detail: `${type} would not arrive unharmed` }
  if (mail.isTruncated) return tooLarge('its text or its HTML is above 1 MB')
  if (mail.files.length > FILES_AT_MOST) return tooLarge(`it has above ${FILES_AT_MOST} files`)
  const size = mail.files.reduce((sum, file) => sum + file.size, 0)
  return size > CONTENT_AT_MOST ? tooLarge('its files are above 7 MB in all') : null
}

/** A message inside the message travels as a file: carriers take no other. */
function fileOf(
  { filename, contentType, content, contentId, isInline }: IncomingFile,
  hasHtml: boolean,
): GivenFile {
  const isShown = hasHtml && isInline && contentId !== null && CONTENT_ID.test(contentId)
  const type = /^(?:message|multipart)\//.test(contentType) ? 'application/octet-stream' : contentType
  return { filename, contentType: type, content, ...(isShown ? { contentId } : {}) }
}

/** The first of each name, as far as its value may stand in a header. */
function ownFields(fields: Field[]): [name: string, value: string][] {
  const kept = new Map<string, [string, string]>()
  for (const { name, value } of fields) {
    if (!KEPT.test(name) || kept.has(name)) continue
    const spelt = name.replace(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase())
    const said = printable(value, OWN_FIELD_LENGTH)
    if (fieldFault(spelt, said) === null) kept.set(name, [spelt, said])
  }
  return [...kept.values()]
}
