import type { World } from './world.ts'

/** The line of the threat list that an attack belongs to; `docs/security.md` names each. */
export type Line =
  | 'A1'
  | 'A2'
  | 'A3'
  | 'A4'
  | 'A5'
  | 'A6'
  | 'A7'
  | 'A8'
  | 'A9'
  | 'A10'
  | 'A11'
  | 'A12'
  | 'A13'
  | 'A14'
  | 'A15'

export type Attack = {
  line: Line
  /** What the attacker tries, as a sentence. */
  does: string
  /**
   * Tries it from outside, as the least privileged caller that could. Returns what the attacker gained, or null if nothing got
   * laxer, nothing was read and nothing was sent. It judges by the effect that others see, never by the status of an answer.
   */
  run: (world: World) => Promise<string | null>
}

/** A guard that is taken out on purpose. At least one attack of its line must then succeed. */
export type Guard = {
  line: Line
  /** What is taken out, in a few words. */
  what: string
  /** A file below `src`. */
  file: string
  /** The text that is replaced; it must occur exactly once. */
  from: string
  to: string
}
