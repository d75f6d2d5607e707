import { and, desc, eq, gte, lt, or, sql } from 'drizzle-orm'
import { type AgentConfig, agents } from '../../../schema/accounts.ts'
import { agentOfKey, type Ctx, mustBeAllowed, mustHoldSomewhere } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { newId } from '../../ground/ids.ts'
import { audited } from '../../journal/audit.ts'
import { ACTIVE_FOR_MS } from '../../policy/live-lease.ts'
import { mustBeOwnName } from '../local-part.ts'
import { actingAgent } from './acting.ts'
import { type Agent, agentByName, agentOf, hasName } from './agent.ts'
import { beat, ringForLostLeases } from './heartbeat.ts'

export type { AgentConfig } from '../../../schema/accounts.ts'

/**
 * Registers an agent with the tenant, or updates the one of that name, whatever its case; either way it counts as a heartbeat.
 * What is not given stays as it is. An agent's key registers itself, and with `manage` new agents, for which it may then speak.
 */
export async function registerAgent(
  ctx: Ctx,
  { name, role }: { name: string; role: string | null },
): Promise<Agent> {
  mustHoldSomewhere(ctx, 'send')
  mustBeOwnName(ctx.env, name, 'agentName')
  const own = agentOfKey(ctx)
  const known = await agentByName(ctx, name)
  if (own !== null && known && known.id !== own && known.registeredBy !== own) throw notOwn()
  if (own !== null && !known) mustBeAllowed(ctx, 'manage')

  const { tenantId, now } = ctx
  const id = newId('agent', now)
  const isIt = and(eq(agents.tenantId, tenantId), hasName(name))
  const results = await ctx.db.batch([
    ...beat(ctx, known?.id ?? ''),
    ctx.db
      .insert(agents)
      .values({
        ...{ tenantId, id, name, role: role ?? 'general', status: 'active' },
        ...{ lastHeartbeatAt: now, registeredAt: now, registeredBy: own },
      })
      .onConflictDoNothing(),
    ...audited(ctx, [{ action: 'agent.registered', target: id, detail: { name, role } }]),
    // Once a person or a key of the whole tenant registers it, an agent counts like any other.
    ctx.db
      .update(agents)
      .set({ ...(role === null ? {} : { role }), registeredBy: own === null ? null : agents.registeredBy })
      .where(and(isIt, own === null ? undefined : or(eq(agents.id, own), eq(agents.registeredBy, own))))
      .returning(),
  ])
  await ringForLostLeases(ctx, results)
  const [agent] = results[7]
  if (!agent) throw notOwn()
  return agent
}

const notOwn = () =>
  new Fault('agent_mismatch', 'Another agent has this name, and this key cannot speak for it.', {
    field: 'agentName',
  })

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

/** An agent's configuration; empty until something is stored. An agent's key reads its own only. */
export async function agentConfig(ctx: Ctx, agentId: string): Promise<AgentConfig> {
  mustHoldSomewhere(ctx, 'read')
  const own = agentOfKey(ctx)
  if (own !== null && own !== agentId)
    throw new Fault('agent_not_found', 'No such agent.', { field: 'agentId' })
  return (await agentOf(ctx, agentId)).config ?? {}
}

/** Changes the given settings of an agent's configuration, and returns all of them. */
export async function storeAgentConfig(ctx: Ctx, agentId: string, config: AgentConfig): Promise<AgentConfig> {
  mustHoldSomewhere(ctx, 'send')
  const agent = await actingAgent(ctx, { id: agentId, name: null })
  const [[changed]] = await ctx.db.batch([
    ctx.db
      .update(agents)
      .set({ config: sql`json_patch(coalesce(${agents.config}, '{}'), ${JSON.stringify(config)})` })
      .where(and(eq(agents.tenantId, ctx.tenantId), eq(agents.id, agent.id)))
      .returning({ config: agents.config }),
    ...audited(ctx, [{ action: 'agent.configured', target: agent.id, detail: config }]),
  ])
  return changed?.config ?? {}
}
