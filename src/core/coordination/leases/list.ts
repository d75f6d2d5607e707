import { and, desc, eq, gt, lt, sql } from 'drizzle-orm'
import { leaseEvents, leases } from '../../../schema/coordination.ts'
import { mustBeAddress } from '../../ground/address.ts'
import { type Ctx, mustHoldSomewhere } from '../../ground/ctx.ts'
import { fragment } from '../../ground/sql.ts'
import { isLive } from '../../policy/live-lease.ts'
import type { Lease } from './lease.ts'

export type LeaseEvent = typeof leaseEvents.$inferSelect & {
  agentName: string | null
  holderName: string | null
}

/** The live leases by contact. `before` is the last contact of the page before. */
export async function listLeases(
  ctx: Ctx,
  page: { before?: string | undefined; limit: number },
): Promise<Lease[]> {
  mustHoldSomewhere(ctx, 'read')
  return await ctx.db
    .select()
    .from(leases)
    .where(
      and(
        eq(leases.tenantId, ctx.tenantId),
        fragment(isLive('leases'), { now: ctx.now.getTime() }),
        page.before ? gt(leases.contact, page.before) : undefined,
      ),
    )
    .orderBy(leases.contact)
    .limit(page.limit)
}

/** What happened to the leases of one contact, newest first. */
export async function leaseHistory(
  ctx: Ctx,
  contactEmail: string,
  page: { before?: string | undefined; limit: number },
): Promise<LeaseEvent[]> {
  mustHoldSomewhere(ctx, 'read')
  const { contact } = mustBeAddress(contactEmail, 'contactEmail')
  const nameOf = (id: typeof leaseEvents.agentId | typeof leaseEvents.holderId) =>
    sql<
      string | null
    >`(SELECT a.name FROM agents a WHERE a.tenant_id = ${leaseEvents.tenantId} AND a.id = ${id})`
  const rows = await ctx.db
    .select({
      event: leaseEvents,
      agentName: nameOf(leaseEvents.agentId),
      holderName: nameOf(leaseEvents.holderId),
    })
    .from(leaseEvents)
    .where(
      and(
        eq(leaseEvents.tenantId, ctx.tenantId),
        eq(leaseEvents.contact, contact),
        page.before ? lt(leaseEvents.id, page.before) : undefined,
      ),
    )
    .orderBy(desc(leaseEvents.id))
    .limit(page.limit)
  return rows.map(({ event: row, agentName, holderName }) => ({ ...row, agentName, holderName }))
}
