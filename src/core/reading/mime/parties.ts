import { addressParser } from 'postal-mime'
import { parseAddress } from '../../ground/address.ts'
import type { Party } from '../party.ts'
import { BUDGET } from './budget.ts'
import { printable } from './header.ts'

/** Why a mailbox cannot be trusted: faults of its address, and faults of its display name. */
export type AddressFault =
  | 'malformed_address'
  | 'encoded_address'
  | 'quoted_local_part'
  | 'route_address'
  | 'comment_in_address'
  | 'refused_address'
  | 'readings_differ'
export type NameFault = 'address_in_name' | 'control_in_name' | 'invisible_in_name' | 'nested_encoding'

type Mailbox = { party: Party | null; faults: (AddressFault | NameFault)[] }

type Mailboxes = {
  mailboxes: Mailbox[]
  /** How many mailboxes the field names. More than `mailboxes` holds if the limit was reached. */
  count: number
  hasGroup: boolean
  /** Whether a quote, comment or angle bracket stays open. */
  isOpen: boolean
}

type Token = { kind: 'a' | 'q' | 'c' | '<' | '>' | ',' | ':' | ';'; text: string; from: number; to: number }

const PUNCTUATION = new Set(['<', '>', ',', ':', ';'] as const)
const LONGEST_MAILBOX = 2_000
// Zero-width joiners are ordinary in Arabic and Indic scripts and in emoji. Elsewhere they hide something.
const INVISIBLE =
  /(?!\u200c|\u200d|[\ufe00-\ufe0f])[\p{Default_Ignorable_Code_Point}\u2028\u2029]|(?<![\p{Script=Arabic}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}])(?:\u200c|\u200d)/u
const CONTROL = /[^\P{Cc}\t]/u
const ENCODED_WORD = /=\?[^?\s]+\?[bq]\?[^?]*\?=/i

/**
 * Reads up to `most` mailboxes from an address field (RFC 5322, section 3.4), including those in groups. `party` is null
 * unless our parser and postal-mime find the same single address. Nothing is repaired.
 */
export function readMailboxes(value: string, most: number): Mailboxes {
  const { tokens, isOpen } = lex(value)
  const result: Mailboxes = { mailboxes: [], count: 0, hasGroup: false, isOpen }
  let piece: Token[] = []
  let isAngled = false
  const finish = () => {
    if (piece.length > 0 && ++result.count <= most) result.mailboxes.push(readMailbox(piece, value))
    piece = []
  }
  for (const token of tokens) {
    if (token.kind === '<') isAngled = true
    if (token.kind === '>') isAngled = false
    if (isAngled || !/[,:;]/.test(token.kind)) {
      piece.push(token)
    } else if (token.kind === ':') {
      result.hasGroup = true
      piece = []
    } else {
      finish()
    }
  }
  finish()
  return { ...result, isOpen: isOpen || isAngled }
}

/** Splits the field into tokens in one pass. A quote or comment that never closes runs to the end. */
function lex(value: string): { tokens: Token[]; isOpen: boolean } {
  const tokens: Token[] = []
  let isOpen = false
  let at = 0
  while (at < value.length) {
    const letter = value.charAt(at)
    const from = at
    if (letter === ' ' || letter === '\t') {
      at++
    } else if (PUNCTUATION.has(letter as never)) {
      tokens.push({ kind: letter as Token['kind'], text: letter, from, to: ++at })
    } else if (letter === '"' || letter === '(') {
      at = closing(value, from)
      const isClosed = at > 0
      isOpen ||= !isClosed
      if (!isClosed) at = value.length
      const text = value.slice(from + 1, isClosed ? at - 1 : at)
      tokens.push({ kind: letter === '"' ? 'q' : 'c', text, from, to: at })
    } else {
      while (at < value.length && !' \t<>,:;"('.includes(value.charAt(at))) at++
      tokens.push({ kind: 'a', text: value.slice(from, at), from, to: at })
    }
  }
  return { tokens, isOpen }
}

/** The offset after the quoted string or (nested) comment that opens at `from`, or 0 if it never closes. */
function closing(value: string, from: number) {
  const isQuote = value.charAt(from) === '"'
  let depth = 1
  for (let at = from + 1; at < value.length; at++) {
    const letter = value.charAt(at)
    if (letter === '\\') at++
    else if (letter === (isQuote ? '"' : ')')) depth--
    else if (letter === '(' && !isQuote) depth++
    if (depth === 0) return at + 1
  }
  return 0
}

function readMailbox(tokens: Token[], value: string): Mailbox {
  const source = value.slice(tokens[0]?.from, tokens.at(-1)?.to)
  if (source.length > LONGEST_MAILBOX) return { party: null, faults: ['malformed_address'] }
  const shape = tokens.map(({ kind }) => kind).join('')
  const fault = faultInShape(shape, tokens)
  const address = tokens[shape.includes('<') ? shape.indexOf('<') + 1 : 0]?.text ?? ''

  const [read, another] = addressParser(source)
  const phrase = tokens.filter(({ kind, text }) => /[aqc]/.test(kind) && text !== address)
  const own = parseAddress(address)
  const names = [read?.name ?? '', phrase.map(({ text }) => text).join(' ')]
  const faults: Mailbox['faults'] = faultsInName(names, own?.email ?? null)
  const isWritten =
    own !== null && (own.email.toLowerCase() === address.toLowerCase() || /[^!-~]/.test(address))
  const wrong: AddressFault | null =
    fault ??
    (ENCODED_WORD.test(address) ? 'encoded_address' : null) ??
    (own === null || !isWritten ? 'refused_address' : null) ??
    (another || read?.address !== address ? 'readings_differ' : null)
  if (wrong || own === null) return { party: null, faults: [wrong ?? 'refused_address', ...faults] }

  const name = printable(read?.name ?? '', 256)
  const isSaid = name !== '' && name !== own.email && faults.length === 0
  return { party: { email: own.email, name: isSaid ? name : null }, faults }
}

/** Allowed: a phrase and an address in angle brackets, or an address alone. A comment may follow. */
function faultInShape(shape: string, tokens: Token[]): AddressFault | null {
  if (/^[aq]*<a>c*$/.test(shape) || /^ac*$/.test(shape)) return null
  if (/<[^<>]*[:,;]/.test(shape)) return 'route_address'
  const isQuoted = tokens.some(({ kind, to }, index) => {
    const next = tokens[index + 1]
    return kind === 'q' && next?.kind === 'a' && next.text.startsWith('@') && next.from === to
  })
  if (isQuoted) return 'quoted_local_part'
  return shape.includes('c') ? 'comment_in_address' : 'malformed_address'
}

function faultsInName(names: string[], own: string | null): NameFault[] {
  const faults = new Set<NameFault>()
  for (const name of names) {
    if (CONTROL.test(name)) faults.add('control_in_name')
    if (INVISIBLE.test(name)) faults.add('invisible_in_name')
    const plain = name.slice(0, BUDGET.field).normalize('NFKC')
    const words = plain.split(/[\s<>()[\],;:"]+/).map((word) => word.replace(/^[.']+|[.']+$/g, ''))
    const isForeign = (word: string) => /^[^@]+@./.test(word) && word.toLowerCase() !== own?.toLowerCase()
    if (words.some(isForeign)) faults.add('address_in_name')
  }
  if (ENCODED_WORD.test(names[0] ?? '')) faults.add('nested_encoding')
  return [...faults]
}
