import { addressOf } from './address.ts'

/** Record types of RFC 1035 and RFC 3596. */
export const TYPE = { A: 1, NS: 2, CNAME: 5, MX: 15, TXT: 16, AAAA: 28 } as const
const IN = 1
const OCTETS = { [TYPE.A]: 4, [TYPE.AAAA]: 16 }
/** More than a name of 255 octets can need. */
const POINTERS_AT_MOST = 127

export type AddressType = typeof TYPE.A | typeof TYPE.AAAA
export type TextType = typeof TYPE.NS | typeof TYPE.MX | typeof TYPE.TXT
export type QuestionType = (typeof TYPE)[keyof typeof TYPE]

/** A parsed answer. Names are in lower case, without the last dot. */
export type DnsAnswer = {
  name: string
  type: number
  rcode: number
  aliases: { name: string; target: string }[]
  addresses: { name: string; address: string }[]
  /** Name servers, mail exchangers without their preference, and texts with their strings joined (RFC 7208, 3.3). */
  texts: { name: string; type: TextType; text: string }[]
}

/** The question for one record type of a name. Its id is 0, so that equal questions have equal URLs (RFC 8484, 4.1). */
export function encodeQuestion(host: string, type: QuestionType): Uint8Array {
  const labels = host.split('.').flatMap((label) => [label.length, ...new TextEncoder().encode(label)])
  const header = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
  return Uint8Array.from([...header, ...labels, 0, 0, type, 0, IN])
}

/** The answer to one question with id 0, or null if it is no answer, truncated or malformed (RFC 1035). Never throws. */
export function decodeAnswer(bytes: Uint8Array): DnsAnswer | null {
  try {
    return readAnswer(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  } catch {
    return null
  }
}

/** Throws on malformed input and when reading beyond the end. */
function readAnswer(view: DataView): DnsAnswer {
  const flags = view.getUint16(2)
  const isWholeAnswer = (flags & 0xfa00) === 0x8000
  if (!isWholeAnswer || view.getUint16(0) !== 0 || view.getUint16(4) !== 1) throw malformed()
  const { name, end } = readName(view, 12)
  if (view.getUint16(end + 2) !== IN) throw malformed()
  const answer: DnsAnswer = {
    name,
    type: view.getUint16(end),
    rcode: flags & 0xf,
    aliases: [],
    addresses: [],
    texts: [],
  }
  let at = end + 4
  for (let left = view.getUint16(6); left > 0; left -= 1) at = readRecord(view, at, answer)
  return answer
}

function readRecord(view: DataView, start: number, answer: DnsAnswer) {
  const { name, end } = readName(view, start)
  const type = view.getUint16(end)
  const at = end + 10
  const next = at + view.getUint16(end + 8)
  if (view.getUint16(end + 2) !== IN || next > view.byteLength) throw malformed()
  if (type === TYPE.CNAME) {
    const target = readName(view, at)
    if (target.end !== next) throw malformed()
    answer.aliases.push({ name, target: target.name })
  }
  if (type === TYPE.A || type === TYPE.AAAA) {
    if (next - at !== OCTETS[type]) throw malformed()
    const octets = new Uint8Array(view.buffer, view.byteOffset + at, next - at)
    answer.addresses.push({ name, address: addressOf(octets) })
  }
  if (type === TYPE.TXT) answer.texts.push({ name, type, text: readStrings(view, at, next) })
  if (type === TYPE.NS || type === TYPE.MX) {
    const target = readName(view, type === TYPE.MX ? at + 2 : at)
    if (target.end !== next) throw malformed()
    answer.texts.push({ name, type, text: target.name })
  }
  return next
}

/** Joins strings of at most 255 octets each. */
function readStrings(view: DataView, start: number, end: number) {
  const octets: number[] = []
  for (let at = start; at < end; ) {
    const next = at + 1 + view.getUint8(at)
    if (next > end) throw malformed()
    for (at += 1; at < next; at += 1) octets.push(view.getUint8(at))
  }
  return new TextDecoder().decode(Uint8Array.from(octets))
}

/** Each pointer must lead to before the part of the name read so far, so reading always ends. */
function readName(view: DataView, start: number) {
  const labels: string[] = []
  let end: number | null = null
  let at = start
  let floor = start
  let octets = 1
  for (let pointers = 0; pointers <= POINTERS_AT_MOST; ) {
    const length = view.getUint8(at)
    if (length === 0) return { name: labels.join('.'), end: end ?? at + 1 }
    if (length >= 0xc0) {
      end ??= at + 2
      at = view.getUint16(at) & 0x3fff
      if (at >= floor) throw malformed()
      floor = at
      pointers += 1
    } else {
      octets += length + 1
      if (length > 63 || octets > 255) throw malformed()
      labels.push(readLabel(view, at + 1, length))
      at += length + 1
    }
  }
  throw malformed()
}

/** Escapes octets that host names do not have, so that a dot inside a label is not taken for a boundary. */
function readLabel(view: DataView, at: number, length: number) {
  let label = ''
  for (let index = at; index < at + length; index += 1) {
    const letter = String.fromCharCode(view.getUint8(index))
    label += /[\w-]/.test(letter) ? letter.toLowerCase() : `\\${letter.charCodeAt(0)}`
  }
  return label
}

const malformed = () => new RangeError('not a DNS message')
