import { and, desc, eq, gte, lt, sql } from 'drizzle-orm'
import { type AgentConfig, agents, keys } from '../../../schema/accounts.ts'
import { safeHeaderText } from '../../ground/address.ts'
import { type Ctx, mustBeAllowed, mustHoldSomewhere, one } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { newId } from '../../ground/ids.ts'
import { audited } from '../../journal/audit.ts'
import { ACTIVE_FOR_MS } from '../../policy/live-lease.ts'
import { actingAgent } from './acting.ts'
import { type Agent, agentOf } from './agent.ts'
import { beat, ringForLostLeases } from './heartbeat.ts'

export type { AgentConfig } from '../../../schema/accounts.ts'

/**
 * Registers an agent with the tenant, or updates the one of that name; either way it counts as a heartbeat. A key of the
 * whole tenant acts for this agent from now on in requests that name no agent.
 */
export async function registerAgent(
  ctx: Ctx,
  { name, role }: { name: string; role: string },
): Promise<Agent> {
  mustHoldSomewhere(ctx, 'send')
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
  await ringForLostLeases(ctx, results)
  const agent = one(results[4])
  if (actor.kind === 'key' && actor.agentId === null) {
    await ctx.db
      .update(keys)
      .set({ defaultAgentId: agent.id })
      .where(and(eq(keys.tenantId, ctx.tenantId), eq(keys.id, actor.keyId)))
  }
  return agent
}

/** The tenant's agents, newest first. */
export async function listAgents(
  ctx: Ctx,
  page: { isActive: boolean | null; before?: string | undefined; limit: number },
): Promise<Agent[]> {
  mustHoldSomewhere(ctx, 'read')
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

/** The names of the tenant's agents with these ids, by id. */
export async function agentNames(ctx: Ctx, ids: string[]): Promise<Map<string, string>> {
  mustHoldSomewhere(ctx, 'read')
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

/** An agent's configuration; empty until something is stored. */
export async function agentConfig(ctx: Ctx, agentId: string): Promise<AgentConfig> {
  mustHoldSomewhere(ctx, 'read')
  return (await agentOf(ctx, agentId)).config ?? {}
}

/** Replaces an agent's configuration and returns it. */
export async function storeAgentConfig(ctx: Ctx, agentId: string, config: AgentConfig): Promise<AgentConfig> {
  mustHoldSomewhere(ctx, 'send')
  const agent = await actingAgent(ctx, { id: agentId, name: null })
  await ctx.db.batch([
    ctx.db
      .update(agents)
      .set({ config })
      .where(and(eq(agents.tenantId, ctx.tenantId), eq(agents.id, agent.id))),
    ...audited(ctx, [{ action: 'agent.configured', target: agent.id, detail: config }]),
  ])
  return config
}
