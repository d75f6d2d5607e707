import { type Actor, type Ctx, may } from '../ground/ctx.ts'

/**
 * Whether the actor may change settings so that agents may do more: an owner in person, or a key of the whole tenant to which
 * an owner gave `loosen`. A key of an agent never may, whatever it holds.
 */
export function mayLoosen({ actor }: Pick<Ctx, 'actor'>): boolean {
  return !isAgents(actor) && actor.kind !== 'smtp' && may({ actor }, 'loosen')
}

const isAgents = (actor: Actor) => actor.kind === 'key' && actor.agentId !== null

/** Who can do it instead, as the last words of a refusal. */
export const WHO_MAY_LOOSEN = 'a person in the portal, or a key with the permission "loosen"'
