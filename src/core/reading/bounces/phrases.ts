/** The source of a pattern that has one alternative a line. `…` is at most 40 characters of the same sentence, or none. */
export function oneOf(lines: string): string {
  const each = lines
    .split('\n')
    .map((line) => line.trim().replaceAll(' … ', '[^.;]{0,40}(?<![a-z])'))
    .filter((line) => line !== '')
  return `(?:${each.join('|')})`
}

/** A pattern for phrases, one a line, in lower case and from the start of a word. */
export function phrases(lines: string): RegExp {
  return new RegExp(`(?<![a-z])${oneOf(lines)}`)
}
