/** A kind of instruction to a program. `weight`, from 0 to 1, is how suspicious one such phrase is on its own. */
export type Phrase = { code: string; weight: number; pattern: RegExp }

export const phrase = (code: string, weight: number, ...parts: string[]): Phrase => ({
  code,
  weight,
  pattern: new RegExp(parts.join(''), 'g'),
})

/** At most `length` characters within one sentence. */
export const gap = (length: number) => `[^.!?\\n]{0,${length}}?`
