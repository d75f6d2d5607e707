import { inject } from 'vitest'

/** How far a long proof goes: all the way with `THOROUGH=1 npm test`, else as far as shows that it can fail. */
export function upTo(thorough: number, usual: number): number {
  return inject('isThorough') ? thorough : usual
}
