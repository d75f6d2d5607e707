/** How a match may begin. If `isWhole`, with exactly the word `text`. Otherwise with any word that starts with `text`. */
type Head = { text: string; isWhole: boolean }

/**
 * The words that a match of a pattern can begin with, read from the pattern's source. With them a text is searched once,
 * word by word, instead of once for each pattern. Null if a match can begin with something other than a plain word: such a
 * pattern must be tried everywhere.
 */
export function headsOf(source: string): Head[] | null {
  const heads = alternatives(source).flatMap((each) => begin(each))
  return heads.some((head) => head === null) ? null : heads.filter((head) => head !== null)
}

function begin(source: string): (Head | null)[] {
  const rest = source.replace(/^(?:\\b)+/, '')
  const letters = /^[a-z]+/.exec(rest)?.[0] ?? ''
  const after = rest.slice(letters.length)
  if (letters !== '') {
    if (/^[?*]/.test(after))
      return [letters.length > 1 ? { text: letters.slice(0, -1), isWhole: false } : null]
    return [{ text: letters, isWhole: /^(?: |\\b|\\s|\\\.|,|\[- \]|'|-(?!\?))/.test(after) }]
  }
  if (!rest.startsWith('(')) return [null]
  const end = closing(rest)
  const inside = rest.slice(0, end + 1)
  const tail = rest.slice(end + 1)
  if (/^\((?:\?[!=]|\?<[!=])/.test(inside)) return begin(tail)
  const isOptional = /^(?:[?*]|\{0,)/.test(tail)
  const following = tail.replace(/^(?:[?*+]|\{\d+(?:,\d*)?\})\??/, '')
  const endsWord = /^(?: |\\b|\\s)/.test(tail)
  const heads = alternatives(inside.replace(/^\((?:\?:)?/, '').slice(0, -1)).flatMap((each) => {
    const found = begin(each)
    return /^[a-z]+$/.test(each) ? found.map((head) => head && { ...head, isWhole: endsWord }) : found
  })
  return isOptional ? [...heads, ...begin(following)] : heads
}

/** Splits a pattern at the `|` outside groups. */
function alternatives(source: string): string[] {
  const parts: string[] = []
  let start = 0
  for (let at = 0; at < source.length; at++) {
    const letter = source[at]
    if (letter === '\\') at++
    else if (letter === '[') at = source.indexOf(']', at)
    else if (letter === '(') at += closing(source.slice(at))
    else if (letter === '|') {
      parts.push(source.slice(start, at))
      start = at + 1
    }
  }
  return [...parts, source.slice(start)]
}

/** The offset of the parenthesis that closes the group at the start of a source. */
function closing(source: string): number {
  let depth = 0
  for (let at = 0; at < source.length; at++) {
    const letter = source[at]
    if (letter === '\\') at++
    else if (letter === '[') at = source.indexOf(']', at)
    else if (letter === '(') depth++
    else if (letter === ')' && --depth === 0) return at
  }
  return source.length - 1
}
