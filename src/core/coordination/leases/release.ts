import { and, eq, sql } from 'drizzle-orm'
import { leaseEvents, leases } from '../../../schema/coordination.ts'
import { speakingAgent } from '../../accounts/agents/acting.ts'
import { type Ctx, mustHoldSomewhere } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { newId } from '../../ground/ids.ts'
import { fragment } from '../../ground/sql.ts'
import { ringOutbox } from '../../journal/bells.ts'
import { isLive } from '../../policy/live-lease.ts'
import { leaseObject } from './lease.ts'
import { emitted } from './mirror.ts'

/** Releases a lease. Returns false if it is over already. Throws `not_found` for an id that the tenant never had. */
export async function releaseLease(ctx: Ctx, id: string): Promise<boolean> {
  mustHoldSomewhere(ctx, 'send')
  const [lease] = await ctx.db
    .select()
    .from(leases)
    .where(and(eq(leases.tenantId, ctx.tenantId), eq(leases.id, id)))
  if (!lease) {
    const [past] = await ctx.db
      .select({ id: leaseEvents.id })
      .from(leaseEvents)
      .where(and(eq(leaseEvents.tenantId, ctx.tenantId), eq(leaseEvents.leaseId, id)))
      .limit(1)
    if (past) return false
    throw new Fault('not_found', 'No such lease. GET /v1/agent/coordination/leases lists the live ones.')
  }
  await speakingAgent(ctx, { id: lease.agentId, name: null })
  const isIt = and(
    eq(leases.tenantId, ctx.tenantId),
    eq(leases.contact, lease.contact),
    eq(leases.id, id),
    fragment(isLive('leases'), { now: ctx.now.getTime() }),
  )
  // A renewal that was asked for later may have been written earlier. The history must end after it.
  const endedAt = sql`(SELECT max(${ctx.now.getTime()}, max(e.at)) FROM lease_events e
    WHERE e.tenant_id = ${ctx.tenantId} AND e.lease_id = ${id} AND e.kind <> 'refused')`
  const ended = newId('lev', ctx.now)
  const [, released] = await ctx.db.batch([
    ctx.db.insert(leaseEvents).select(sql`
      SELECT tenant_id, contact, ${ended}, 'released', ${endedAt}, id, epoch, agent_id, agent_id,
        expires_at FROM ${leases} WHERE ${isIt}`),
    ctx.db.update(leases).set({ endedAt }).where(isIt).returning({ epoch: leases.epoch }),
    emitted(ctx, lease.contact, [ended]),
  ])
  const [over] = released
  if (!over) return false
  await leaseObject(ctx, lease.contact).end(over.epoch)
  await ringOutbox(ctx.env, [ctx.tenantId])
  return true
}
