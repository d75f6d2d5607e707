import { readMoment } from '../../ground/cursor.ts'
import { isStopWord, words } from './words.ts'

/** Filters of a mail search. `before` and `after` are in microseconds since 1970; texts match parts of names. */
export type Filters = {
  from: string[]
  to: string[]
  labels: string[]
  before: number | null
  after: number | null
  hasAttachment: boolean
}

/** Words in a row. If `isPrefix`, the last is the beginning of a word. */
type Term = { words: string[]; isPrefix: boolean }

export type Query = {
  /** The query without its filters. */
  text: string
  /** A text must have at least one of these; more rank higher. */
  terms: Term[]
  /** Quoted in the query: a text must have all of them. */
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
/** Further terms, and further words of one term, are ignored. */
const TERMS_AT_MOST = 32
const WORDS_AT_MOST = 16
/** Further filters of one name count as words: D1 binds at most 100 values. */
const FILTERS_AT_MOST = 8

const PART = /([a-z]+):(?:"([^"]*)"|([^\s"]+))|"([^"]*)"?|([^\s"]+)/giu

/**
 * Parses the text of a search box. `"…"` is a phrase, `word*` a prefix; `from:`, `to:`, `label:`, `before:`, `after:` (a date
 * or a moment, ISO 8601) and `has:attachment` are filters. Everything else is words. Memories are searched without filters
 * (`hasFilters` false).
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

/** A date (its midnight in UTC) or moment in microseconds since 1970. Null for any other text. */
export function filterMoment(text: string): number | null {
  return readMoment(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text)
}

/** The spellings of a name to look for in a text folded by SQLite's `lower`, which folds only ASCII letters. */
export function spellings(name: string): string[] {
  const small = name.toLowerCase()
  const titled = small.replace(/(?<!\p{L})\p{L}/gu, (letter) => letter.toUpperCase())
  const cases = [name, small, titled, name.toUpperCase()]
  return [...new Set(cases.map((text) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())))]
}

/** The filters that require both sets. */
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

/** The FTS5 expressions of a query in one scope: `any` for the whole query, `all` for its phrases. Null if it has none. */
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
