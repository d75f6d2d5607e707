/**
 * SQL: the person who claimed a tenant. Several people may have claimed it; as long as none has proved their address, the
 * newest claim is shown. The argument is SQL.
 */
export const claimantOf = (tenant: string) => `(
  SELECT o.id FROM owners o WHERE o.tenant_id = ${tenant} AND o.claimed_at IS NOT NULL
  ORDER BY o.verified_at IS NULL, o.id DESC LIMIT 1)`

/** SQL: an owner of the tenant has proved their address. */
export const isProved = (tenant: string) => `EXISTS (
  SELECT 1 FROM owners o WHERE o.tenant_id = ${tenant} AND o.role = 'owner' AND o.verified_at IS NOT NULL)`

/** SQL: somebody has claimed the tenant, and no owner has proved their address. Such a claim grants nothing. */
export const isUnproved = (tenant: string) => `(NOT ${isProved(tenant)} AND EXISTS (
  SELECT 1 FROM owners o WHERE o.tenant_id = ${tenant} AND o.claimed_at IS NOT NULL))`
