import { readMoment } from '../../ground/cursor.ts'
import { isStopWord, words } from './words.ts'

/** What narrows a search of mail. `before` and `after` are microseconds since 1970; the texts are parts of names. */
export type Filters = {
  from: string[]
  to: string[]
  labels: string[]
  before: number | null
  after: number | null
  hasAttachment: boolean
}

/** Words that stand together; the last is the beginning of a word where it is a prefix. */
type Term = { words: string[]; isPrefix: boolean }

export type Query = {
  /** What was asked in words, without filters. */
  text: string
  /** Of these at least one is looked for, the more the better. */
  terms: Term[]
  /** What stood in quotes: all of it must be there. */
  phrases: Term[]
  filters: Filters
}

export const NO_FILTERS: Filters = {
  from: [],
  to: [],
  labels: [],
  before: null,
  after: null,
  hasAttachment: false,
}

/** The longest query, in code points. */
export const QUERY_AT_MOST = 1_000
/** Terms beyond these, and words of one term beyond those, are not looked for. */
const TERMS_AT_MOST = 32
const WORDS_AT_MOST = 16
/** Filters of one name beyond these are taken for words: D1 binds at most 100 values. */
const FILTERS_AT_MOST = 8

const PART = /([a-z]+):(?:"([^"]*)"|([^\s"]+))|"([^"]*)"?|([^\s"]+)/giu

/**
 * What a text from a search box asks for. `"…"` is a phrase, `word*` a prefix, and `from:`, `to:`, `label:`, `before:`,
 * `after:` (a date or a moment, ISO 8601) and `has:attachment` are filters; everything else is words, whatever it looks like.
 * Where the texts are no mail (`hasFilters` false), nothing is a filter.
 */
export function parseQuery(q: string, hasFilters = true): Query {
  const filters: Filters = { ...NO_FILTERS, from: [], to: [], labels: [] }
  const plain: string[] = []
  const phrases: Term[] = []
  const terms: Term[] = []
  for (const [whole, name, quoted, bare, phrase] of q.matchAll(PART)) {
    if (hasFilters && name !== undefined && setFilter(filters, name.toLowerCase(), quoted ?? bare ?? ''))
      continue
    plain.push(whole)
    const isPhrase = phrase !== undefined
    const said = words(whole).slice(0, WORDS_AT_MOST)
    if (said.length === 0) continue
    const list = isPhrase ? phrases : terms
    list.push({ words: said, isPrefix: !isPhrase && whole.endsWith('*') })
  }
  return {
    text: plain.join(' '),
    terms: tellingTerms(terms, phrases.length > 0).slice(0, TERMS_AT_MOST),
    phrases: phrases.slice(0, TERMS_AT_MOST),
    filters,
  }
}

/** The moment a filter names, in microseconds since 1970: a date is its midnight in UTC. Null for anything else. */
export function filterMoment(text: string): number | null {
  return readMoment(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text)
}

/** How a name may stand, whatever its case, in a text folded by SQLite's `lower`: that knows the letters of ASCII alone. */
export function spellings(name: string): string[] {
  const small = name.toLowerCase()
  const titled = small.replace(/(?<!\p{L})\p{L}/gu, (letter) => letter.toUpperCase())
  const cases = [name, small, titled, name.toUpperCase()]
  return [...new Set(cases.map((text) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())))]
}

/** Both sets of filters at once. */
export function narrowed(one: Filters, other: Filters): Filters {
  return {
    from: [...one.from, ...other.from],
    to: [...one.to, ...other.to],
    labels: [...one.labels, ...other.labels],
    before: least(one.before, other.before, Math.min),
    after: least(one.after, other.after, Math.max),
    hasAttachment: one.hasAttachment || other.hasAttachment,
  }
}

/** The FTS5 expressions of a query within one scope; null where there is nothing to look for. */
export function matchExpressions(query: Query, token: string): { any: string | null; all: string | null } {
  const text = ({ words, isPrefix }: Term) =>
    `"${words.map((word) => token + word).join(' ')}"${isPrefix ? ' *' : ''}`
  const phrases = query.phrases.map(text)
  const wanted = [...phrases, ...query.terms.map(text)]
  if (wanted.length === 0) return { any: null, all: null }
  if (phrases.length === 0) return { any: wanted.join(' OR '), all: null }
  const all = phrases.join(' AND ')
  return { any: `(${all}) AND (${wanted.join(' OR ')})`, all }
}

function setFilter(filters: Filters, name: string, value: string): boolean {
  if (value === '') return false
  if (name === 'from') return added(filters.from, value)
  if (name === 'to') return added(filters.to, value)
  if (name === 'label') return added(filters.labels, value)
  if (name === 'has' && value.toLowerCase() === 'attachment') {
    filters.hasAttachment = true
    return true
  }
  if (name !== 'before' && name !== 'after') return false
  const moment = filterMoment(value)
  if (moment === null) return false
  filters[name] = least(filters[name], moment, name === 'before' ? Math.min : Math.max)
  return true
}

function added(values: string[], value: string): boolean {
  return values.length < FILTERS_AT_MOST && values.push(value) > 0
}

function tellingTerms(terms: Term[], hasPhrases: boolean): Term[] {
  const telling = terms.filter(
    ({ words, isPrefix }) => isPrefix || words.length > 1 || !isStopWord(words[0] ?? ''),
  )
  const kept = telling.length > 0 || hasPhrases ? telling : terms
  const seen = new Set<string>()
  return kept.filter((term) => {
    const name = JSON.stringify(term)
    return !seen.has(name) && seen.add(name)
  })
}

function least(one: number | null, other: number | null, choose: (a: number, b: number) => number) {
  return one === null ? other : other === null ? one : choose(one, other)
}
