import { and, eq, type SQL } from 'drizzle-orm'
import { agents, type MailboxScope, mailboxes, type Permission } from '../../schema/accounts.ts'
import { type Ctx, keyIdOf, permits, reaches } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { fragment } from '../ground/sql.ts'
import { isLiveKey } from '../policy/live-key.ts'

/** What a key allows: to which agent and mailboxes, what, and until when. */
export type Rights = {
  agentId: string | null
  permissions: Permission[]
  scopes: MailboxScope[] | null
  expiresAt: Date | null
}

/** The first field in which `asked` goes further than `held`, and what it asks for; null if it goes no further. */
export function beyond(asked: Rights, held: Rights): { field: string; what: string } | null {
  if (held.agentId !== null && asked.agentId !== held.agentId) {
    return { field: 'agentId', what: 'another agent' }
  }
  const lacking = asked.permissions.find((permission) => !permits(held.permissions, permission))
  if (lacking) return { field: 'permissions', what: `the permission "${lacking}"` }
  if (held.scopes !== null && asked.scopes === null) {
    return { field: 'scopeAllMailboxes', what: 'all mailboxes' }
  }
  for (const { mailboxId, permissions } of asked.scopes ?? []) {
    const own =
      held.scopes === null
        ? held.permissions
        : held.scopes.filter((scope) => scope.mailboxId === mailboxId).flatMap((scope) => scope.permissions)
    const missing = permissions.find((permission) => !permits(own, permission))
    if (missing) return { field: 'mailboxScopes', what: `the permission "${missing}" on "${mailboxId}"` }
  }
  if (held.expiresAt !== null && (asked.expiresAt === null || asked.expiresAt > held.expiresAt)) {
    return { field: 'expiresAt', what: `a time after ${held.expiresAt.toISOString()}` }
  }
  return null
}

/** Throws `insufficient_scope` if a key would grant more than it has itself. */
export function mustGrantWithin({ actor }: Ctx, asked: Rights) {
  if (actor.kind !== 'key') return
  const excess = beyond(asked, actor)
  if (excess === null) return
  throw new Fault(
    'insufficient_scope',
    `${excess.field}: this key cannot grant ${excess.what}, because it does not have it itself.`,
    { field: excess.field },
  )
}

/** An agent's key may change only keys of that agent. A key without `approve` or `loosen` may not change a key that has it. */
export function mustGovern({ actor }: Ctx, key: Pick<Rights, 'agentId' | 'permissions' | 'scopes'>) {
  if (actor.kind !== 'key') return
  if (actor.agentId !== null && actor.agentId !== key.agentId) {
    throw new Fault('agent_mismatch', "An agent's key can create and change keys of that agent only.", {
      field: 'agentId',
    })
  }
  const held = allPermissions(key)
  for (const permission of ['approve', 'loosen'] as const) {
    if (!held.includes(permission) || actor.permissions.includes(permission)) continue
    throw new Fault(
      'human_decision_required',
      `Only a person, or a key with the permission "${permission}", can create or change a key that has it.`,
    )
  }
}

/** Throws unless a key may have these rights at all: its agent and mailboxes exist, and its permissions go together. */
export async function mustBePossible(ctx: Ctx, { agentId, permissions, scopes }: Rights) {
  const granted = allPermissions({ permissions, scopes })
  if (agentId !== null && granted.includes('approve')) {
    throw new Fault('human_decision_required', 'A key of an agent cannot approve: approving needs a person.')
  }
  if (granted.includes('loosen')) mustGiveLoosen(ctx, agentId === null && scopes === null)
  if (agentId !== null) await mustHaveAgent(ctx, agentId)
  await mustHaveMailboxes(ctx, scopes ?? [])
}

async function mustHaveAgent(ctx: Ctx, agentId: string) {
  const [agent] = await ctx.db
    .select({ id: agents.id })
    .from(agents)
    .where(and(eq(agents.tenantId, ctx.tenantId), eq(agents.id, agentId)))
  if (agent) return
  throw new Fault('agent_not_found', `agentId: this tenant has no agent "${agentId}".`, { field: 'agentId' })
}

async function mustHaveMailboxes(ctx: Ctx, scopes: MailboxScope[]) {
  if (scopes.length === 0) return
  const own = await ctx.db
    .select({ id: mailboxes.id })
    .from(mailboxes)
    .where(eq(mailboxes.tenantId, ctx.tenantId))
  const unknown = scopes.find(
    ({ mailboxId }) => !reaches(ctx, mailboxId) || !own.some(({ id }) => id === mailboxId),
  )
  if (!unknown) return
  const message = `mailboxScopes: this tenant has no mailbox "${unknown.mailboxId}".`
  throw new Fault('mailbox_not_found', message, { field: 'mailboxScopes' })
}

/** Only an owner in person gives `loosen` to a key, and only to a key of the whole tenant. */
function mustGiveLoosen({ actor }: Ctx, isTenantWide: boolean) {
  if (isTenantWide && actor.kind === 'human') return
  const message = isTenantWide
    ? 'permissions: only a person can give a key the permission "loosen", in the portal.'
    : 'permissions: "loosen" is for keys of the whole tenant, without an agent and without mailbox scopes.'
  throw new Fault('human_decision_required', message, {
    ...{ field: 'permissions', kind: 'key', id: null },
    loosens: ['permissions'],
  })
}

function allPermissions({ permissions, scopes }: Pick<Rights, 'permissions' | 'scopes'>): Permission[] {
  return [...permissions, ...(scopes ?? []).flatMap((scope) => scope.permissions)]
}

/**
 * SQL: the actor still has the rights with which the request began. A statement that grants something has it as a condition,
 * so that a key that was revoked or narrowed meanwhile grants nothing. Its parameters come from `standingValues`.
 */
export const IS_STANDING = `(
  (:actorKeyId IS NULL OR EXISTS (SELECT 1 FROM keys me
    WHERE me.id = :actorKeyId AND me.version = :actorVersion AND ${isLiveKey('me')}))
  AND (:actorOwnerId IS NULL OR EXISTS (SELECT 1 FROM owners me
    WHERE me.tenant_id = :tenantId AND me.id = :actorOwnerId AND me.role = :actorRole)))`

export function standingValues({ actor, tenantId, now }: Ctx) {
  return {
    actorKeyId: keyIdOf(actor),
    actorVersion: actor.kind === 'key' ? actor.version : null,
    actorOwnerId: actor.kind === 'human' ? actor.ownerId : null,
    actorRole: actor.kind === 'human' ? actor.role : null,
    tenantId,
    now: now.getTime(),
  }
}

export const isStanding = (ctx: Ctx): SQL => fragment(IS_STANDING, standingValues(ctx))

/** For a grant that was not written: throws `unauthorized` if the actor has lost the rights with which the request began. */
export async function mustStillStand(ctx: Ctx) {
  const [row] = await ctx.db.all<{ stands: number }>(
    fragment(`SELECT ${IS_STANDING} AS stands`, standingValues(ctx)),
  )
  if (row?.stands === 1) return
  throw new Fault(
    'unauthorized',
    'Your rights changed while this request ran. Nothing was written; try again.',
  )
}
