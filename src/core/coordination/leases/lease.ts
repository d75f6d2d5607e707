import type { leases } from '../../../schema/coordination.ts'
import type { Ctx } from '../../ground/ctx.ts'
import { fragment } from '../../ground/sql.ts'
import { ACTIVE, LIVE_LEASE } from '../../policy/live-lease.ts'

export type Lease = typeof leases.$inferSelect

/** SQL: the agent that holds this row of `leases` is active. */
export function isHolderActive(now: Date) {
  return fragment(
    `EXISTS (SELECT 1 FROM agents a WHERE a.tenant_id = leases.tenant_id AND a.id = leases.agent_id AND ${ACTIVE})`,
    { now: now.getTime() },
  )
}

/** SQL: this row of `leases` is live. */
export function isLive(now: Date) {
  return fragment(
    `EXISTS (SELECT 1 FROM leases l JOIN agents a ON a.tenant_id = l.tenant_id AND a.id = l.agent_id
      WHERE l.tenant_id = leases.tenant_id AND l.contact = leases.contact AND ${LIVE_LEASE})`,
    { now: now.getTime() },
  )
}

/** The object of one contact. The length in its name keeps two pairs of tenant and contact from sharing one name. */
export function leaseObject(ctx: Pick<Ctx, 'env' | 'tenantId'>, contact: string) {
  const namespace = ctx.env.CONTACT_LEASE
  return namespace.get(namespace.idFromName(`${ctx.tenantId.length}:${ctx.tenantId}:${contact}`))
}
