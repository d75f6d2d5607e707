import { Buffer } from 'node:buffer'
import { decodeWords } from 'postal-mime'
import { BUDGET, type Unreadable } from './budget.ts'

/** A header field: the name in lower case, the value unfolded, without control characters. */
export type Field = {
  name: string
  value: string
  /** Whether there is space before the colon (RFC 5322, section 4.5). Only some programs read such a field. */
  isObsolete: boolean
}

/** Why two mail programs may read different fields from one header. */
export type HeaderFault =
  | 'nul'
  | 'control_character'
  | 'eight_bit_junk'
  | 'bare_line_break'
  | 'obsolete_folding'
  | 'space_before_colon'
  | 'malformed_header'

export type Header = {
  fields: Field[]
  faults: HeaderFault[]
  /** Offsets of the first octet of the header and of the body. */
  start: number
  end: number
  overrun: Extract<Unreadable, 'header_too_large' | 'too_many_fields'> | null
}

const FIELD = /^([!-9;-~]+)([ \t]*):(.*)$/s
// biome-ignore lint/suspicious/noControlCharactersInRegex: it matches control characters
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: it matches control characters
const OTHER_CONTROLS = /[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/
const INVISIBLE =
  /[\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e0fff}]/gu

/**
 * Reads the header at `start`, up to the first empty line or the first line that `isDelimiter` accepts (RFC 5322, section
 * 2.2). Lines end in LF, with any number of CRs before it. Over a limit, returns the fields read so far and `overrun`.
 */
export function readHeader(
  raw: Uint8Array,
  start: number,
  isDelimiter: (from: number, to: number) => boolean = () => false,
): Header {
  let at = start
  let end = start
  let overrun: Header['overrun'] = null
  while (at < raw.length) {
    const feed = raw.indexOf(10, at)
    const next = feed < 0 ? raw.length : feed + 1
    if (next - start > BUDGET.header) overrun = 'header_too_large'
    const isEmpty = raw[at] === 10 || (raw[at] === 13 && trimLine(raw, at, next) === at)
    if (overrun || isEmpty || isDelimiter(at, next)) {
      end = isEmpty ? next : at
      break
    }
    at = next
    end = next
  }
  const { fields, faults } = readFields(raw.subarray(start, at))
  if (fields.length > BUDGET.fields) overrun ??= 'too_many_fields'
  return { fields: fields.slice(0, BUDGET.fields), faults, start, end, overrun }
}

/** Where the content of a line ends, without its LF and the CRs before it. */
export function trimLine(raw: Uint8Array, from: number, to: number): number {
  let end = to
  while (end > from && (raw[end - 1] === 10 || raw[end - 1] === 13)) end--
  return end
}

function readFields(block: Uint8Array) {
  const faults = new Set<HeaderFault>()
  const text = decodeBlock(block, faults)
  if (text.includes('\0')) faults.add('nul')
  if (OTHER_CONTROLS.test(text)) faults.add('control_character')
  const lines: string[] = text.split('\n')
  if (lines.at(-1) === '') lines.pop()

  const returns = lines.filter((line) => line.endsWith('\r')).length
  const isWhole = text.endsWith('\n') || text === ''
  if (returns > 0 && returns < lines.length - (isWhole ? 0 : 1)) faults.add('bare_line_break')

  const found: { name: string; isObsolete: boolean; lines: string[] }[] = []
  let current: string[] | null = null
  for (const given of lines) {
    const line = given.endsWith('\r') ? given.slice(0, -1) : given
    if (line.includes('\r')) faults.add('bare_line_break')
    if (line.startsWith(' ') || line.startsWith('\t')) {
      if (line.trim() === '') faults.add('obsolete_folding')
      if (current === null) faults.add('malformed_header')
      current?.push(line)
      continue
    }
    const [, name, space, value] = FIELD.exec(line) ?? []
    if (space) faults.add('space_before_colon')
    current = null
    if (name === undefined || value === undefined) {
      faults.add('malformed_header')
      continue
    }
    current = [value]
    found.push({ name: name.toLowerCase(), isObsolete: space !== '', lines: current })
  }
  const fields = found.map(({ lines, ...field }): Field => {
    return { ...field, value: lines.join('').replace(CONTROLS, ' ').trim() }
  })
  return { fields, faults: [...faults] }
}

function decodeBlock(block: Uint8Array, faults: Set<HeaderFault>) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(block)
  } catch {
    faults.add('eight_bit_junk')
    return Buffer.from(block.buffer, block.byteOffset, block.byteLength).toString('latin1')
  }
}

/** The value of the first field with that name, or ''. */
export function fieldValue(fields: Field[], name: string): string {
  return fields.find((field) => field.name === name)?.value ?? ''
}

/** Decodes encoded words (RFC 2047), removes control and invisible characters, and cuts to `limit` characters. */
export function printable(value: string, limit: number): string {
  const text = decodeWords(value.slice(0, BUDGET.field)).toWellFormed()
  const shown = text.replace(INVISIBLE, '').replace(CONTROLS, ' ').replace(/\s+/g, ' ').trim()
  return shown.length > limit ? shown.slice(0, limit).replace(/[\ud800-\udbff]$/, '') : shown
}

/** Replaces each comment by a space (RFC 5322, section 3.2.2). Null if a comment or quoted string never closes. */
export function withoutComments(value: string): string | null {
  if (!value.includes('(') && !value.includes('"')) return value
  let kept = ''
  let depth = 0
  let isQuoted = false
  for (let at = 0; at < value.length; at++) {
    const letter = value.charAt(at)
    if (letter === '\\' && (isQuoted || depth > 0)) {
      if (depth === 0) kept += value.slice(at, at + 2)
      at++
    } else if (letter === '"' && depth === 0) {
      isQuoted = !isQuoted
      kept += letter
    } else if (letter === '(' && !isQuoted) {
      depth++
    } else if (letter === ')' && depth > 0) {
      if (--depth === 0) kept += ' '
    } else if (depth === 0) {
      kept += letter
    }
  }
  return depth > 0 || isQuoted ? null : kept
}
