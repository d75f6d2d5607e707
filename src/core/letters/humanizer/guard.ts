import { MAX_SUBJECT, safeHeaderText } from '../../ground/address.ts'
import { readMarkup, SYSTEM_LINE } from './markup.ts'

export type Wording = { subject: string; text: string | null; html: string | null }

export type Kind =
  | 'link'
  | 'address'
  | 'amount'
  | 'date'
  | 'phone'
  | 'number'
  | 'value'
  | 'name'
  | 'quote'
  | 'negation'
  | 'system'
  | 'markup'
  | 'length'
  | 'unsafe'

type Survival = { ok: true } | { ok: false; lost: Kind[] }

const CURRENCY =
  '(?:[$€£¥₹₽₩฿₺₴₦₫]|\\b(?:US|CA|AU|NZ|HK|R)\\$|(?:USD|EUR|GBP|JPY|CHF|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN|BRL)\\b)'
const MONTH =
  '(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)'

/** The pattern of each kind of fact. They overlap on purpose: one match is enough to protect a fact. */
const FACTS: [Kind, RegExp][] = [
  ['link', /(?:\b[a-z][a-z0-9+.-]*:\/\/|\bmailto:|\btel:|\bwww\.)[^\s<>"“”]+/giu],
  // Text that a mail program would turn into a link, with any kind of dot.
  ['link', /[\p{L}\p{N}_-]+(?:[.。．｡][\p{L}\p{N}_-]+)+(?::\d+)?(?:[/?#][^\s<>"“”]*)?/giu],
  ['address', /[^\s<>()"“”,;:]+@[^\s<>()"“”,;:]+/giu],
  [
    'amount',
    new RegExp(
      `${CURRENCY}\\s?[-−]?\\d[\\d.,'’ ]*|[-−]?\\d[\\d.,'’]*\\s?(?:k|m|bn|million|billion|thousand)?\\s?(?:${CURRENCY}|(?:dollars?|euros?|pounds?|cents?|francs?|yen|rupees?|percent)\\b|%)`,
      'giu',
    ),
  ],
  [
    'date',
    new RegExp(
      `\\b\\d{1,2}(?:st|nd|rd|th)?\\.?\\s(?:of\\s)?${MONTH}\\b\\.?(?:,?\\s\\d{4})?|\\b${MONTH}\\b\\.?\\s\\d{1,4}(?:st|nd|rd|th)?\\b(?:,?\\s\\d{4})?`,
      'giu',
    ),
  ],
  ['date', /\b\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?/gu],
  [
    'date',
    /\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(?:january|february|april|june|july|august|september|october|november|december)\b|\b(?:today|tonight|tomorrow|yesterday|noon|midnight)\b|\b(?:next|last|this|coming)\s(?:week|month|year|quarter|weekend|morning|afternoon|evening)\b/giu,
  ],
  ['date', /\b\d{1,2}(?:[:.]\d\d)?\s?[ap]\.?m\b/giu],
  ['phone', /\+\d[\d\s().-]{5,}\d|\(\d{2,5}\)\s?\d[\d\s.-]{3,}\d/gu],
  ['number', /[^\s<>()"“”,;]*\p{N}[^\s<>()"“”;]*/gu],
  [
    'number',
    /\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen|half|twice|double|percent)s?\b/giu,
  ],
  ['quote', /"[^"\n]{1,200}"|“[^”\n]{1,200}”|«[^»\n]{1,200}»|„[^“”\n]{1,200}[“”]/gu],
]

const LONGEST = 50_000
const ENDLESS_WORD = /\S{1000}/

const NEGATION = /\b(?:not|cannot|never|no|none|nothing|nobody|neither|nor|without|unless)\b|n['’]t\b/giu
const INVISIBLE = /[\p{Cf}\p{Cc}\p{Co}]/gu
const LINE_ENDS = /[\r\n\t]/g
const CAPITALISED = /^\p{Lu}[\p{L}\p{M}'’-]*$/u
const COURTESIES = new Set(
  "hi hello hey dear greetings good day morning afternoon evening thanks thank you best regards kind warm warmest cheers sincerely yours warmly truly many all the wishes respectfully cordially i i'm i'll i've i'd ok okay please note p.s ps".split(
    ' ',
  ),
)

/**
 * Whether a rewriting changed wording only: every fact, value and system line of the original is in the rewriting, in
 * the same order; no fact is new; outside its text the HTML is unchanged. Lost facts are reported by kind, never by
 * content.
 */
export function survives(original: Wording, rewritten: Wording, payload: unknown): Survival {
  const lost = new Set<Kind>()
  const values = valuesIn(payload, original, rewritten)
  const compare = (before: string, after: string) => {
    for (const kind of changed(before, after, values)) lost.add(kind)
  }

  compare(original.subject, rewritten.subject)
  const { subject } = rewritten
  if (safeHeaderText(subject) !== null || subject.length > MAX_SUBJECT) lost.add('unsafe')

  if (original.text === null || rewritten.text === null) {
    if (original.text !== rewritten.text) lost.add('length')
  } else {
    compare(original.text, rewritten.text)
  }

  if (original.html === null || rewritten.html === null) {
    if (original.html !== rewritten.html) lost.add('markup')
  } else if (original.html !== rewritten.html) {
    const before = readMarkup(original.html)
    const after = readMarkup(rewritten.html)
    if (before.skeleton !== after.skeleton) lost.add('markup')
    for (const [index, span] of before.spans.entries()) compare(span.text, after.spans[index]?.text ?? '')
  }
  return lost.size === 0 ? { ok: true } : { ok: false, lost: [...lost].sort() }
}

/** The payload values that occur in a message, longest first. Of a value with markup: the texts between its tags. */
export function valuesIn(payload: unknown, ...wordings: Wording[]): string[] {
  const whole = wordings.map(wholeText).join('\n').toLowerCase()
  const values = new Set<string>()
  const visit = (value: unknown, depth: number) => {
    if (depth > 20) return
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') {
      const text = String(value)
      const texts = text.includes('<') ? readMarkup(text).spans.map((span) => span.text) : []
      for (const each of [text, ...texts, ...text.split(/[\r\n]+/)]) {
        if (each.trim() !== '') values.add(each.trim())
      }
    } else if (typeof value === 'object' && value !== null) {
      for (const inner of Object.values(value)) visit(inner, depth + 1)
    }
  }
  visit(payload, 0)
  return [...values]
    .filter((value) => whole.includes(value.toLowerCase()))
    .sort((left, right) => right.length - left.length)
}

/** The visible text of a message that may be reworded. */
export function wholeText({ subject, text, html }: Wording): string {
  const spans = html === null ? [] : readMarkup(html).spans.map((span) => span.text)
  return [subject, text ?? '', ...spans].join('\n')
}

/** Whether a text is short enough to search, and has no word of a thousand letters. */
export function isSearchable(text: string): boolean {
  return text.length <= LONGEST && !ENDLESS_WORD.test(text)
}

/** The positions of the values in a text, ignoring case, from left to right and without overlaps. */
function standing(text: string, values: string[]): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = []
  const folded = text.toLowerCase()
  // Case folding can change lengths, which would shift all later positions.
  const isAligned = folded.length === text.length
  const taken = new Uint8Array(text.length)
  for (const value of values) {
    const needle = isAligned ? value.toLowerCase() : value
    for (let at = -1; ; ) {
      at = (isAligned ? folded : text).indexOf(needle, at + 1)
      if (at < 0) break
      const end = at + needle.length
      if (taken[at] || taken[end - 1] || isInsideWord(text, at, end)) continue
      taken.fill(1, at, end)
      found.push({ start: at, end })
    }
  }
  return found.sort((left, right) => left.start - right.start)
}

/** The positions that a rewriting must keep: facts, quoted words and payload values. */
export function fixedPlaces(text: string, values: string[]): { start: number; end: number }[] {
  const facts = FACTS.flatMap(([, pattern]) =>
    [...text.matchAll(pattern)].map((match) => ({ start: match.index, end: match.index + match[0].length })),
  )
  const lines = [...text.matchAll(/[^\n]+/g)]
    .filter((match) => SYSTEM_LINE.test(match[0]))
    .map((match) => ({ start: match.index, end: match.index + match[0].length }))
  return [...facts, ...lines, ...standing(text, values)]
}

function changed(before: string, after: string, values: string[]): Kind[] {
  if (before === after) return []
  if (!isSearchable(before) || !isSearchable(after)) return ['length']
  const kinds: Kind[] = FACTS.filter(
    ([, pattern]) => !same(facts(before, pattern), facts(after, pattern)),
  ).map(([kind]) => kind)
  const check = (kind: Kind, holds: boolean) => {
    if (!holds) kinds.push(kind)
  }
  check('value', same(stood(before, values), stood(after, values)))
  check('system', same(systemLines(before), systemLines(after)))
  check('negation', count(before, NEGATION) === count(after, NEGATION))
  const words = new Set(wordsOf(after).map((word) => word.toLowerCase()))
  check(
    'name',
    namesIn(before).every((name) => words.has(name.toLowerCase())),
  )
  check(
    'length',
    after.trim() !== '' && after.length <= before.length * 2 + 80 && after.length >= before.length * 0.4 - 20,
  )
  check('unsafe', same(invisible(before), invisible(after)) && after.isWellFormed())
  return kinds
}

const same = (left: string[], right: string[]) =>
  left.length === right.length && left.every((item, index) => item === right[index])

const count = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0

const invisible = (text: string) => text.replace(LINE_ENDS, '').match(INVISIBLE) ?? []

const systemLines = (text: string) => text.split(/\r?\n/).filter((line) => SYSTEM_LINE.test(line))

const stood = (text: string, values: string[]) =>
  standing(text, values).map(({ start, end }) => text.slice(start, end))

function facts(text: string, pattern: RegExp): string[] {
  return (text.match(pattern) ?? []).map((fact) => fact.replace(/[\s.,;:!?'’*_]+$/u, '').replace(/\s+/g, ' '))
}

const wordsOf = (text: string) => text.match(/\p{L}+(?:['’-]\p{L}+|\p{M}+)*['’]?/gu) ?? []

/** Capitalised words inside sentences, and lines of only such words, such as signatures. */
function namesIn(text: string): string[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const words = line.trim().split(/\s+/)
    const bare = words.map((word) => wordsOf(word)[0] ?? '')
    const capitals = bare.filter((word) => CAPITALISED.test(word))
    const isTitle = words.length > 4 && capitals.length > words.length / 2
    const isSignature = words.length <= 4 && capitals.length === words.length
    if (isTitle) return []
    return bare.filter((word, index) => {
      const isFirst = index === 0 || /[.!?:…]["”’)]?$/u.test(words[index - 1] ?? '')
      if (!CAPITALISED.test(word) || COURTESIES.has(word.toLowerCase())) return false
      if (!isFirst) return true
      return isSignature && !/[.!?]$/.test(line.trim())
    })
  })
}

function isInsideWord(text: string, start: number, end: number): boolean {
  const joins = (left: string | undefined, right: string | undefined) =>
    /[\p{L}\p{N}]/u.test(left ?? '') && /[\p{L}\p{N}]/u.test(right ?? '')
  return joins(text[start - 1], text[start]) || joins(text[end - 1], text[end])
}
