/** Production D1 refuses a bound value above 2 MB, so lists are cut into slices of at most this many bytes. */
const SLICE = 1_000_000

/** JSON arrays (or, with braces, objects) of JSON texts, in order, each at most 1 MB unless one text alone is longer. */
export function slices(texts: string[], [open, close] = ['[', ']']): string[] {
  const length = texts.reduce((sum, text) => sum + text.length + 1, 0)
  // No UTF-16 unit takes more than three bytes of UTF-8.
  if (texts.length > 0 && length * 3 <= SLICE) return [`${open}${texts.join(',')}${close}`]

  const arrays: string[] = []
  let current: string[] = []
  let size = 0
  for (const text of texts) {
    const bytes = byteLength(text)
    if (current.length > 0 && size + bytes > SLICE) {
      arrays.push(`${open}${current.join(',')}${close}`)
      current = []
      size = 0
    }
    current.push(text)
    size += bytes + 1
  }
  if (current.length > 0) arrays.push(`${open}${current.join(',')}${close}`)
  return arrays
}

const encoder = new TextEncoder()

/** The length of a text in UTF-8. */
export function byteLength(text: string): number {
  return encoder.encode(text).byteLength
}
