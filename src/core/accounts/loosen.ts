import { type Ctx, may } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import type { Loosened } from '../policy/loosened.ts'

/**
 * Whether the actor may change settings so that agents may do more: an owner in person, or a key of the whole tenant to which
 * an owner gave `loosen`. A key of an agent never may, whatever it holds.
 */
export function mayLoosen({ actor }: Pick<Ctx, 'actor'>): boolean {
  if (actor.kind === 'smtp' || (actor.kind === 'key' && actor.agentId !== null)) return false
  return may({ actor }, 'loosen')
}

const WHO = 'Only a person in the portal, or a key with the permission "loosen", can do that.'

type About = { kind: string; id: string | null }

/** The refusal of a change that makes these settings laxer. It names each with its present value, and who can change it. */
export function settingsNeedPerson(loosens: Loosened[], about: About): Fault {
  const told = loosens.map(
    ({ field, name, present, wanted }) =>
      `${field}: ${name} is ${present} now, and ${wanted} would let agents do more.`,
  )
  return new Fault('human_decision_required', `${told.join(' ')} ${WHO}`, {
    ...{ field: loosens[0]?.field ?? null, ...about },
    loosens: loosens.map(({ field }) => field),
  })
}

/** The refusal of an act that loosens. `present` says how things are now. */
export function actNeedsPerson(present: string, about: About & { field?: string; loosens: string[] }): Fault {
  return new Fault('human_decision_required', `${present} ${WHO}`, about)
}

/** How often a change is tried again if another one came between. */
const TRIES_AT_MOST = 10

/**
 * Tries a change until it is written: each try reads, decides, and writes only if what it read is still so. Null means that
 * somebody changed it in between.
 */
export async function untilWritten<Outcome>(attempt: () => Promise<Outcome | null>): Promise<Outcome> {
  for (let tries = 0; tries < TRIES_AT_MOST; tries++) {
    const outcome = await attempt()
    if (outcome !== null) return outcome
  }
  throw new Fault('conflict', 'Others are changing this at the same time. Try again.')
}
