import { and, desc, eq, lt } from 'drizzle-orm'
import { agentSpells, agents } from '../../../schema/accounts.ts'
import { type Ctx, mustHoldSomewhere } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import type { Agent } from './agent.ts'

type ActivePeriod = typeof agentSpells.$inferSelect

/** An agent and its active periods of the last 14 days, newest first. A period ends when no heartbeat comes for more than five minutes. */
export async function activePeriods(
  ctx: Ctx,
  agentId: string,
  page: { before: Date | null; limit: number },
): Promise<{ agent: Agent; periods: ActivePeriod[] }> {
  mustHoldSomewhere(ctx, 'read')
  const { tenantId, db } = ctx
  const [[agent], periods] = await db.batch([
    db
      .select()
      .from(agents)
      .where(and(eq(agents.tenantId, tenantId), eq(agents.id, agentId))),
    db
      .select()
      .from(agentSpells)
      .where(
        and(
          eq(agentSpells.tenantId, tenantId),
          eq(agentSpells.agentId, agentId),
          page.before ? lt(agentSpells.beganAt, page.before) : undefined,
        ),
      )
      .orderBy(desc(agentSpells.beganAt))
      .limit(page.limit),
  ])
  if (!agent) throw new Fault('agent_not_found', 'No such agent.')
  return { agent, periods }
}
