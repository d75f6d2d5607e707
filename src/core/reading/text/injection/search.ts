import { headsOf } from './heads.ts'
import type { Phrase } from './phrase.ts'
import { PHRASES } from './phrases.ts'

type Found = { phrase: Phrase; start: number; length: number }

const KEPT_WORDS = 20_000

type Seeker = { phrase: Phrase; sticky: RegExp }

type Beginning = { text: string; isWhole: boolean; seeker: Seeker }

/** The possible first words of the phrases, by first letter. */
const beginnings = new Map<string, Beginning[]>()
/** Phrases without plain first words. All of them are Chinese. */
const anywhere: Phrase[] = []
for (const phrase of PHRASES) {
  const seeker = { phrase, sticky: new RegExp(phrase.pattern.source, 'y') }
  const heads = headsOf(phrase.pattern.source)
  if (heads === null) anywhere.push(phrase)
  for (const head of heads ?? []) {
    const initial = head.text.slice(0, 1)
    beginnings.set(initial, [...(beginnings.get(initial) ?? []), { ...head, seeker }])
  }
}

/** Cache: which phrases can begin with a word. Mail repeats its words. */
const known = new Map<string, Seeker[]>()

/** Finds every phrase in a folded text, in one pass over its words. */
export function findPhrases(folded: string): Found[] {
  const found: Found[] = []
  for (let at = 0; at < folded.length; at++) {
    if (!isLetter(folded.charCodeAt(at))) continue
    const start = at
    while (isLetter(folded.charCodeAt(at + 1))) at++
    for (const { phrase, sticky } of begunBy(folded.slice(start, at + 1))) {
      sticky.lastIndex = start
      const match = sticky.exec(folded)
      if (match) found.push({ phrase, start, length: match[0].length })
    }
  }
  if (/[\u4e00-\u9fff]/.test(folded)) {
    for (const phrase of anywhere) {
      for (const match of folded.matchAll(phrase.pattern)) {
        found.push({ phrase, start: match.index, length: match[0].length })
      }
    }
  }
  return found
}

function begunBy(word: string): Seeker[] {
  const kept = known.get(word)
  if (kept) return kept
  const fitting = (beginnings.get(word.slice(0, 1)) ?? []).filter(({ text, isWhole }) =>
    isWhole ? word === text : word.startsWith(text),
  )
  const seekers = [...new Set(fitting.map((each) => each.seeker))]
  if (known.size >= KEPT_WORDS) known.clear()
  if (word.length < 20) known.set(word, seekers)
  return seekers
}

function isLetter(code: number): boolean {
  return code > 96 && code < 123
}
