import { and, desc, eq, gte, lt, sql } from 'drizzle-orm'
import { type AgentConfig, agents, keys, type Permission } from '../../../schema/accounts.ts'
import { leaseEvents, leases } from '../../../schema/coordination.ts'
import { safeHeaderText } from '../../ground/address.ts'
import { type Ctx, mustBeAllowed, one, permits } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { idFloor, newId } from '../../ground/ids.ts'
import { audited } from '../../journal/audit.ts'
import { ringOutbox } from '../../journal/bells.ts'
import { emit } from '../../journal/events.ts'
import { ACTIVE_FOR_MS } from '../../policy/live-lease.ts'

export type Agent = typeof agents.$inferSelect
export type { AgentConfig } from '../../../schema/accounts.ts'

/** How a request names an agent: by id, by name, by both if they agree, or not at all. */
export type AgentName = { id: string | null; name: string | null }

export function isActive(agent: Pick<Agent, 'lastHeartbeatAt'>, now: Date): boolean {
  return now.getTime() - agent.lastHeartbeatAt.getTime() <= ACTIVE_FOR_MS
}

/**
 * Register an agent with the tenant, or update the one of that name; either way it counts as a heartbeat. A key of the
 * whole tenant speaks for it from now on where a request names nobody.
 */
export async function registerAgent(
  ctx: Ctx,
  { name, role }: { name: string; role: string },
): Promise<Agent> {
  mayCoordinate(ctx)
  const unsafe = safeHeaderText(name)
  if (unsafe !== null) throw new Fault('invalid', `agentName ${unsafe}`, { field: 'agentName' })
  const [known] = await ctx.db
    .select({ id: agents.id })
    .from(agents)
    .where(and(eq(agents.tenantId, ctx.tenantId), eq(agents.name, name)))
  const { actor } = ctx
  if (actor.kind === 'key' && actor.agentId !== null && actor.agentId !== known?.id)
    mustBeAllowed(ctx, 'manage')

  const id = newId('agent', ctx.now)
  const results = await ctx.db.batch([
    ...beat(ctx, known?.id ?? ''),
    ctx.db
      .insert(agents)
      .values({
        tenantId: ctx.tenantId,
        id,
        name,
        role,
        status: 'active',
        lastHeartbeatAt: ctx.now,
        registeredAt: ctx.now,
      })
      .onConflictDoUpdate({ target: [agents.tenantId, agents.name], set: { role } })
      .returning(),
    ...audited(
      ctx,
      [{ action: 'agent.registered', target: id, detail: { name, role } }],
      sql`EXISTS (SELECT 1 FROM agents a WHERE a.tenant_id = ${ctx.tenantId} AND a.id = ${id})`,
    ),
  ])
  await ringIfLost(ctx, results)
  const agent = one(results[4])
  if (actor.kind === 'key' && actor.agentId === null) {
    await ctx.db
      .update(keys)
      .set({ defaultAgentId: agent.id })
      .where(and(eq(keys.tenantId, ctx.tenantId), eq(keys.id, actor.keyId)))
  }
  return agent
}

/** Say that an agent is alive. One that comes back after more than five minutes has lost its leases. */
export async function heartbeat(ctx: Ctx, name: AgentName): Promise<void> {
  mayCoordinate(ctx)
  const agent = await mayActFor(ctx, name)
  await ringIfLost(ctx, await ctx.db.batch(beat(ctx, agent.id)))
}

/** The tenant's agents, newest first. */
export async function listAgents(
  ctx: Ctx,
  page: { isActive: boolean | null; before?: string | undefined; limit: number },
): Promise<Agent[]> {
  mayLook(ctx)
  const bound = new Date(ctx.now.getTime() - ACTIVE_FOR_MS)
  return await ctx.db
    .select()
    .from(agents)
    .where(
      and(
        eq(agents.tenantId, ctx.tenantId),
        page.isActive === null
          ? undefined
          : page.isActive
            ? gte(agents.lastHeartbeatAt, bound)
            : lt(agents.lastHeartbeatAt, bound),
        page.before ? lt(agents.id, page.before) : undefined,
      ),
    )
    .orderBy(desc(agents.id))
    .limit(page.limit)
}

/** The names of those of these agents that are the tenant's, by their ids. */
export async function agentNames(ctx: Ctx, ids: string[]): Promise<Map<string, string>> {
  mayLook(ctx)
  const named = await ctx.db
    .select({ id: agents.id, name: agents.name })
    .from(agents)
    .where(
      and(
        eq(agents.tenantId, ctx.tenantId),
        sql`${agents.id} IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`,
      ),
    )
  return new Map(named.map(({ id, name }) => [id, name]))
}

/** The ids of the agents that may vote now. */
export async function activeAgents(ctx: Ctx): Promise<string[]> {
  const rows = await ctx.db
    .select({ id: agents.id })
    .from(agents)
    .where(
      and(
        eq(agents.tenantId, ctx.tenantId),
        gte(agents.lastHeartbeatAt, new Date(ctx.now.getTime() - ACTIVE_FOR_MS)),
        sql`${agents.status} NOT IN ('paused', 'suspended', 'banned')`,
      ),
    )
  return rows.map((row) => row.id)
}

/** What an agent keeps to control its behaviour; empty until something is stored. */
export async function agentConfig(ctx: Ctx, agentId: string): Promise<AgentConfig> {
  mayLook(ctx)
  return (await agentOf(ctx, agentId)).config ?? {}
}

/** Replaces an agent's configuration and returns it. */
export async function storeAgentConfig(ctx: Ctx, agentId: string, config: AgentConfig): Promise<AgentConfig> {
  mayCoordinate(ctx)
  const agent = await mayActFor(ctx, { id: agentId, name: null })
  await ctx.db.batch([
    ctx.db
      .update(agents)
      .set({ config })
      .where(and(eq(agents.tenantId, ctx.tenantId), eq(agents.id, agent.id))),
    ...audited(ctx, [{ action: 'agent.configured', target: agent.id, detail: config }]),
  ])
  return config
}

/**
 * The agent that a request speaks for: the one it names, else the key's own, else the one the key last registered.
 * Throws `invalid` where none is to be found or id and name disagree, and `agent_mismatch` where the key is another's.
 */
export async function mayActFor(ctx: Ctx, name: AgentName): Promise<Agent> {
  const agent = await namedAgent(ctx, name)
  const { actor } = ctx
  if (actor.kind === 'key' && actor.agentId !== null && actor.agentId !== agent.id) {
    throw new Fault('agent_mismatch', 'This key belongs to another agent and cannot speak for this one.')
  }
  return agent
}

/** Throws unless the actor may send from some mailbox: who may mail a contact may also reserve it or vote on it. */
export function mayCoordinate(ctx: Ctx) {
  mustHoldSomewhere(ctx, 'send')
}

/** Throws unless the actor may read some mailbox. */
export function mayLook(ctx: Ctx) {
  mustHoldSomewhere(ctx, 'read')
}

/**
 * The statements of a heartbeat, to be batched: leases of an agent that was silent for more than five minutes end, each
 * with its event, before its time is set anew.
 */
export function beat(ctx: Ctx, agentId: string) {
  const now = ctx.now.getTime()
  const beatAt = sql`(SELECT b.last_heartbeat_at FROM agents b
    WHERE b.tenant_id = ${ctx.tenantId} AND b.id = ${agentId})`
  const endedAt = sql`min(${leases.expiresAt}, ${beatAt} + ${ACTIVE_FOR_MS + 1})`
  const isLost = sql`${leases.tenantId} = ${ctx.tenantId} AND ${leases.agentId} = ${agentId}
    AND ${leases.endedAt} IS NULL AND ${beatAt} < ${now - ACTIVE_FOR_MS}`
  return [
    ctx.db.insert(leaseEvents).select(sql`
      SELECT tenant_id, contact, ${idFloor('lev', ctx.now)} || lower(hex(randomblob(13))), 'expired', ${endedAt}, id,
        epoch, agent_id, agent_id, expires_at FROM ${leases} WHERE ${isLost}`),
    emit(
      ctx.db,
      ctx.now,
      sql`SELECT tenant_id, 'lease.expired' AS type, NULL AS mailbox_id, agent_id, contact AS position,
        json_object('leaseId', id, 'contact', contact) AS refs FROM ${leases} WHERE ${isLost}`,
    ),
    ctx.db.update(leases).set({ endedAt }).where(isLost),
    ctx.db
      .update(agents)
      .set({ lastHeartbeatAt: sql`max(${agents.lastHeartbeatAt}, ${now})` })
      .where(and(eq(agents.tenantId, ctx.tenantId), eq(agents.id, agentId))),
  ] as const
}

/** Rings for the leases that a heartbeat's batch has ended, if any. */
export async function ringIfLost(ctx: Ctx, [lost]: readonly [D1Result, ...unknown[]]): Promise<void> {
  if (lost.meta.changes > 0) await ringOutbox(ctx.env, [ctx.tenantId])
}

async function namedAgent(ctx: Ctx, { id, name }: AgentName): Promise<Agent> {
  if (id !== null) {
    const agent = await agentOf(ctx, id)
    if (name === null || agent.name === name) return agent
    throw new Fault('invalid', 'agentId and agentName name two different agents.', { field: 'agentName' })
  }
  if (name !== null) {
    const [agent] = await ctx.db
      .select()
      .from(agents)
      .where(and(eq(agents.tenantId, ctx.tenantId), eq(agents.name, name)))
    if (agent) return agent
    throw new Fault('agent_not_found', 'No such agent.', { field: 'agentName' })
  }
  const own = await ownAgentId(ctx)
  if (own !== null) return await agentOf(ctx, own)
  throw new Fault('invalid', 'agentId or agentName is required: this key belongs to no agent.', {
    field: 'agentId',
  })
}

async function ownAgentId({ db, actor, tenantId }: Ctx): Promise<string | null> {
  if (actor.kind !== 'key') return null
  if (actor.agentId !== null) return actor.agentId
  const [key] = await db
    .select({ id: keys.defaultAgentId })
    .from(keys)
    .where(and(eq(keys.tenantId, tenantId), eq(keys.id, actor.keyId)))
  return key?.id ?? null
}

async function agentOf(ctx: Ctx, id: string): Promise<Agent> {
  const [agent] = await ctx.db
    .select()
    .from(agents)
    .where(and(eq(agents.tenantId, ctx.tenantId), eq(agents.id, id)))
  if (!agent) throw new Fault('agent_not_found', 'No such agent.', { field: 'agentId' })
  return agent
}

function mustHoldSomewhere(ctx: Ctx, wanted: Permission) {
  const { actor } = ctx
  if (actor.kind === 'human') mustBeAllowed(ctx, wanted)
  if (actor.kind !== 'key') return
  const held = actor.scopes === null ? actor.permissions : actor.scopes.flatMap((scope) => scope.permissions)
  if (permits(held, wanted)) return
  throw new Fault('insufficient_scope', `This key lacks the permission "${wanted}".`)
}
