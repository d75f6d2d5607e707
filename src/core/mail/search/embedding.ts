import { conceptsOf } from './concepts.ts'
import { beginning, isStopWord, words } from './words.ts'

export type Text = { title: string; body: string; names: string }

/** Dimensions of an embedded vector. */
export const DIMENSIONS = 256

/**
 * A vector as text, one character for each dimension: compact, because one search reads thousands of vectors, and none of
 * these characters is escaped in JSON. `MIDDLE` is 0; the largest dimension is `LEVELS` away from it.
 */
export type Vector = string
const LEVELS = 28
const MIDDLE = 63

/** How much of a body goes into the vector, in bytes of UTF-8: the beginning says what a message is about. */
const READ_AT_MOST = 1_500

const WEIGHT = { title: 2, names: 0.5, body: 1 }
const KINDS = { word: 1, concept: 1.2, pair: 0.3, letters: 0.9 }
/** Words of most messages, which say little about one of them. */
const COMMON = new Set(
  'hi hello dear regards best kind sincerely cheers please thank thanks let know just also get got one two new now day days today week time see need want like make made here out about more other all not no yes ok re fw fwd com www http https mail email message send sent'.split(
    ' ',
  ),
)

/**
 * A vector that is near those of texts with the same words, other forms of them, similar spellings and related concepts. Made
 * by signed feature hashing of stems, concepts, pairs of words and trigrams, without a model: the same text always has the
 * same vector.
 */
export function embed({ title, body, names }: Text): Vector {
  const features = new Map<string, number>()
  gather(features, title, WEIGHT.title)
  gather(features, beginning(body, READ_AT_MOST), WEIGHT.body)
  gather(features, names, WEIGHT.names)
  const sums = new Float64Array(DIMENSIONS)
  for (const [feature, count] of features) {
    const hash = hashOf(feature)
    const place = hash % DIMENSIONS
    // A word that is used three times does not count three times.
    sums[place] = (sums[place] ?? 0) + (hash & 0x10000 ? 1 : -1) * count ** 0.6
  }
  return quantised(sums)
}

/** Compares a vector with those in a text of many, by cosine: at most 1, and 0 if either vector is empty. */
export function nearnessTo(wanted: Vector): (vectors: string, from?: number) => number {
  const ours = Int32Array.from(wanted, (level) => level.charCodeAt(0) - MIDDLE)
  const ofOurs = ours.reduce((sum, level) => sum + level * level, 0)
  return (vectors, from = 0) => {
    let dot = 0
    let ofOther = 0
    for (let at = 0; at < ours.length; at++) {
      const level = vectors.charCodeAt(from + at) - MIDDLE
      dot += (ours[at] as number) * level
      ofOther += level * level
    }
    return dot === 0 ? 0 : dot / Math.sqrt(ofOurs * ofOther)
  }
}

/** Numbers as a vector, scaled so that the largest has the highest level. */
export function quantised(values: ArrayLike<number>): Vector {
  const numbers = Array.from(values)
  const most = numbers.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const level = (value: number) => (most === 0 ? 0 : Math.round((value / most) * LEVELS))
  return numbers.map((value) => String.fromCharCode(MIDDLE + level(value))).join('')
}

function gather(features: Map<string, number>, text: string, weight: number) {
  const add = (feature: string, value: number) =>
    features.set(feature, (features.get(feature) ?? 0) + value * weight)
  let before = ''
  for (const word of words(text)) {
    if (isStopWord(word)) continue
    const root = stem(word)
    const worth = worthOf(word)
    add(`w ${root}`, KINDS.word * worth)
    for (const concept of CONCEPTS.get(root) ?? []) add(`c ${concept}`, KINDS.concept * worth)
    if (before !== '') add(`p ${before} ${root}`, KINDS.pair * worth)
    const trigrams = trigramsOf(word)
    for (const trigram of trigrams) add(`l ${trigram}`, (KINDS.letters * worth) / Math.sqrt(trigrams.length))
    before = root
  }
}

/** Rare words are long, or have digits. */
function worthOf(word: string): number {
  if (COMMON.has(word)) return 0.25
  return /\d/.test(word) ? 1.5 : Math.min(1.5, 0.5 + word.length / 8)
}

function trigramsOf(word: string): string[] {
  const padded = `^${word}$`
  return Array.from({ length: Math.max(0, padded.length - 2) }, (_, at) => padded.slice(at, at + 3))
}

const ENDINGS = /(?:ations?|ments?|ings?|ness|ables?|ances?|ers?|ed|es|ly|s|e)$/

/** A word roughly without its ending, so that the forms of a word are equal. */
export function stem(word: string): string {
  if (word.length < 4 || /\d/.test(word)) return word
  const root = word.replace(/ies$/, 'y').replace(ENDINGS, '')
  const kept = root.length < 3 ? word : root
  return kept.replace(/([bdfgklmnprt])\1$/, '$1').replace(/y$/, 'i')
}

const CONCEPTS = conceptsOf(stem)

/** FNV-1a with a final mix, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (hash ^ (hash >>> 13)) >>> 0
}
