import { Buffer } from 'node:buffer'
import { BUDGET, type Unreadable } from './budget.ts'
import { type Field, fieldValue, type Header, readHeader, trimLine, withoutComments } from './header.ts'

/** A part that holds content, not other parts: its octets from `start` to `end`, still in their transfer encoding. */
export type Part = {
  fields: Field[]
  /** Media type in lower case; what is none of ours to take apart stays whole, message/rfc822 too. */
  type: string
  /** Which multipart/alternative it is a rendering of, if any. */
  alternative: number | null
  isRelated: boolean
  start: number
  end: number
}

export type Structure = {
  parts: Part[]
  /** Whether some part gives a field that rules its reading twice. */
  isContradictory: boolean
  overrun: Extract<Unreadable, 'header_too_large' | 'too_many_fields' | 'too_many_parts' | 'too_deep'> | null
}

type Multipart = { part: Part; boundary: string; isDigest: boolean }
type Delimiter = { from: number; next: number; level: number; closes: boolean }

const LONGEST_BOUNDARY = 1_000
const RULING = new Set(['content-type', 'content-transfer-encoding', 'content-disposition'])
const TYPE = /^\s*([\w!#$&^.+-]+\/[\w!#$&^.+-]+)\s*(?:[\s;]|$)/
const PARAMETER = /;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.?)*)(?:"|$)|([^\s;"]*))/gs

/**
 * Takes a message apart by its boundaries (RFC 2046, section 5.1) in one pass over the octets and within budget.
 * A multipart whose boundary never comes is plain text, and so is what stands outside the parts where these are blank:
 * no content goes unseen.
 */
export function splitParts(raw: Uint8Array, header: Header): Structure {
  const octets = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength)
  const structure: Structure = { parts: [], isContradictory: repeats(header.fields), overrun: null }
  const open: Multipart[] = []
  const outside: Part[] = []
  let current: Part | null = null
  let isOutside = false
  let count = 0
  let dashes = 0
  let headers = 0

  const begin = (fields: Field[], start: number): Part => {
    const parent = open.at(-1)
    const { type, boundary } = readContentType(fields, parent?.isDigest ?? false)
    const part: Part = {
      fields,
      type: type.startsWith('multipart/') ? 'text/plain' : type,
      alternative: parent?.part.alternative ?? null,
      isRelated: parent?.part.isRelated ?? false,
      start,
      end: start,
    }
    if (boundary === null) return part
    // What a multipart is, its parts inherit from here.
    const within: Part = {
      ...part,
      alternative: type === 'multipart/alternative' ? start : part.alternative,
      isRelated: part.isRelated || type === 'multipart/related',
    }
    open.push({ part: within, boundary, isDigest: type === 'multipart/digest' })
    return within
  }
  const finish = (end: number) => {
    if (current)
      (isOutside ? outside : structure.parts).push({ ...current, end: Math.max(current.start, end) })
    current = null
    isOutside = false
  }
  const delimiterIn = (from: number, next: number): Delimiter | null => {
    dashes++
    const end = trimEnd(raw, from, next)
    if (end - from > LONGEST_BOUNDARY + 4) return null
    const line = octets.latin1Slice(from + 2, end)
    for (let level = open.length - 1; level >= 0; level--) {
      const boundary = open[level]?.boundary ?? ''
      if (line === boundary) return { from, next, level, closes: false }
      if (line === `${boundary}--`) return { from, next, level, closes: true }
    }
    return null
  }
  const nextDelimiter = (start: number): Delimiter | null => {
    let from = dashedLine(raw, start)
    while (from < raw.length && dashes <= BUDGET.dashes) {
      const feed = raw.indexOf(10, from)
      const next = feed < 0 ? raw.length : feed + 1
      const found = delimiterIn(from, next)
      if (found || feed < 0) return found
      from = dashedLine(raw, next)
    }
    return null
  }

  current = begin(header.fields, header.end)
  let at = header.end
  while (open.length > 0) {
    const found = nextDelimiter(at)
    if (dashes > BUDGET.dashes) return { ...structure, overrun: 'too_many_parts' }
    if (!found) break
    const opener = open[found.level]
    if (opener?.part === current && !found.closes) isOutside = true
    finish(beforeLineBreak(raw, found.from))
    open.length = found.closes ? found.level : found.level + 1
    at = found.next
    if (found.closes) {
      current = plainText(at)
      isOutside = true
      continue
    }

    if (++count > BUDGET.parts) return { ...structure, overrun: 'too_many_parts' }
    const own = readHeader(raw, at, (from, next) => isDashed(raw, from) && delimiterIn(from, next) !== null)
    headers += own.end - own.start
    if (own.overrun) return { ...structure, overrun: own.overrun }
    if (headers > BUDGET.header) return { ...structure, overrun: 'header_too_large' }
    structure.isContradictory ||= repeats(own.fields)
    // A part that begins with no field at all has no header: what stands there is its body.
    const isBare = own.fields.length === 0 && own.faults.includes('malformed_header')
    if (own.faults.length > 0) outside.push({ ...plainText(own.start), end: own.end })
    current = begin(own.fields, isBare ? own.start : own.end)
    if (open.length > BUDGET.depth) return { ...structure, overrun: 'too_deep' }
    at = own.end
  }
  finish(raw.length)
  const hasContent = (part: Part) => !isBlank(raw, part.start, part.end)
  if (!structure.parts.some(hasContent)) structure.parts.push(...outside.filter(hasContent).map(asText))
  return structure
}

const plainText = (start: number): Part => {
  return { fields: [], type: 'text/plain', alternative: null, isRelated: false, start, end: start }
}

const asText = ({ start, end }: Part): Part => ({ ...plainText(start), end })

const isDashed = (raw: Uint8Array, from: number) => raw[from] === 45 && raw[from + 1] === 45

/** The next line, from the one that begins at `start` on, that begins with two hyphens; the end where none does. */
function dashedLine(raw: Uint8Array, start: number) {
  if (isDashed(raw, start)) return start
  for (let at = start; at < raw.length; at++) if (raw[at] === 10 && isDashed(raw, at + 1)) return at + 1
  return raw.length
}

/** Where a line ends without its break and the spaces in front of that. */
function trimEnd(raw: Uint8Array, from: number, to: number) {
  let end = trimLine(raw, from, to)
  while (end > from && (raw[end - 1] === 32 || raw[end - 1] === 9)) end--
  return end
}

/** The line break before a delimiter belongs to the delimiter. */
function beforeLineBreak(raw: Uint8Array, from: number) {
  const end = raw[from - 1] === 10 ? from - 1 : from
  return raw[end - 1] === 13 ? end - 1 : end
}

function isBlank(raw: Uint8Array, from: number, to: number) {
  for (let at = from; at < to; at++) if ((raw[at] ?? 0) > 32) return false
  return true
}

function repeats(fields: Field[]) {
  const ruling = fields.map(({ name }) => name).filter((name) => RULING.has(name))
  return new Set(ruling).size < ruling.length
}

function readContentType(fields: Field[], inDigest: boolean) {
  const { value, parameters } = readStructured(fieldValue(fields, 'content-type'))
  const type = value === '' ? (inDigest ? 'message/rfc822' : 'text/plain') : value
  const [, , quoted, token] =
    [...parameters.matchAll(PARAMETER)].find(([, name]) => name?.toLowerCase() === 'boundary') ?? []
  const given = quoted?.replace(/\\(.)/gs, '$1') ?? token ?? ''
  const boundary = Buffer.from(given, 'utf8')
    .toString('latin1')
    .replace(/[ \t]+$/, '')
  const isUsable = type.startsWith('multipart/') && boundary !== '' && boundary.length <= LONGEST_BOUNDARY
  return { type, boundary: isUsable ? boundary : null }
}

/** A field like `text/plain; charset=utf-8` in two: the media type, lower case ('' where none), and the rest. */
export function readStructured(field: string): { value: string; parameters: string } {
  const given = field.slice(0, BUDGET.field)
  const text = withoutComments(given) ?? given
  const [whole, value] = TYPE.exec(text) ?? []
  if (whole === undefined || value === undefined) return { value: '', parameters: '' }
  return { value: value.toLowerCase(), parameters: `;${text.slice(whole.length)}` }
}
