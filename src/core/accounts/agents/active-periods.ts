import { and, desc, eq, lt } from 'drizzle-orm'
import { agentSpells, agents } from '../../../schema/accounts.ts'
import type { Ctx } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { type Agent, mayLook } from './agents.ts'

export type Spell = typeof agentSpells.$inferSelect

/** An agent and when it was alive in the last 14 days, newest first: a spell ends where more than five minutes are silent. */
export async function aliveSpells(
  ctx: Ctx,
  agentId: string,
  page: { before: Date | null; limit: number },
): Promise<{ agent: Agent; spells: Spell[] }> {
  mayLook(ctx)
  const { tenantId, db } = ctx
  const [[agent], spells] = await db.batch([
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
  return { agent, spells }
}
