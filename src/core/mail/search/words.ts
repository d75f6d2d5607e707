/** Longer words are cut off, in UTF-16 units. */
const LONGEST = 40

/** Scripts without spaces between words: they are indexed by pairs of characters. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]+/gu

/** Words so common in English that a query ignores them unless it has no others. */
const STOP = new Set(
  'a an and any are as at be been but by can could did do does for from had has have he her his how i if in into is it its me my of on or our she so some than that the their them then there these they this to up us was we were what when where which who why will with would you your'.split(
    ' ',
  ),
)

export function isStopWord(word: string): boolean {
  return STOP.has(word)
}

/** Thousands separators, which are dropped: `3,418` is `3418`. */
const GROUPING = /(?<=\d)[,'’](?=\d{3}(?!\d))/g

/**
 * The words of a text in order, as they are indexed: runs of letters or of digits (`AV2093` is `AV 2093`), without case and
 * accents. Scripts without spaces give overlapping pairs of characters.
 */
export function words(text: string): string[] {
  const plain = text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(GROUPING, '')
  const spaced = plain.replace(UNSPACED, (run) => ` ${pairs(run).join(' ')} `)
  return (spaced.match(/\p{L}+|\p{N}+/gu) ?? []).map((word) => word.slice(0, LONGEST).toWellFormed())
}

/** The beginning of a text, at most this many bytes of UTF-8, without cutting a character. */
export function beginning(text: string, bytes: number): string {
  const room = new Uint8Array(bytes)
  const { read } = new TextEncoder().encodeInto(text.slice(0, bytes), room)
  return text.slice(0, read)
}

function pairs(run: string): string[] {
  const letters = [...run]
  return letters.length === 1 ? letters : letters.slice(1).map((letter, at) => `${letters[at]}${letter}`)
}
