import { type Canary, findCanaries } from './canary.ts'
import { markupViews } from './markup.ts'
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

/** What to look for: the rules but for those disabled, and the canaries of the tenant. */
export type Search = { tenantId: string; disabledRules: readonly string[]; canaries: Canary[] }

/** Something found in a source: by which rule, or which canary it is, and where it stands, in pieces. */
export type Hit = { rule: string; canaryId: string | null; ranges: Range[] }

/** The name under which a canary is found and struck out. */
export const CANARY = 'canary'

/** Base64 within base64 is opened so often. */
const LAYERS = 2
/** Plain text is searched in pieces of so many characters, each with the end of the one before, so that it fits in memory. */
const PIECE = 524_288
const OVERLAP = 20_480

/** All that is to be found in a text, in time and memory that grow with its length alone. */
export function scanText(text: string, search: Search): Hit[] {
  const hits: Hit[] = []
  for (let from = 0; from === 0 || from + OVERLAP < text.length; from += PIECE - OVERLAP) {
    const piece = from === 0 && text.length <= PIECE ? text : text.slice(from, from + PIECE)
    hits.push(...shifted(scanView(plainView(piece), search, 0), from))
  }
  return apart(hits)
}

/** As `scanText`, for HTML: what it says, and what stands in its attributes and comments. */
export function scanMarkup(html: string, search: Search): Hit[] {
  return apart(markupViews(html).flatMap((view) => scanView(view, search, 0)))
}

/** The source with every hit struck out: `[REDACTED:<rule>]` where it began, and nothing where it went on. */
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

const BASE64 = /(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]{2,})*={0,2}/g

/** What stands in base64: the whole block is the hit. */
function scanEncoded(view: View, search: Search, layer: number): Hit[] {
  const hits: Hit[] = []
  for (const { index, 0: block } of view.text.matchAll(BASE64)) {
    const said = decoded(block)
    if (said === null) continue
    const ranges = sourceOf(view, index, index + block.length)
    hits.push(...scanView(plainView(said), search, layer).map((hit) => ({ ...hit, ranges })))
  }
  return hits
}

/** The text that a block of base64 stands for, or null where it stands for none. */
function decoded(block: string): string | null {
  if (readable(block.slice(0, 64)) === null) return null
  return readable(block)
}

function readable(block: string): string | null {
  const letters = block.replace(/[\s=]/g, '').replaceAll('-', '+').replaceAll('_', '/')
  try {
    const said = atob(letters.slice(0, letters.length - (letters.length % 4 === 1 ? 1 : 0)))
    const text = said.includes('\0') ? said.replaceAll('\0', '') : said
    // biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what tells octets from words.
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

/** Each find once, however many ways led to it. */
function apart(hits: Hit[]): Hit[] {
  const seen = new Set<string>()
  return hits.filter(({ rule, canaryId, ranges }) => {
    const key = `${rule} ${canaryId} ${ranges[0]?.[0]}`
    if (ranges.length === 0 || seen.has(key)) return false
    seen.add(key)
    return true
  })
}
