import type { leases } from '../../../schema/coordination.ts'
import type { Ctx } from '../../ground/ctx.ts'

export type Lease = typeof leases.$inferSelect

/** The object of one contact. The length in its name keeps two pairs of tenant and contact from sharing one name. */
export function leaseObject(ctx: Pick<Ctx, 'env' | 'tenantId'>, contact: string) {
  const namespace = ctx.env.CONTACT_LEASE
  return namespace.get(namespace.idFromName(`${ctx.tenantId.length}:${ctx.tenantId}:${contact}`))
}
