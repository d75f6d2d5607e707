import { and, eq, type SQL, sql } from 'drizzle-orm'
import { agents } from '../../../schema/accounts.ts'
import type { Ctx } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'

export type Agent = typeof agents.$inferSelect

/** How a request names an agent: by id, by name, by both if they agree, or not at all. */
export type AgentName = { id: string | null; name: string | null }

/** Names that differ only in the case of ASCII letters are one name, as in the index of agents. */
const folded = (name: string) => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

export const isNamed = (agent: Agent, name: string) => folded(agent.name) === folded(name)

export function hasName(name: string): SQL {
  return sql`lower(${agents.name}) = ${folded(name)}`
}

/** The agent of the tenant with this name, whatever its case. */
export async function agentByName(ctx: Ctx, name: string): Promise<Agent | undefined> {
  const [agent] = await ctx.db
    .select()
    .from(agents)
    .where(and(eq(agents.tenantId, ctx.tenantId), hasName(name)))
  return agent
}

/** One agent of the tenant. Throws `agent_not_found`. */
export async function agentOf(ctx: Ctx, id: string): Promise<Agent> {
  const [agent] = await ctx.db
    .select()
    .from(agents)
    .where(and(eq(agents.tenantId, ctx.tenantId), eq(agents.id, id)))
  if (!agent) throw new Fault('agent_not_found', 'No such agent.', { field: 'agentId' })
  return agent
}
