import type { Reading } from './intents.ts'
import { type Meaning, PHRASES, type Strength, WHOLE } from './phrases.ts'
import { ownWords } from './reply.ts'

export type Message = { subject: string; bodyText: string }

/** How much of the text is read, in characters. Senders state what they want at the start. */
const JUDGED = 2_000

const WEIGHT: Record<Strength, number> = { clear: 3, likely: 1.2, hint: 0.4 }

/** Factor for a further phrase with the same meaning: repeating adds little. */
const AGAIN = 0.35

/** Below this score the message is unclassified. */
const UNDERSTOOD = 1

/** Factors for phrases in the subject: in the sender's own subject, and in one copied from an earlier mail ("Re: …"). */
const OWN_SUBJECT = 0.7
const QUOTED_SUBJECT = 0.15

/** If the first meaning is clear, the others are side remarks: their scores are multiplied by the factor. */
const OUTRANKS: [Meaning, Meaning[], number][] = [
  [
    'out_of_office',
    ['interested', 'objection', 'not_now', 'support', 'billing', 'legal', 'security', 'unsubscribe'],
    0.25,
  ],
  ['legal', ['billing', 'support', 'unsubscribe', 'objection', 'interested'], 0.5],
  ['security', ['support', 'billing', 'interested'], 0.4],
  ['unsubscribe', ['objection', 'interested', 'support'], 0.4],
  ['billing', ['interested', 'support', 'unsubscribe'], 0.5],
  ['not_now', ['interested'], 0.4],
  ['not_now', ['objection'], 0.6],
  ['objection', ['interested'], 0.4],
  ['support', ['interested'], 0.6],
]

const meanings = Object.keys(PHRASES) as Meaning[]
const strengths: Strength[] = ['clear', 'likely', 'hint']
const kinds = strengths.flatMap((strength) => meanings.map((meaning) => ({ meaning, strength })))

const source = (phrase: string) =>
  phrase.replaceAll(' .. ?', '(?: [^ .!?;]+){0,3} ?').replaceAll(' .. ', '(?: [^ .!?;]+){0,3} ')

/** All phrases in one pattern, with a group for each kind, so that the text is read once and matches never overlap. */
const ANY = new RegExp(
  `(?<![a-z0-9])(?:${kinds
    .map(
      ({ meaning, strength }) =>
        `(${(PHRASES[meaning][strength] ?? ['(?!)'])
          .map(source)
          .join('|')
          .replaceAll(/\((?!\?)/g, '(?:')})`,
    )
    .join('|')})(?![a-z0-9])`,
  'g',
)

const NEGATION =
  /(?<![a-z0-9])(?:not(?! only)|no|never|without|neither|hardly|nothing|nicht|kein\w*|ohne|pas|sans|nunca|sin|tampoco)(?: (?:think|believe|feel|expect|see)(?: [a-z0-9'-]+){0,3})?(?: [a-z0-9'-]+){0,3} $/

/**
 * Reads the intent from known phrases in English, German, French and Spanish, without a network call. The same message
 * always gives the same answer. Quoted mail and signatures are ignored. A negated phrase does not count, except that
 * negated interest counts as an objection.
 */
export function readIntent({ subject, bodyText }: Message): Reading {
  const text = plain(ownWords(bodyText)).slice(0, JUDGED)
  const scores = score(text)
  const { words, isQuoted } = subjectWords(subject)
  for (const [meaning, points] of score(words)) {
    const weight = meaning === 'out_of_office' ? 1 : isQuoted ? QUOTED_SUBJECT : OWN_SUBJECT
    scores.set(meaning, (scores.get(meaning) ?? 0) + points * weight)
  }
  for (const meaning of meanings) {
    if (WHOLE[meaning]?.test(text)) scores.set(meaning, (scores.get(meaning) ?? 0) + WEIGHT.clear)
  }
  return decide(scores)
}

function decide(scores: Map<Meaning, number>): Reading {
  for (const [meaning, others, factor] of OUTRANKS) {
    if ((scores.get(meaning) ?? 0) < WEIGHT.clear * 0.9) continue
    for (const other of others) scores.set(other, (scores.get(other) ?? 0) * factor)
  }
  const [first, second] = [...scores].sort(([, a], [, b]) => b - a)
  if (first === undefined || first[1] < UNDERSTOOD) {
    return { intent: 'unclassified', confidence: round(0.5 - (first?.[1] ?? 0) / 4) }
  }
  const alone = first[1] / (first[1] + (second?.[1] ?? 0) * 0.7 + 0.35)
  const said = Math.min(1, 0.45 + first[1] * 0.2)
  return { intent: first[0], confidence: round(alone * said) }
}

function score(text: string): Map<Meaning, number> {
  const scores = new Map<Meaning, number>()
  const heard = new Map<Meaning, number>()
  for (const match of text.matchAll(ANY)) {
    const kind = kinds[match.findIndex((group, index) => index > 0 && group !== undefined) - 1]
    if (kind === undefined) continue
    const { strength } = kind
    const isDenied = NEGATION.test(
      text.slice(Math.max(0, match.index - 60), match.index).replace(/^.*[.!?;,\n]/s, ''),
    )
    if (isDenied && kind.meaning !== 'interested') continue
    const meaning = isDenied ? 'objection' : kind.meaning
    const times = strength === 'hint' ? 0 : (heard.get(meaning) ?? 0)
    heard.set(meaning, times + 1)
    scores.set(meaning, (scores.get(meaning) ?? 0) + WEIGHT[strength] * (times === 0 ? 1 : AGAIN))
  }
  return scores
}

function subjectWords(subject: string) {
  const line = plain(subject.slice(0, 300))
  const words = line.replace(/^((re|aw|sv|antw|fwd?|wg|tr|rv)\s?(\[\d+\])?:\s*)+/, '')
  return { words, isQuoted: words !== line }
}

const SPOKEN: [RegExp, string][] = [
  [/[\u2018\u2019\u02bc`\u00b4]/g, "'"],
  [/ß/g, 'ss'],
  [/\b(?:can'?t|cannot)\b/g, 'can not'],
  [/\bwon'?t\b/g, 'will not'],
  [/\b(do|does|did|is|are|was|were|has|have|had|would|could|should)n'?t\b/g, '$1 not'],
  [/\b(i)'?m\b/g, '$1 am'],
  [/\b(we|you|they)'re\b/g, '$1 are'],
  [/\b(i|we|you|they|it|that)'ll\b/g, '$1 will'],
  [/\b(i|we|you|they)'ve\b/g, '$1 have'],
  [/\b(i|we|you|they)'d\b/g, '$1 would'],
  [/\blet'?s\b/g, 'let us'],
  [/\b(it|that|what|there|here|who|where)'s\b/g, '$1 is'],
  [/\b(?:pls|plz)\b/g, 'please'],
  [/\b(?:thx|tx|ty)\b/g, 'thanks'],
  [/\bu\b/g, 'you'],
  [/\b(?:atm)\b/g, 'at the moment'],
  [/\byr\b/g, 'year'],
  [/\s+/g, ' '],
]

/** The text in the form of the phrases: lower case, no accents, contractions and chat spelling written out. */
function plain(text: string): string {
  const bare = text
    .toLowerCase()
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
  return SPOKEN.reduce((spoken, [pattern, meant]) => spoken.replace(pattern, meant), bare).trim()
}

const round = (value: number) => Math.round(Math.min(1, Math.max(0, value)) * 100) / 100
