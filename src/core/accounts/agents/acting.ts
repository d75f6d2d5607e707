import { and, eq } from 'drizzle-orm'
import { agents, keys } from '../../../schema/accounts.ts'
import type { Ctx } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { type Agent, type AgentName, agentOf } from './agent.ts'

/**
 * The agent that a request acts for: the one it names, else the key's own, else the one the key registered last. Throws
 * `invalid` if there is none or if id and name disagree, and `agent_mismatch` if the key belongs to another agent.
 */
export async function actingAgent(ctx: Ctx, name: AgentName): Promise<Agent> {
  const agent = await namedAgent(ctx, name)
  const { actor } = ctx
  if (actor.kind === 'key' && actor.agentId !== null && actor.agentId !== agent.id) {
    throw new Fault('agent_mismatch', 'This key belongs to another agent and cannot act for this one.')
  }
  return agent
}

async function namedAgent(ctx: Ctx, { id, name }: AgentName): Promise<Agent> {
  if (id !== null) {
    const agent = await agentOf(ctx, id)
    if (name === null || agent.name === name) return agent
    throw new Fault('invalid', 'agentId and agentName belong to two different agents. Send one of them.', {
      field: 'agentName',
    })
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
  throw new Fault('invalid', 'agentId or agentName is required, because this key belongs to no agent.', {
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
