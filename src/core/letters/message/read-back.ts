import { Buffer } from 'node:buffer'
import PostalMime, { type Address, decodeWords, type Email } from 'postal-mime'
import type { Party } from '../../reading/party.ts'
import type { Mail } from './draft.ts'
import { type Field, isInline } from './mime.ts'

const PLAIN_ADDRESS = /^[^\s@<>",;:()[\]\\]+@[a-z0-9.-]+$/

/** Why these bytes are not the message: what is wrong with them, or how another parser reads them differently. */
export async function faultInReadBack(raw: Uint8Array, mail: Mail, fields: Field[]): Promise<string | null> {
  const read = await PostalMime.parse(raw).catch(() => null)
  return faultInBytes(raw) ?? (read ? faultInMessage(read, mail, fields) : 'cannot be read back')
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

function sameParties(found: Address[] | undefined, meant: Party[]) {
  const label = (party: Address | Party) => {
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
