import { type Canary, findCanaries } from './canary.ts'
import { markupViews } from './markup.ts'
import { matches } from './matches.ts'
import { loneSocialSecurityNumber } from './numbers.ts'
import { RULES } from './rules.ts'
import {
  ESCAPES,
  folded,
  plainView,
  QUOTED_PRINTABLE,
  type Range,
  sourceOf,
  unescaped,
  type View,
} from './view.ts'

/** What to search for: all rules but the disabled ones, and the tenant's canaries. */
type Search = { tenantId: string; disabledRules: readonly string[]; canaries: Canary[] }

/** Something found in a source: by which rule, which canary it is if any, and its ranges in the source. */
export type Hit = { rule: string; canaryId: string | null; ranges: Range[] }

/** The rule name of canaries. */
export const CANARY = 'canary'

/** How many layers of base64 within base64 are decoded. */
const LAYERS = 2
/** Characters per piece, and how many are repeated from the piece before. Plain text is searched in pieces to limit memory. */
const PIECE = 524_288
const OVERLAP = 20_480

/** Finds everything in a text, in time and memory linear in its length. */
export function scanText(text: string, search: Search): Hit[] {
  const hits: Hit[] = []
  for (let from = 0; from === 0 || from + OVERLAP < text.length; from += PIECE - OVERLAP) {
    const piece = from === 0 && text.length <= PIECE ? text : text.slice(from, from + PIECE)
    hits.push(...shifted(scanView(plainView(piece), search, 0), from))
  }
  return apart(hits)
}

/** Finds what counts only if it is the whole text. */
export function scanLone(text: string, { disabledRules }: Search): Hit[] {
  if (disabledRules.includes('us_ssn')) return []
  return loneSocialSecurityNumber(text).map((range) => ({ rule: 'us_ssn', canaryId: null, ranges: [range] }))
}

/** Same as `scanText`, for HTML: searches its text, attributes and comments. */
export function scanMarkup(html: string, search: Search): Hit[] {
  return apart(markupViews(html).flatMap((view) => scanView(view, search, 0)))
}

/** The source with every hit struck out: its first range becomes `[REDACTED:<rule>]`, the others become empty. */
export function strike(source: string, hits: Hit[]): string {
  const strokes = hits
    .flatMap(({ rule, ranges }) =>
      ranges.map(([start, end], at) => ({ start, end, mark: at === 0 ? `[REDACTED:${rule}]` : '' })),
    )
    .sort((a, b) => a.start - b.start || b.end - a.end)
  let text = ''
  let read = 0
  for (const { start, end, mark } of strokes) {
    if (end <= read) continue
    text += start >= read ? source.slice(read, start) + mark : ''
    read = end
  }
  return text + source.slice(read)
}

function scanView(raw: View, search: Search, layer: number): Hit[] {
  const view = folded(raw)
  const [escaped, printable] = [unescaped(view, ESCAPES), unescaped(view, QUOTED_PRINTABLE)]
  const hits = [
    view,
    ...(escaped ? [folded(escaped)] : []),
    ...(printable ? [folded(printable)] : []),
  ].flatMap((each) => searchView(each, search))
  return layer < LAYERS ? [...hits, ...scanEncoded(view, search, layer + 1)] : hits
}

function searchView(view: View, { tenantId, disabledRules, canaries }: Search): Hit[] {
  const hits: Hit[] = []
  for (const { name, find } of RULES) {
    if (disabledRules.includes(name)) continue
    for (const [start, end] of find(view.text)) {
      hits.push({ rule: name, canaryId: null, ranges: sourceOf(view, start, end) })
    }
  }
  for (const { id, range } of findCanaries(view, tenantId, canaries)) {
    hits.push({ rule: CANARY, canaryId: id, ranges: sourceOf(view, ...range) })
  }
  return hits
}

const BASE64 = /(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{12,}(?:\r?\n[A-Za-z0-9+/_-]{2,})*={0,2}/g

/** Finds hits inside base64. The whole block is then the hit. */
function scanEncoded(view: View, search: Search, layer: number): Hit[] {
  const hits: Hit[] = []
  for (const { index, 0: block } of matches(view.text, BASE64)) {
    for (const [start, end, said] of decodedIn(block)) {
      const ranges = sourceOf(view, index + start, index + end)
      hits.push(...scanView(plainView(said), search, layer).map((hit) => ({ ...hit, ranges })))
    }
  }
  return hits
}

/** Decodes a block as a whole or, if that fails because a line does not belong to it, line by line. */
function decodedIn(block: string): [start: number, end: number, said: string][] {
  const whole = decoded(block)
  if (whole !== null) return [[0, block.length, whole]]
  if (!block.includes('\n')) return []
  return [...block.matchAll(/[^\r\n]{12,}/g)].flatMap(({ index, 0: line }) => {
    const said = decoded(line)
    return said === null ? [] : [[index, index + line.length, said] as [number, number, string]]
  })
}

/** The text in a block of base64, or null if it is no text. */
function decoded(block: string): string | null {
  if (readable(block.slice(0, 64)) === null) return null
  return readable(block)
}

function readable(block: string): string | null {
  const letters = block.replace(/[\s=]/g, '').replaceAll('-', '+').replaceAll('_', '/')
  try {
    const said = atob(letters.slice(0, letters.length - (letters.length % 4 === 1 ? 1 : 0)))
    const text = said.includes('\0') ? said.replaceAll('\0', '') : said
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters tell binary data from text.
    return /[\x01-\x08\x0e-\x1a\x7f]/.test(text) ? null : new TextDecoder().decode(octets(text))
  } catch {
    return null
  }
}

function octets(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0))
}

function shifted(hits: Hit[], by: number): Hit[] {
  if (by === 0) return hits
  return hits.map((hit) => ({
    ...hit,
    ranges: hit.ranges.map(([start, end]): Range => [start + by, end + by]),
  }))
}

/** Removes duplicates, which several views and pieces can find. Keeps the longest, because a piece may have cut one off. */
function apart(hits: Hit[]): Hit[] {
  const longest = new Map<string, Hit>()
  for (const hit of hits) {
    const [start] = hit.ranges[0] ?? []
    if (start === undefined) continue
    const key = `${hit.rule} ${hit.canaryId} ${start}`
    const known = longest.get(key)
    if (!known || (hit.ranges.at(-1)?.[1] ?? 0) > (known.ranges.at(-1)?.[1] ?? 0)) longest.set(key, hit)
  }
  return [...longest.values()]
}
