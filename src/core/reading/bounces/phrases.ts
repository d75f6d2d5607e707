/** The source of a pattern with one alternative per line. `…` stands for up to 40 characters within one sentence. */
export function oneOf(lines: string): string {
  const each = lines
    .split('\n')
    .map((line) => line.trim().replaceAll(' … ', '[^.;]{0,40}(?<![a-z])'))
    .filter((line) => line !== '')
  return `(?:${each.join('|')})`
}

/** A pattern for phrases, one per line, in lower case. A phrase must begin at the start of a word. */
export function phrases(lines: string): RegExp {
  return new RegExp(`(?<![a-z])${oneOf(lines)}`)
}
