import { Buffer } from 'node:buffer'
import { decodeWords } from 'postal-mime'
import { BUDGET, type Unreadable } from './budget.ts'

/** A header field: the name in lower case, the value unfolded, without control characters. */
export type Field = {
  name: string
  value: string
  /** Whether space stands before the colon (RFC 5322, section 4.5): read by some, written by none. */
  isObsolete: boolean
}

/** What makes two readers of one header block see different fields. */
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
  /** Where the block begins, and where the body does. */
  start: number
  end: number
  overrun: Extract<Unreadable, 'header_too_large' | 'too_many_fields'> | null
}

const FIELD = /^([!-9;-~]+)([ \t]*):(.*)$/s
// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what it looks for
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what it looks for
const OTHER_CONTROLS = /[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/
const INVISIBLE =
  /[\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e0fff}]/gu

/**
 * The header block at `start`, up to the first empty line or a line for which `isDelimiter` holds (RFC 5322, section
 * 2.2; lines end in LF, whatever CRs stand before it). Over budget, the fields read so far come with the reason.
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

/** Where the content of a line ends: before its LF and the CRs in front of that. */
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

/** The value of the first field of that name, empty where there is none. */
export function fieldValue(fields: Field[], name: string): string {
  return fields.find((field) => field.name === name)?.value ?? ''
}

/** Encoded words decoded (RFC 2047), controls, bidi overrides and the like gone, at most `limit` characters. */
export function printable(value: string, limit: number): string {
  const text = decodeWords(value.slice(0, BUDGET.field)).toWellFormed()
  const shown = text.replace(INVISIBLE, '').replace(CONTROLS, ' ').replace(/\s+/g, ' ').trim()
  return shown.length > limit ? shown.slice(0, limit).replace(/[\ud800-\udbff]$/, '') : shown
}

/** The value without comments (RFC 5322, section 3.2.2), each replaced by a space; null where one never closes. */
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
