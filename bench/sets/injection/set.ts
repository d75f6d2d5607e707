import type { InjectionInput } from '../../../src/core/reading/text/injection.ts'
import { attackFamilies } from './attacks.ts'
import { benignFamilies } from './benign.ts'
import { drawing } from './draw.ts'
import { heldOutMails, heldOutWords } from './held-out.ts'
import { tuningMails, tuningWords } from './tuning.ts'

export type Labelled = { family: string; isAttack: boolean; isHeldOut: boolean; input: InjectionInput }

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
