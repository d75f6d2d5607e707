/** How a match may begin: with a word, or with a word that begins so. */
export type Head = { text: string; isWhole: boolean }

/**
 * The words a pattern can begin with, read from its source, so that a text is walked once, word by word, and not once for
 * each pattern. Null where the beginning is no plain word; the pattern must then be looked for everywhere.
 */
export function headsOf(source: string): Head[] | null {
  const heads = alternatives(source).flatMap((each) => begin(each))
  return heads.some((head) => head === null) ? null : heads.filter((head) => head !== null)
}

/** The beginnings of one alternative. */
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
  const ends = /^(?: |\\b|\\s)/.test(tail)
  const heads = alternatives(inside.replace(/^\((?:\?:)?/, '').slice(0, -1)).flatMap((each) => {
    const found = begin(each)
    return /^[a-z]+$/.test(each) ? found.map((head) => head && { ...head, isWhole: ends }) : found
  })
  return isOptional ? [...heads, ...begin(following)] : heads
}

/** The parts between the bars that lie in no group. */
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

/** Where the group that a text begins with ends. */
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
