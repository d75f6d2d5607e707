import { matches } from './matches.ts'

/**
 * A text to search. Each of its characters stands for a range of the source, from `starts` to `ends` at the same place.
 * Both are null if the text is the source itself.
 */
export type View = { text: string; starts: number[] | null; ends: number[] | null }

/** A range of the source. `end` is exclusive. */
export type Range = [start: number, end: number]

/** A view of the source itself. */
export function plainView(text: string): View {
  return { text, starts: null, ends: null }
}

/** Builds a view piece by piece, with the place of each piece in the source. */
export function newView() {
  const pieces: string[] = []
  const starts: number[] = []
  const ends: number[] = []
  return {
    starts,
    ends,
    /** Adds characters that all stand for the same range of the source. */
    add(text: string, start: number, end: number) {
      pieces.push(text)
      for (let at = 0; at < text.length; at++) {
        starts.push(start)
        ends.push(end)
      }
    },
    /** Adds characters of another view unchanged. */
    copy(from: View, begin: number, end: number) {
      if (end <= begin) return
      pieces.push(from.text.slice(begin, end))
      for (let at = begin; at < end; at++) {
        starts.push(from.starts?.[at] ?? at)
        ends.push(from.ends?.[at] ?? at + 1)
      }
    },
    done: (): View => ({ text: pieces.join(''), starts, ends }),
  }
}

/** Finds the ranges of the source for a range of a view, in order. Ranges that touch are joined. */
export function sourceOf(view: View, start: number, end: number): Range[] {
  if (view.starts === null || view.ends === null) return [[start, end]]
  const ranges: Range[] = []
  for (let at = start; at < end; at++) {
    const [from, to] = [view.starts[at] ?? 0, view.ends[at] ?? 0]
    const last = ranges.at(-1)
    if (last && from <= last[1] && from >= last[0]) last[1] = Math.max(last[1], to)
    else if (to > from) ranges.push([from, to])
  }
  return ranges
}

const PLAIN = /^[\t\n\r -~]*$/

/**
 * The text as a person reads it. Invisible characters are removed, and full-width and styled letters become plain. Every
 * dash becomes `-`, every space becomes ` `, and the digits of all scripts become 0 to 9.
 */
export function folded(view: View): View {
  const { text } = view
  if (PLAIN.test(text)) return view
  const made = newView()
  let copied = 0
  for (let at = 0; at < text.length; ) {
    const code = text.codePointAt(at) ?? 0
    const length = code > 0xffff ? 2 : 1
    const character = text.slice(at, at + length)
    const plain =
      code < 127 && (code >= 32 || code === 9 || code === 10 || code === 13) ? character : fold(character)
    if (plain !== character) {
      made.copy(view, copied, at)
      made.add(plain, view.starts?.[at] ?? at, view.ends?.[at + length - 1] ?? at + length)
      copied = at + length
    }
    at += length
  }
  if (copied === 0) return view
  made.copy(view, copied, text.length)
  return made.done()
}

const folds = new Map<string, string>()
const FOLDS_AT_MOST = 4_096

function fold(character: string): string {
  const known = folds.get(character)
  if (known !== undefined) return known
  const plain = /[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/u.test(character)
    ? ''
    : character
        .normalize('NFKC')
        .replace(/[\p{Pd}\u2212]/gu, '-')
        .replace(/[\p{Zs}\u2028\u2029]/gu, ' ')
        .replace(/(?![0-9])\p{Nd}/gu, digit)
  if (folds.size < FOLDS_AT_MOST) folds.set(character, plain)
  return plain
}

/** In Unicode the decimal digits of a script are ten consecutive characters, from 0 to 9. */
function digit(character: string): string {
  const code = character.codePointAt(0) ?? 0
  let value = 0
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(code - value - 1))) value++
  return String(value)
}

/** Percent escapes, numeric HTML references, and escapes of JSON and C. */
export const ESCAPES = /%[0-9a-f]{2}|&#(?:x[0-9a-f]{1,6}|\d{1,7});?|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}/gi
/** Quoted-printable (RFC 2045, section 6.7). */
export const QUOTED_PRINTABLE = /=\r?\n|=[0-9A-F]{2}/g

/** The view with these escapes decoded, or null if it has none. */
export function unescaped(view: View, escapes: RegExp): View | null {
  const { text } = view
  if (text.search(escapes) === -1) return null
  const made = newView()
  let copied = 0
  let octets: number[] = []
  let octetsFrom = 0
  const place = (at: number) => view.starts?.[at] ?? at
  const placeAfter = (at: number) => view.ends?.[at - 1] ?? at
  const flush = () => {
    if (octets.length > 0) {
      made.add(new TextDecoder().decode(Uint8Array.from(octets)), place(octetsFrom), placeAfter(copied))
    }
    octets = []
  }
  for (const match of matches(text, escapes)) {
    const [token] = match
    if (match.index > copied) flush()
    made.copy(view, copied, match.index)
    copied = match.index
    const code = codeOf(token)
    const isOctet = token[0] === '%' || token[0] === '=' || token.startsWith('\\x')
    if (isOctet && code !== null && code >= 0x80) {
      if (octets.length === 0) octetsFrom = match.index
      octets.push(code)
    } else {
      flush()
      if (code !== null && code <= 0x10ffff) {
        made.add(String.fromCodePoint(code), place(match.index), placeAfter(match.index + token.length))
      }
    }
    copied = match.index + token.length
  }
  flush()
  made.copy(view, copied, text.length)
  return made.done()
}

/** The character or octet that an escape stands for. Null for a soft line break, which stands for nothing. */
function codeOf(token: string): number | null {
  if (token.startsWith('&#')) {
    const digits = token.slice(2).replace(';', '')
    return /^x/i.test(digits) ? Number.parseInt(digits.slice(1), 16) : Number(digits)
  }
  const code = Number.parseInt(token.replace(/^[^0-9a-f]+u?x?/i, ''), 16)
  return Number.isNaN(code) ? null : code
}
