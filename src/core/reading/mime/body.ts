import { Buffer } from 'node:buffer'
import PostalMime, { type Attachment } from 'postal-mime'
import { BUDGET } from './budget.ts'
import { fieldValue, printable, withoutComments } from './header.ts'
import { type Part, readStructured } from './parts.ts'

export type IncomingFile = {
  filename: string
  contentType: string
  size: number
  content: Uint8Array
  /** Without angle brackets. */
  contentId: string | null
  isInline: boolean
}

export type Body = { text: string | null; html: string | null; files: IncomingFile[]; isTruncated: boolean }

type Text = Leaf & { text: string }
type Leaf = Part & { transfer: string; disposition: string; isBody: boolean }

/** Limit on decoded octets, for plain text and for HTML each: enough for the characters that are kept. */
const MOST_OCTETS = 2 * BUDGET.text
const NAMED = /(?:^|[;\s])(?:file)?name\*?\d*\*?\s*=/i

/**
 * Reads text, HTML and files from the parts. `html` is the whole body, plain parts included. `text` is the whole body
 * too, or null: HTML is not converted to text here. postal-mime decodes charsets, format=flowed and file names, but only
 * from small messages that we build for it, so it never sees more than 2 MiB or a structure chosen by the sender.
 */
export async function readBody(raw: Uint8Array, parts: Part[]): Promise<Body> {
  const leaves = classify(parts)
  const room: Record<string, number> = { 'text/plain': MOST_OCTETS, 'text/html': MOST_OCTETS }
  const texts: Text[] = []
  let isCut = false
  for (const leaf of leaves.filter(({ isBody }) => isBody)) {
    const left = room[leaf.type] ?? 0
    const content = decodeTransfer(raw, leaf, left + 1)
    isCut ||= content.length > left
    room[leaf.type] = Math.max(0, left - content.length)
    texts.push({ ...leaf, text: await readText(leaf, content.subarray(0, left)) })
  }
  const text = clip(joinPlain(texts))
  const html = clip(joinHtml(texts))
  const named = leaves.filter(({ isBody }) => !isBody)
  const names = await readNames(named)
  const files = named.map((leaf, index) => fileOf(raw, leaf, names[index]))
  return { text: text.kept, html: html.kept, files, isTruncated: isCut || text.isCut || html.isCut }
}

async function readText(leaf: Leaf, content: Buffer) {
  const { parameters } = readStructured(fieldValue(leaf.fields, 'content-type'))
  const head = `Content-Type: ${leaf.type}${parameters}\nContent-Transfer-Encoding: base64\n\n`
  const { text, html } = await PostalMime.parse(head + content.toString('base64'))
  return text ?? html ?? ''
}

const siblings = (texts: Text[], { alternative }: Text, type: string) =>
  texts.some((other) => alternative !== null && other.alternative === alternative && other.type === type)

/** The plain parts joined. Null if an HTML part has no plain alternative. */
function joinPlain(texts: Text[]) {
  const plain = texts.filter(({ type, text }) => type === 'text/plain' && text.trim() !== '')
  const isWhole = texts.every((each) => each.type === 'text/plain' || siblings(plain, each, 'text/plain'))
  if (!isWhole || texts.length === 0) return null
  return (plain.length > 0 ? plain : texts).map(({ text }) => text).join('\n')
}

/** The HTML parts joined, in order with the plain parts that have no HTML alternative. Null if there is no HTML. */
function joinHtml(texts: Text[]) {
  if (!texts.some(({ type }) => type === 'text/html')) return null
  const told = texts.filter((each) => each.type === 'text/html' || !siblings(texts, each, 'text/html'))
  return told
    .map(({ type, text }) => (type === 'text/html' ? text : `<pre>${escapeHtml(text)}</pre>`))
    .join('\n')
}

function escapeHtml(text: string) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** Decides which parts are the body. A text part is a file if it is an attachment, or has a name and follows a body. */
function classify(parts: Part[]): Leaf[] {
  let hasBody = false
  return parts.map((part) => {
    const disposition = fieldValue(part.fields, 'content-disposition')
    const type = fieldValue(part.fields, 'content-type')
    const isText = part.type === 'text/plain' || part.type === 'text/html'
    const isNamed = NAMED.test(`${disposition.slice(0, BUDGET.field)};${type.slice(0, BUDGET.field)}`)
    const isBody = isText && !/^\s*attachment/i.test(disposition) && !(isNamed && hasBody)
    hasBody ||= isBody
    const encoding = fieldValue(part.fields, 'content-transfer-encoding').slice(0, BUDGET.field)
    const transfer = /[\w-]+/.exec(withoutComments(encoding) ?? encoding)?.[0] ?? ''
    return { ...part, transfer: transfer.toLowerCase(), disposition, isBody }
  })
}

/** Lets postal-mime read the file names, from a message that holds only the header fields of the parts. */
async function readNames(leaves: Leaf[]): Promise<Attachment[]> {
  const parts = leaves.flatMap(({ fields, disposition }) => [
    '--names',
    `Content-Type: application/octet-stream${readStructured(fieldValue(fields, 'content-type')).parameters}`,
    `Content-Disposition: attachment${readDisposition(disposition).parameters}`,
    '\n',
  ])
  const head = ['Content-Type: multipart/mixed; boundary=names', '']
  return (await PostalMime.parse([...head, ...parts, '--names--', ''].join('\n'))).attachments
}

function readDisposition(field: string) {
  const at = field.indexOf(';')
  const value = (at < 0 ? field : field.slice(0, at)).trim().toLowerCase()
  return { value, parameters: at < 0 ? '' : field.slice(at, at + BUDGET.field) }
}

/** Undoes the transfer encoding of a part (RFC 2045, section 6). If nothing can be decoded, returns the octets unchanged. */
function decodeTransfer(raw: Uint8Array, leaf: Leaf, most: number): Buffer {
  const end = leaf.isBody ? Math.min(leaf.end, leaf.start + 4 * most) : leaf.end
  const octets = Buffer.from(raw.buffer, raw.byteOffset + leaf.start, end - leaf.start)
  const decoded =
    leaf.transfer === 'base64'
      ? decodeBase64(octets)
      : leaf.transfer === 'quoted-printable'
        ? decodeQuotedPrintable(octets)
        : octets
  const content = decoded.length > 0 ? decoded : octets
  return leaf.isBody ? content.subarray(0, most) : content
}

/** Some programs pad every line, so decoding restarts after each pad. Other characters are skipped (RFC 4648, section 3.3). */
function decodeBase64(octets: Buffer): Buffer {
  const pad = octets.indexOf(61)
  const isPlain = pad < 0 || !/[A-Za-z0-9+/]/.test(octets.toString('latin1', pad))
  if (isPlain) return Buffer.from(octets.toString('latin1'), 'base64')
  const decoded = Buffer.allocUnsafe(octets.length)
  let length = 0
  let bits = 0
  let held = 0
  for (const octet of octets) {
    const digit = BASE64[octet] ?? 64
    if (octet === 61) bits = 0
    if (digit === 64) continue
    held = ((held << 6) | digit) & 0xfff
    bits += 6
    if (bits < 8) continue
    bits -= 8
    decoded[length++] = held >> bits
  }
  return decoded.subarray(0, length)
}

const BASE64 = new Uint8Array(256).fill(64)
for (const [digit, letter] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
].entries()) {
  BASE64[letter.charCodeAt(0)] = digit
}

/** RFC 2045, section 6.7. Invalid escapes stay unchanged. */
function decodeQuotedPrintable(octets: Buffer): Buffer {
  const decoded = Buffer.allocUnsafe(octets.length)
  let length = 0
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at] ?? 0
    if (octet === 61) {
      const high = HEX[octets[at + 1] ?? 0] ?? 16
      const low = HEX[octets[at + 2] ?? 0] ?? 16
      if (high < 16 && low < 16) {
        decoded[length++] = high * 16 + low
        at += 2
        continue
      }
      const after = softBreak(octets, at + 1)
      if (after > 0) {
        at = after - 1
        continue
      }
    }
    decoded[length++] = octet
  }
  return decoded.subarray(0, length)
}

const HEX = new Uint8Array(256).fill(16)
for (const digit of '0123456789abcdefABCDEF') HEX[digit.charCodeAt(0)] = Number.parseInt(digit, 16)

/** Where the next line begins if only spaces and a line break follow `from`, else 0. */
function softBreak(octets: Buffer, from: number) {
  let at = from
  while (octets[at] === 32 || octets[at] === 9) at++
  if (octets[at] === 13) at++
  return octets[at] === 10 ? at + 1 : 0
}

function clip(text: string | null) {
  if (text === null) return { kept: null, isCut: false }
  const whole = text.replace(/\r\n?/g, '\n').replaceAll('\0', '').toWellFormed()
  const isCut = whole.length > BUDGET.text
  const kept = isCut ? whole.slice(0, BUDGET.text).replace(/[\ud800-\udbff]$/, '') : whole
  return { kept, isCut }
}

function fileOf(raw: Uint8Array, leaf: Leaf, named: Attachment | undefined): IncomingFile {
  const { buffer, byteOffset, length } = decodeTransfer(raw, leaf, leaf.end - leaf.start)
  const content = new Uint8Array(buffer, byteOffset, length)
  const id = /^<?([^<>\s]{1,998})>?$/.exec(fieldValue(leaf.fields, 'content-id'))?.[1] ?? null
  return {
    filename: fileName(named?.filename ?? '') ?? (leaf.type === 'message/rfc822' ? 'message.eml' : 'unnamed'),
    contentType: leaf.type.length <= 127 ? leaf.type : 'application/octet-stream',
    size: content.length,
    content,
    contentId: id,
    isInline: readDisposition(leaf.disposition).value === 'inline' || (leaf.isRelated && id !== null),
  }
}

/** The last segment of a path, without unprintable characters and outer dots and spaces. Null if nothing is left. */
function fileName(given: string) {
  const last = printable(given, 500).split(/[/\\]/).at(-1) ?? ''
  const name = last.replace(/[<>:"|?*]/g, '_').replace(/^[. ]+|[. ]+$/g, '')
  return name === '' ? null : shorten(name)
}

/** Shortens to 255 characters and keeps the extension. */
function shorten(name: string) {
  if (name.length <= 255) return name
  const extension = /\.\w{1,16}$/.exec(name)?.[0] ?? ''
  return name.slice(0, 255 - extension.length).toWellFormed() + extension
}
