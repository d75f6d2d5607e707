import { and, eq, sql } from 'drizzle-orm'
import { agents } from '../../../schema/accounts.ts'
import { leaseEvents, leases } from '../../../schema/coordination.ts'
import { type Ctx, mustHoldSomewhere } from '../../ground/ctx.ts'
import { idFloor } from '../../ground/ids.ts'
import { statement } from '../../ground/sql.ts'
import { ringOutbox } from '../../journal/bells.ts'
import { emit } from '../../journal/events.ts'
import { ACTIVE_FOR_MS } from '../../policy/live-lease.ts'
import { speakingAgent } from './acting.ts'
import type { Agent, AgentName } from './agent.ts'

export function isActive(agent: Pick<Agent, 'lastHeartbeatAt'>, now: Date): boolean {
  return now.getTime() - agent.lastHeartbeatAt.getTime() <= ACTIVE_FOR_MS
}

/** Records a heartbeat. An agent that was silent for more than five minutes has lost its leases. */
export async function heartbeat(ctx: Ctx, name: AgentName): Promise<void> {
  mustHoldSomewhere(ctx, 'send')
  const agent = await speakingAgent(ctx, name)
  await ringForLostLeases(ctx, await ctx.db.batch(beat(ctx, agent.id)))
}

const ELECTORS = statement<{ id: string }>(`
  SELECT a.id FROM agents a
  WHERE a.tenant_id = :tenantId AND a.registered_by IS NULL AND a.status NOT IN ('paused', 'suspended', 'banned')
    AND a.last_heartbeat_at >= :at - ${ACTIVE_FOR_MS} AND EXISTS (SELECT 1 FROM agent_spells s WHERE s.tenant_id = a.tenant_id AND s.agent_id = a.id
      AND s.began_at <= :at AND s.last_at >= :at - ${ACTIVE_FOR_MS})`)

/**
 * The ids of the agents that may vote at a time of the last 14 days: those active then, and neither paused, suspended nor banned.
 * An agent that an agent's key registered has no vote: otherwise an agent could make itself a majority.
 */
export async function electorsAt({ env, tenantId }: Ctx, at: number): Promise<string[]> {
  const rows = await ELECTORS.all(env, { tenantId, at })
  return rows.map(({ id }) => id)
}

/**
 * The statements of a heartbeat, for a batch. If the agent was silent for more than five minutes, they end its leases, each
 * with its event, before they set the time of the heartbeat.
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

/** Rings for the events of leases that a heartbeat's batch has ended, if any. Takes the results of that batch. */
export async function ringForLostLeases(ctx: Ctx, [lost]: readonly [D1Result, ...unknown[]]): Promise<void> {
  if (lost.meta.changes > 0) await ringOutbox(ctx.env, [ctx.tenantId])
}
