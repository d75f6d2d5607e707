import { domainToASCII, domainToUnicode } from 'node:url'
import { Fault } from './fault.ts'

export type Address = {
  /** Where mail goes: the local part in the case it was given, the domain as a lower-case A-label. */
  email: string
  /** The canonical form: `email` with its local part in lower case. Contacts are compared by it. */
  contact: string
  domain: string
}

/** Longest subject in characters: one header line of RFC 5322, section 2.1.1. */
export const MAX_SUBJECT = 998

const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
const DOT_ATOM = new RegExp(`^${ATOM}(?:\\.${ATOM})*$`)
const QUOTED = /^"((?:[^"\\]|\\.)*)"$/
const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/
const TOP_LABEL = /^[a-z]/
// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern finds control characters
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/
const BIDI_CONTROL = /[\u202a-\u202e\u2066-\u2069]/
const LETTERS = /^[\p{L}\p{M}\p{N}.\u00b7\u30fb-]+$/u

/**
 * Parses an address for every surface: RFC 5321 dot-atoms, 64 octets before the @, 254 in all, at least two labels. Returns
 * null for comments, groups, routes, address literals and non-ASCII local parts (no carrier supports SMTPUTF8). A quoted
 * local part is accepted only if there is a dot-atom in the quotes. The quotes are removed (RFC 5321, section 4.1.2).
 */
export function parseAddress(text: string): Address | null {
  if (text.length > 1_000) return null
  const trimmed = text.replace(/^[ \t]+|[ \t]+$/g, '')

  const at = trimmed.lastIndexOf('@')
  const local = unquote(trimmed.slice(0, Math.max(at, 0)))
  if (local.length > 64 || !DOT_ATOM.test(local)) return null

  const domain = toDomain(trimmed.slice(at + 1))
  if (domain === null || local.length + 1 + domain.length > 254) return null
  return { email: `${local}@${domain}`, contact: `${local.toLowerCase()}@${domain}`, domain }
}

/** As `parseAddress`, but throws `invalid` with the name of the field if the text is no address. */
export function mustBeAddress(text: string, field: string): Address {
  const address = parseAddress(text)
  if (address) return address
  throw new Fault('invalid', `"${text.slice(0, 100)}" is not an email address.`, { field })
}

function unquote(local: string) {
  const quoted = QUOTED.exec(local)?.[1]
  return quoted === undefined ? local : quoted.replace(/\\(.)/g, '$1')
}

/**
 * A host name as lower-case A-labels without the trailing dot, or null. Only case and NFC are folded. A name that needs any
 * other mapping of UTS 46 (full-width letters, ignorable characters) is refused, so that two names never become one.
 */
function toDomain(text: string) {
  const given = text.endsWith('.') ? text.slice(0, -1) : text
  if (given === '') return null

  const folded = [...given.normalize('NFC')]
    .map((letter) => letter.toLowerCase())
    .join('')
    .normalize('NFC')
  const ascii = /^[a-z0-9.-]*$/.test(folded) && !/(?:^|\.)xn--/.test(folded) ? folded : toAscii(folded)
  if (ascii === null || ascii.length > 253) return null

  const labels = ascii.split('.')
  const top = labels.at(-1) ?? ''
  return labels.length > 1 && labels.every((label) => LABEL.test(label)) && TOP_LABEL.test(top) ? ascii : null
}

/**
 * The A-labels of a name. Null if decoding them gives another name, or if the name has other characters than letters,
 * marks, digits, dots and hyphens.
 */
function toAscii(name: string) {
  if (!LETTERS.test(name)) return null
  const ascii = domainToASCII(name)
  const labels = name.split('.')
  const encoded = ascii.split('.')
  const decoded = domainToUnicode(ascii).split('.')
  const isReversible = labels.every((label, index) => {
    const there = encoded[index] ?? ''
    const back = decoded[index] ?? ''
    if (!there.startsWith('xn--')) return label === there
    if (back.startsWith('xn--') || !LETTERS.test(back) || domainToASCII(back) !== there) return false
    return label === there || label === back
  })
  return isReversible && labels.length === encoded.length ? ascii : null
}

/**
 * Why a text may not be used in a header field, or null if it may. It may not contain C0 or C1 controls (such as tab, CR,
 * LF and NUL), U+2028, U+2029, U+FEFF, lone surrogates, or bidirectional embeddings, overrides and isolates.
 */
export function safeHeaderText(text: string): string | null {
  if (CONTROL.test(text)) return 'holds a control character'
  if (/[\u2028\u2029]/.test(text)) return 'holds a line or paragraph separator'
  if (BIDI_CONTROL.test(text)) return 'holds a bidirectional control'
  if (text.includes('\ufeff')) return 'holds a byte order mark'
  return text.isWellFormed() ? null : 'holds half of a surrogate pair'
}
