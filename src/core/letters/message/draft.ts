import { MAX_SUBJECT, parseAddress, safeHeaderText } from '../../ground/address.ts'
import type { Party } from '../../reading/party.ts'

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

/** The field of a draft that cannot be sent as given, and why. */
export type Refusal = { ok: false; field: string; detail: string }

/** Longest display name and file name, in characters. */
const MAX_NAME = 256

const MAX_HEADER = 8_000
const MAX_WORD = 900
const MSG_ID = /^(?=.{3,250}$)[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+$/
const CONTENT_ID = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,250}$/
const FIELD_NAME = /^[A-Za-z][A-Za-z0-9-]{0,75}$/
const MEDIA_TYPE =
  /^(?=.{3,127}$)(?!multipart|message)[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/i
const ENCODED_WORD = /=\?[^?\s]+\?[bq]\?[^?\s]*\?=/i
export const PRINTABLE = /^[\u0020-\u007e]*$/
const OWN_FIELDS = new RegExp(
  '^(?:from|sender|to|cc|bcc|reply-to|subject|date|message-id|mime-version|return-path|received(?:-.*)?|delivered-to|' +
    'envelope-to|apparently-to|errors-to|return-receipt-to|disposition-notification-to|authentication-results|' +
    // Carriers act on these fields: X-SMTPAPI can even add recipients.
    'x-smtpapi|(?:content|resent|dkim|domainkey|arc|x-ses|x-mailgun|x-mc|x-pm|x-msys|x-mj|x-sib)-.*)$',
  'i',
)

/** Notes a fault of a field, if there is one. */
type Check = (field: string, detail: string | null | undefined | false) => void

/** The message of a draft, or the first field that cannot be sent exactly as given. */
export function checkDraft(draft: Draft): Mail | Refusal {
  const refusals: Refusal[] = []
  const check: Check = (field, detail) => {
    if (detail) refusals.push(refuse(field, detail))
  }
  const headers = checkHeaders(check, draft.headers)
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
    from: checkParty(check, 'from', draft.from),
    to: checkParties(check, 'to', draft.to),
    cc: checkParties(check, 'cc', draft.cc),
    bcc: checkParties(check, 'bcc', draft.bcc),
    replyTo: draft.replyTo && checkParty(check, 'replyTo', draft.replyTo),
    subject,
    text: checkBody(check, 'text', draft.text),
    html: checkBody(check, 'html', draft.html),
    headers,
    attachments: (draft.attachments ?? []).map((file, index) =>
      checkAttachment(check, `attachments[${index}]`, file),
    ),
  }
  return refusals[0] ?? mail
}

function checkHeaders(check: Check, given: Draft['headers']) {
  const headers: Draft['headers'] = {}
  for (const [name, value] of Object.entries(given)) {
    const repeated = Object.keys(headers).some((other) => other.toLowerCase() === name.toLowerCase())
    check(`headers.${name}`, fieldFault(name, value) ?? (repeated && 'is given twice'))
    headers[name] = withSingleSpaces(value)
  }
  return headers
}

function checkParties(check: Check, field: string, list: Party[]) {
  return list.map((each, index) => checkParty(check, `${field}[${index}]`, each))
}

function checkParty(check: Check, field: string, { email, name }: Party): Party {
  const address = parseAddress(email)
  check(`${field}.email`, address === null && 'is not an email address')
  check(`${field}.email`, ENCODED_WORD.test(email) && 'holds an encoded word')
  const trimmed = name?.trim() ?? ''
  check(`${field}.name`, safeHeaderText(name ?? '') ?? tooLong(trimmed, MAX_NAME))
  const repeatsAddress = trimmed === address?.email
  return { email: address?.email ?? '', name: trimmed === '' || repeatsAddress ? null : trimmed }
}

function checkBody(check: Check, field: string, text: string | null) {
  check(field, text?.includes('\0') && 'holds a NUL')
  check(field, text?.isWellFormed() === false && 'holds half of a surrogate pair')
  return text === null ? null : text.replace(/^\ufeff+/, '').replace(/\r\n?/g, '\n')
}

function checkAttachment(check: Check, field: string, file: Attachment): Attachment {
  const { contentType, contentId } = file
  const filename = file.filename.trim()
  check(`${field}.filename`, safeHeaderText(file.filename) ?? tooLong(filename, MAX_NAME))
  check(`${field}.filename`, (filename === '' || /[/\\]|=\?/.test(filename)) && 'is not a plain file name')
  check(`${field}.contentType`, !MEDIA_TYPE.test(contentType) && 'is not a type one file may have')
  check(`${field}.contentId`, contentId !== undefined && !CONTENT_ID.test(contentId) && 'is not a content id')
  return { ...file, filename, contentType: contentType.toLowerCase() }
}

/** Why a caller may not set a header field to this value, or null if it is allowed. */
export function fieldFault(name: string, value: string): string | null {
  if (!FIELD_NAME.test(name)) return 'is not a header name'
  if (OWN_FIELDS.test(name)) return 'is not for the caller to set'
  const isFree = /^x-/i.test(name)
  const trimmed = withSingleSpaces(value)
  if (trimmed === '') return 'is empty'
  if (!isFree && !PRINTABLE.test(trimmed)) return 'holds characters outside ASCII'
  if (!isFree && ENCODED_WORD.test(trimmed)) return 'holds an encoded word'
  if (!isFree && trimmed.split(' ').some((word) => word.length > MAX_WORD)) {
    return `holds a word longer than ${MAX_WORD} characters`
  }
  return safeHeaderText(value) ?? tooLong(trimmed, MAX_HEADER)
}

const withSingleSpaces = (value: string) => value.trim().replace(/ +/g, ' ')

const refuse = (field: string, detail: string): Refusal => ({ ok: false, field, detail })

const tooLong = (text: string, limit: number) =>
  text.length > limit ? `is longer than ${limit} characters` : null
