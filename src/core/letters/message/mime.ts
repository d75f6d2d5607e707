import { Buffer } from 'node:buffer'
import { createMimeMessage } from 'mimetext/browser'
import type { Party } from '../../reading/party.ts'
import { type Attachment, type Mail, PRINTABLE } from './draft.ts'

export type Field = { name: string; value: string }

/** Octets of a folded line. RFC 5322, section 2.1.1 asks for at most 78. */
const LINE = 76

/** The header fields of a message, in order and in their final ASCII form. Bcc is not among them. */
export function writeFields(mail: Mail): Field[] {
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

/** The whole message with these fields. mimetext only arranges fields and parts; both already have their final ASCII form. */
export function assemble(mail: Mail, fields: Field[]) {
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
export function isInline({ html }: Mail, { contentId }: Attachment) {
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
