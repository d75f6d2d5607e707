import { Buffer } from 'node:buffer'
import { BUDGET, type Unreadable } from './budget.ts'
import { type Field, fieldValue, type Header, readHeader, trimLine, withoutComments } from './header.ts'

/** A part with content of its own: the octets from `start` to `end`, still in their transfer encoding. */
export type Part = {
  fields: Field[]
  /** Media type in lower case. A message/rfc822 part is not split further. */
  type: string
  /** The multipart/alternative it belongs to, named by that multipart's start, or null. */
  alternative: number | null
  isRelated: boolean
  start: number
  end: number
}

type Structure = {
  parts: Part[]
  /** Whether a part repeats a field that decides how it is read, such as Content-Type. */
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
 * Splits a message at its boundaries (RFC 2046, section 5.1), in one pass and within the limits. A multipart whose
 * boundary never appears is read as plain text. If all parts are blank, the text outside the parts is returned instead,
 * so that no content is hidden.
 */
export function splitParts(raw: Uint8Array, header: Header): Structure {
  const structure: Structure = { parts: [], isContradictory: repeats(header.fields), overrun: null }
  const open: Multipart[] = []
  const delimiters = delimiterSearch(raw, open)
  const outside: Part[] = []
  let current: Part | null = null
  let isOutside = false
  let count = 0
  let headers = 0

  const finish = (end: number) => {
    if (current)
      (isOutside ? outside : structure.parts).push({ ...current, end: Math.max(current.start, end) })
    current = null
    isOutside = false
  }

  current = beginPart(open, header.fields, header.end)
  let at = header.end
  while (open.length > 0) {
    const found = delimiters.next(at)
    if (delimiters.isOverBudget()) return { ...structure, overrun: 'too_many_parts' }
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
    const own = readHeader(raw, at, (from, next) => isDashed(raw, from) && delimiters.at(from, next) !== null)
    headers += own.end - own.start
    if (own.overrun) return { ...structure, overrun: own.overrun }
    if (headers > BUDGET.header) return { ...structure, overrun: 'header_too_large' }
    structure.isContradictory ||= repeats(own.fields)
    // A part that begins without any field has no header: the malformed lines are its body.
    const isBare = own.fields.length === 0 && own.faults.includes('malformed_header')
    if (own.faults.length > 0) outside.push({ ...plainText(own.start), end: own.end })
    current = beginPart(open, own.fields, isBare ? own.start : own.end)
    if (open.length > BUDGET.depth) return { ...structure, overrun: 'too_deep' }
    at = own.end
  }
  finish(raw.length)
  const hasContent = (part: Part) => !isBlank(raw, part.start, part.end)
  if (!structure.parts.some(hasContent)) structure.parts.push(...outside.filter(hasContent).map(asText))
  return structure
}

/** Starts a part inside the innermost open multipart. If the part is a multipart itself, it is added to `open`. */
function beginPart(open: Multipart[], fields: Field[], start: number): Part {
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
  // The parts inside inherit these two values.
  const within: Part = {
    ...part,
    alternative: type === 'multipart/alternative' ? start : part.alternative,
    isRelated: part.isRelated || type === 'multipart/related',
  }
  open.push({ part: within, boundary, isDigest: type === 'multipart/digest' })
  return within
}

/** Finds the delimiters of the multiparts in `open`, and counts the lines it had to compare. */
function delimiterSearch(raw: Uint8Array, open: Multipart[]) {
  const octets = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength)
  let dashes = 0

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
  return { at: delimiterIn, next: nextDelimiter, isOverBudget: () => dashes > BUDGET.dashes }
}

const plainText = (start: number): Part => {
  return { fields: [], type: 'text/plain', alternative: null, isRelated: false, start, end: start }
}

const asText = ({ start, end }: Part): Part => ({ ...plainText(start), end })

const isDashed = (raw: Uint8Array, from: number) => raw[from] === 45 && raw[from + 1] === 45

/** The start of the first line at or after `start` that begins with two hyphens, or the end of the message. */
function dashedLine(raw: Uint8Array, start: number) {
  if (isDashed(raw, start)) return start
  for (let at = start; at < raw.length; at++) if (raw[at] === 10 && isDashed(raw, at + 1)) return at + 1
  return raw.length
}

/** Where a line ends, without its line break and trailing spaces and tabs. */
function trimEnd(raw: Uint8Array, from: number, to: number) {
  let end = trimLine(raw, from, to)
  while (end > from && (raw[end - 1] === 32 || raw[end - 1] === 9)) end--
  return end
}

/** The offset before the line break in front of a delimiter: that line break belongs to the delimiter. */
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

/** Splits a field such as `text/plain; charset=utf-8` into the media type in lower case ('' if invalid) and the rest. */
export function readStructured(field: string): { value: string; parameters: string } {
  const given = field.slice(0, BUDGET.field)
  const text = withoutComments(given) ?? given
  const [whole, value] = TYPE.exec(text) ?? []
  if (whole === undefined || value === undefined) return { value: '', parameters: '' }
  return { value: value.toLowerCase(), parameters: `;${text.slice(whole.length)}` }
}
