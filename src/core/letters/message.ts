import { Buffer } from 'node:buffer'
import { createMimeMessage } from 'mimetext/browser'
import PostalMime, { decodeWords, type Email, type Address as Found } from 'postal-mime'
import { MAX_SUBJECT, parseAddress, safeHeaderText } from '../ground/address.ts'
import type { Party } from '../reading/party.ts'

export type Attachment = {
  filename: string
  contentType: string
  content: Uint8Array
  /** The name used in the HTML (`cid:`), without angle brackets. The file is shown there and not as an attachment. */
  contentId?: string
}

export type Draft = {
  /** Without angle brackets. */
  messageId: string
  date: Date
  from: Party
  to: Party[]
  cc: Party[]
  bcc: Party[]
  replyTo: Party | null
  subject: string
  text: string | null
  html: string | null
  /** Custom fields. Fields that this file writes itself, and fields that carriers act on, are refused. */
  headers: Record<string, string>
  attachments?: Attachment[]
}

/** The message as written into the bytes: addresses canonical, names and subject trimmed, bodies with LF. */
export type Mail = Required<Omit<Draft, 'date'>> & { date: Date }

export type Built = { ok: true; raw: Uint8Array; mail: Mail } | { ok: false; field: string; detail: string }

type Refusal = Extract<Built, { ok: false }>
type Field = { name: string; value: string }

/** Longest display name and file name, in characters. */
export const MAX_NAME = 256

const MAX_HEADER = 8_000
const MAX_WORD = 900
const LINE = 76
const MSG_ID = /^(?=.{3,250}$)[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+$/
const CONTENT_ID = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,250}$/
const FIELD_NAME = /^[A-Za-z][A-Za-z0-9-]{0,75}$/
const MEDIA_TYPE =
  /^(?=.{3,127}$)(?!multipart|message)[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/i
const ENCODED_WORD = /=\?[^?\s]+\?[bq]\?[^?\s]*\?=/i
const PLAIN_ADDRESS = /^[^\s@<>",;:()[\]\\]+@[a-z0-9.-]+$/
const PRINTABLE = /^[\u0020-\u007e]*$/
const OWN_FIELDS = new RegExp(
  '^(?:from|sender|to|cc|bcc|reply-to|subject|date|message-id|mime-version|return-path|received(?:-.*)?|delivered-to|' +
    'envelope-to|apparently-to|errors-to|return-receipt-to|disposition-notification-to|authentication-results|' +
    // Carriers act on these fields: X-SMTPAPI can even add recipients.
    'x-smtpapi|(?:content|resent|dkim|domainkey|arc|x-ses|x-mailgun|x-mc|x-pm|x-msys|x-mj|x-sib)-.*)$',
  'i',
)

/**
 * The bytes of one message in RFC 5322 form: pure ASCII, CRLF, lines of at most 998 octets (78 where a word allows),
 * no Bcc. The same draft gives the same bytes. A draft that cannot be sent exactly as given is refused, naming the field
 * (`to[1].email`, `headers.X-Ref`; `message` if the bytes read back differently).
 */
export async function buildMessage(draft: Draft): Promise<Built> {
  const mail = normalise(draft)
  if ('ok' in mail) return mail

  const fields = writeFields(mail)
  const raw = new TextEncoder().encode(assemble(mail, fields))
  const read = await PostalMime.parse(raw).catch(() => null)
  const detail = faultInBytes(raw) ?? (read ? faultInMessage(read, mail, fields) : 'cannot be read back')
  return detail === null ? { ok: true, raw, mail } : refuse('message', detail)
}

function normalise(draft: Draft): Mail | Refusal {
  const refusals: Refusal[] = []
  const check = (field: string, detail: string | null | undefined | false) => {
    if (detail) refusals.push(refuse(field, detail))
  }
  const party = (field: string, { email, name }: Party): Party => {
    const address = parseAddress(email)
    check(`${field}.email`, address === null && 'is not an email address')
    check(`${field}.email`, ENCODED_WORD.test(email) && 'holds an encoded word')
    const trimmed = name?.trim() ?? ''
    check(`${field}.name`, safeHeaderText(name ?? '') ?? tooLong(trimmed, MAX_NAME))
    const said = trimmed === '' || trimmed === address?.email ? null : trimmed
    return { email: address?.email ?? '', name: said }
  }
  const parties = (field: string, list: Party[]) => list.map((one, index) => party(`${field}[${index}]`, one))
  const body = (field: string, text: string | null) => {
    check(field, text?.includes('\0') && 'holds a NUL')
    check(field, text?.isWellFormed() === false && 'holds half of a surrogate pair')
    return text === null ? null : text.replace(/^\ufeff+/, '').replace(/\r\n?/g, '\n')
  }
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(draft.headers)) {
    const trimmed = value.trim().replace(/ +/g, ' ')
    const repeated = Object.keys(headers).some((other) => other.toLowerCase() === name.toLowerCase())
    check(`headers.${name}`, faultInField(name, value, trimmed) ?? (repeated && 'is given twice'))
    headers[name] = trimmed
  }
  const year = draft.date.getUTCFullYear()
  const subject = draft.subject.trim()
  check('messageId', !MSG_ID.test(draft.messageId) && 'is not an id of the form left@right')
  check('date', !(year >= 1970 && year <= 9999) && 'is not a date between 1970 and 9999')
  check('subject', safeHeaderText(draft.subject) ?? tooLong(subject, MAX_SUBJECT))
  check('to', draft.to.length + draft.cc.length + draft.bcc.length === 0 && 'names no recipient')
  check('text', draft.text === null && draft.html === null && 'is absent, and so is html')

  const mail: Mail = {
    messageId: draft.messageId,
    date: draft.date,
    from: party('from', draft.from),
    to: parties('to', draft.to),
    cc: parties('cc', draft.cc),
    bcc: parties('bcc', draft.bcc),
    replyTo: draft.replyTo && party('replyTo', draft.replyTo),
    subject,
    text: body('text', draft.text),
    html: body('html', draft.html),
    headers,
    attachments: (draft.attachments ?? []).map((attachment, index) => {
      const filename = attachment.filename.trim()
      const field = `attachments[${index}]`
      check(`${field}.filename`, safeHeaderText(attachment.filename) ?? tooLong(filename, MAX_NAME))
      check(
        `${field}.filename`,
        (filename === '' || /[/\\]|=\?/.test(filename)) && 'is not a plain file name',
      )
      check(
        `${field}.contentType`,
        !MEDIA_TYPE.test(attachment.contentType) && 'is not a type one file may have',
      )
      const { contentId } = attachment
      check(
        `${field}.contentId`,
        contentId !== undefined && !CONTENT_ID.test(contentId) && 'is not a content id',
      )
      return { ...attachment, filename, contentType: attachment.contentType.toLowerCase() }
    }),
  }
  return refusals[0] ?? mail
}

const refuse = (field: string, detail: string): Refusal => ({ ok: false, field, detail })

const tooLong = (text: string, limit: number) =>
  text.length > limit ? `is longer than ${limit} characters` : null

/** Why a caller may not set a header field to this value, or null if it is allowed. */
export function fieldFault(name: string, value: string): string | null {
  return faultInField(name, value, value.trim().replace(/ +/g, ' '))
}

function faultInField(name: string, value: string, trimmed: string) {
  if (!FIELD_NAME.test(name)) return 'is not a header name'
  if (OWN_FIELDS.test(name)) return 'is not for the caller to set'
  const isFree = /^x-/i.test(name)
  if (trimmed === '') return 'is empty'
  if (!isFree && !PRINTABLE.test(trimmed)) return 'holds characters outside ASCII'
  if (!isFree && ENCODED_WORD.test(trimmed)) return 'holds an encoded word'
  if (!isFree && trimmed.split(' ').some((word) => word.length > MAX_WORD)) {
    return `holds a word longer than ${MAX_WORD} characters`
  }
  return safeHeaderText(value) ?? tooLong(trimmed, MAX_HEADER)
}

function writeFields(mail: Mail): Field[] {
  const custom = Object.entries(mail.headers).map(([name, value]) => ({
    name,
    value: fold(name, /^x-/i.test(name) ? wordsOf(value) : value.split(' ')),
  }))
  return [
    { name: 'Date', value: mail.date.toUTCString().replace('GMT', '+0000') },
    { name: 'From', value: foldParties('From', [mail.from]) },
    { name: 'Reply-To', value: foldParties('Reply-To', mail.replyTo ? [mail.replyTo] : []) },
    { name: 'To', value: foldParties('To', mail.to) },
    { name: 'Cc', value: foldParties('Cc', mail.cc) },
    { name: 'Message-ID', value: `<${mail.messageId}>` },
    { name: 'Subject', value: fold('Subject', wordsOf(mail.subject)) },
    ...custom,
    { name: 'MIME-Version', value: '1.0' },
  ].filter((field) => field.value !== '')
}

/** Joins words to lines of 76 octets. Lines break at spaces only, so unfolding restores the text. */
function fold(name: string, words: string[]) {
  let used = name.length + 1
  return words.reduce((value, word, index) => {
    const breaks = index > 0 && used + 1 + word.length > LINE
    used = (breaks ? 0 : used) + 1 + word.length
    return index === 0 ? word : `${value}${breaks ? '\r\n ' : ' '}${word}`
  }, '')
}

function foldParties(name: string, parties: Party[]) {
  const words = parties.flatMap((party, index) => {
    const comma = index < parties.length - 1 ? ',' : ''
    return party.name === null ? [party.email + comma] : [...phraseOf(party.name), `<${party.email}>${comma}`]
  })
  return fold(name, words)
}

/** A display name: quoted if all mail programs read its characters alike, else in encoded words. */
function phraseOf(name: string) {
  const isPlain = /^[A-Za-z0-9 !#$%&'*+/?^_`{|}~.,;:()[\]-]{1,60}$/.test(name)
  return isPlain ? [`"${name}"`] : encodedWords(name)
}

function wordsOf(text: string) {
  const words = text.split(' ')
  const isPlain =
    PRINTABLE.test(text) && !text.includes('=?') && words.every((word) => /^.{1,60}$/.test(word))
  return isPlain || text === '' ? words : encodedWords(text)
}

/** RFC 2047, section 2: base64 words of at most 64 octets. No word cuts a character. */
function encodedWords(text: string) {
  const chunks: string[] = []
  let chunk = ''
  for (const letter of text) {
    if (Buffer.byteLength(chunk + letter) > 39) {
      chunks.push(chunk)
      chunk = ''
    }
    chunk += letter
  }
  return [...chunks, chunk].map((piece) => `=?utf-8?B?${Buffer.from(piece).toString('base64')}?=`)
}

/** mimetext only arranges fields and parts; they are in their final ASCII form before. */
function assemble(mail: Mail, fields: Field[]) {
  const message = createMimeMessage()
  message.headers.fields = fields
  const stem = mail.messageId.replace(/[^A-Za-z0-9]/g, '').slice(0, 24)
  message.boundaries = { mixed: `mix-${stem}`, alt: `alt-${stem}`, related: `rel-${stem}` }

  const bodies = [
    { contentType: 'text/plain', body: mail.text },
    { contentType: 'text/html', body: mail.html },
  ]
  for (const { contentType, body } of bodies) {
    if (body === null) continue
    message.addMessage({ contentType, encoding: 'base64', data: base64Lines(body.replaceAll('\n', '\r\n')) })
  }
  for (const file of mail.attachments) {
    const { filename, contentType, content } = file
    const data = base64Lines(content)
    const part = message.addAttachment({ filename: 'file', contentType, encoding: 'base64', data })
    const isShown = isInline(mail, file)
    part.setHeader('Content-Type', contentType)
    part.setHeader('Content-Disposition', dispositionOf(filename, isShown ? 'inline' : 'attachment'))
    if (isShown) part.setHeader('Content-ID', `<${file.contentId}>`)
    // mimetext looks for the words "inline" and "attachment" in the whole field, file name and all.
    part.isInlineAttachment = () => isShown
    part.isAttachment = () => !isShown
  }
  return `${message.asRaw()}\r\n`
}

/** Whether the file is shown inside the HTML. */
function isInline({ html }: Mail, { contentId }: Attachment) {
  return html !== null && contentId !== undefined
}

function base64Lines(content: string | Uint8Array) {
  const octets = Buffer.from(typeof content === 'string' ? new TextEncoder().encode(content) : content)
  return (octets.toString('base64').match(/.{1,76}/g) ?? []).join('\r\n')
}

/** RFC 2183, or RFC 2231 in numbered sections for a name that is long or not plain. */
function dispositionOf(filename: string, disposition: 'inline' | 'attachment') {
  if (/^[A-Za-z0-9 _.,()+-]{1,50}$/.test(filename)) return `${disposition}; filename="${filename}"`
  const octets = [...Buffer.from(filename)].map(
    (octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`,
  )
  const sections: string[] = []
  for (let at = 0; at < octets.length; at += 18) {
    const charset = at === 0 ? "UTF-8''" : ''
    sections.push(`filename*${at / 18}*=${charset}${octets.slice(at, at + 18).join('')}`)
  }
  return [disposition, ...sections].join(';\r\n ')
}

function faultInBytes(raw: Uint8Array) {
  let start = 0
  for (let at = 0; at < raw.length; at++) {
    const octet = raw[at] ?? 0
    if (octet === 13 && raw[at + 1] === 10) {
      if (at - start > 998) return 'a line is longer than 998 octets'
      start = at + 2
      at++
    } else if (octet < 32 || octet > 126) {
      return `octet ${octet} at ${at}`
    }
  }
  return start === raw.length ? null : 'the last line does not end'
}

/** How the bytes, read by another parser, differ from the message; null if they do not. */
function faultInMessage(read: Email, mail: Mail, fields: Field[]) {
  const written = fields.map(({ name, value }) => `${name}: ${value.replaceAll('\r\n', '')}`)
  const found = read.headers.map(({ originalKey, value }) => `${originalKey}: ${value}`)
  const content = found.splice(written.length).map((line) => line.replace(/:.*/, ''))
  const parts = mail.attachments.length > 0 || (mail.text !== null && mail.html !== null)
  const expected = parts ? ['Content-Type'] : ['Content-Type', 'Content-Transfer-Encoding']
  if (!same(found, written) || !same(content, expected)) return 'reads back with other header fields'

  const values = new Map(read.headers.map(({ originalKey, value }) => [originalKey, decodeWords(value)]))
  const strayed = Object.entries(mail.headers).find(([name, value]) => values.get(name) !== value)
  if (strayed) return `reads back with another ${strayed[0]}`
  if ((read.subject ?? '') !== mail.subject) return 'reads back with another subject'
  if (!sameParties(read.from ? [read.from] : [], [mail.from])) return 'reads back with another sender'
  if (!sameParties(read.replyTo, mail.replyTo ? [mail.replyTo] : []))
    return 'reads back with another reply address'
  if (!sameParties(read.to, mail.to) || !sameParties(read.cc, mail.cc) || read.bcc || read.sender) {
    return 'reads back with other recipients'
  }
  const text = read.text?.replaceAll('\r\n', '\n') ?? ''
  const html = read.html?.replaceAll('\r\n', '\n') ?? ''
  if (text !== (mail.text ?? '') || html !== (mail.html ?? '')) return 'reads back with another body'
  return sameFiles(read, mail) ? null : 'reads back with other attachments'
}

const same = (left: string[], right: string[]) =>
  left.length === right.length && left.every((line, index) => line === right[index])

function sameParties(found: Found[] | undefined, meant: Party[]) {
  const label = (party: Found | Party) => {
    const email = 'email' in party ? party.email : (party.address ?? '')
    return JSON.stringify([email, party.name ?? ''])
  }
  const isPlain = (party: Party) => PLAIN_ADDRESS.test(party.email)
  return meant.every(isPlain) && same((found ?? []).map(label), meant.map(label))
}

function sameFiles(read: Email, mail: Mail) {
  const label = (type: string, name: string | null, id: string | undefined, content: Uint8Array) =>
    JSON.stringify([type, name, id ?? '', digestible(type, Buffer.from(content))])
  const found = read.attachments.map(({ mimeType, filename, contentId, content }) => {
    const octets = typeof content === 'string' ? Buffer.from(content) : new Uint8Array(content)
    return label(mimeType, filename, contentId?.replace(/^<|>$/g, ''), octets)
  })
  // Files shown in the HTML come before attachments.
  const inline = mail.attachments.filter((file) => isInline(mail, file))
  const beside = mail.attachments.filter((file) => !isInline(mail, file))
  const meant = [
    ...inline.map((file) => label(file.contentType, file.filename, file.contentId, file.content)),
    ...beside.map((file) => label(file.contentType, file.filename, undefined, file.content)),
  ]
  return same(found, meant)
}

/** The parser rewrites line ends of calendars. All other content must come back unchanged. */
function digestible(type: string, content: Buffer) {
  const isCalendar = type === 'text/calendar' || type === 'application/ics'
  return isCalendar
    ? content.toString('utf8').replace(/\r?\n/g, '\n').replace(/\n+$/, '')
    : content.toString('base64')
}
