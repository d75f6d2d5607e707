import type { InjectionInput } from '../../src/core/reading/text/injection.ts'
import { attackFamilies } from './attacks.ts'
import { benignFamilies } from './benign.ts'
import { heldOutMails, heldOutWords } from './held-out.ts'
import { tuningMails, tuningWords } from './tuning.ts'

export type Labelled = { family: string; isAttack: boolean; isHeldOut: boolean; input: InjectionInput }

/** A way to draw the same things again. */
export type Draw = { number: (below: number) => number; of: <T>(list: readonly T[]) => T }

const ATTACKS_EACH = 10
const BENIGN_EACH = 30

/** Both halves, the same for the same seed: the families are shared, every wording and most disguises are not. */
export function injectionSet(seed: number): Labelled[] {
  return [false, true].flatMap((isHeldOut) => {
    const draw = drawing(seed + (isHeldOut ? 1 : 0))
    const words = isHeldOut ? heldOutWords : tuningWords
    const mails = isHeldOut ? heldOutMails : tuningMails
    const attacks = Object.entries(attackFamilies).flatMap(([family, write]) =>
      Array.from({ length: ATTACKS_EACH }, (_, at) => ({
        family,
        isAttack: true,
        isHeldOut,
        input: write(words, draw, at, isHeldOut),
      })),
    )
    const benign = Object.keys(mails).flatMap((family) =>
      Array.from({ length: BENIGN_EACH }, (_, at) => ({
        family,
        isAttack: false,
        isHeldOut,
        input: benignFamilies(mails, family, draw, at),
      })),
    )
    return [...attacks, ...benign]
  })
}

function drawing(seed: number): Draw {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const number = (below: number) => Math.floor(next() * below)
  return {
    number,
    of: (list) => {
      const found = list[number(list.length)]
      if (found === undefined) throw new Error('nothing to draw from')
      return found
    },
  }
}
