import { eq } from 'drizzle-orm'
import { agents } from '../../../schema/accounts.ts'
import { agentOfKey, type Ctx } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { type Agent, type AgentName, agentByName, agentOf, isNamed } from './agent.ts'

/**
 * The agent that a request acts for: the one it names, else the key's own, else the only one that the tenant has. Throws
 * `invalid` if there is none or if id and name disagree, and `agent_mismatch` if the key belongs to another agent.
 */
export async function actingAgent(ctx: Ctx, name: AgentName): Promise<Agent> {
  const agent = await namedAgent(ctx, name)
  const own = agentOfKey(ctx)
  if (own !== null && own !== agent.id) {
    throw new Fault('agent_mismatch', 'This key belongs to another agent and cannot act for this one.')
  }
  return agent
}

/** As `actingAgent`, but an agent's key also speaks for the agents that it registered: in heartbeats and in leases. */
export async function speakingAgent(ctx: Ctx, name: AgentName): Promise<Agent> {
  const agent = await namedAgent(ctx, name)
  const own = agentOfKey(ctx)
  if (own !== null && own !== agent.id && own !== agent.registeredBy) {
    throw new Fault(
      'agent_mismatch',
      'This key belongs to another agent, which did not register this one, and cannot speak for it.',
    )
  }
  return agent
}

async function namedAgent(ctx: Ctx, { id, name }: AgentName): Promise<Agent> {
  if (id !== null) {
    const agent = await agentOf(ctx, id)
    if (name === null || isNamed(agent, name)) return agent
    throw new Fault('invalid', 'agentId and agentName belong to two different agents. Send one of them.', {
      field: 'agentName',
    })
  }
  if (name !== null) {
    const agent = await agentByName(ctx, name)
    if (agent) return agent
    throw new Fault('agent_not_found', 'No such agent.', { field: 'agentName' })
  }
  const own = agentOfKey(ctx)
  return own === null ? await onlyAgent(ctx) : await agentOf(ctx, own)
}

/** How many agents a message names. */
const NAMED_AT_MOST = 20

/** The agent of a tenant that has one. Throws `invalid` if it has none or several; the message then names them. */
async function onlyAgent(ctx: Ctx): Promise<Agent> {
  const [agent, ...others] = await ctx.db
    .select()
    .from(agents)
    .where(eq(agents.tenantId, ctx.tenantId))
    .orderBy(agents.id)
    .limit(NAMED_AT_MOST)
  if (agent && others.length === 0) return agent
  const names = [agent, ...others].map((each) => `"${each?.name}"`).join(', ')
  const which = agent ? `has several agents: ${names}` : 'has no agent'
  const message = `agentId or agentName is required, because this key belongs to no agent and the tenant ${which}.`
  throw new Fault('invalid', message, { field: 'agentId' })
}
