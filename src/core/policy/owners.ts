/**
 * SQL: the tenants of whom one of the owners of this tenant is an owner, too, itself included. The argument is an SQL
 * expression.
 */
export const tenantsOfOwner = (tenant: string) => `(
  SELECT ${tenant} AS tenant_id UNION SELECT theirs.tenant_id FROM owners ours
  CROSS JOIN owners theirs ON theirs.contact = ours.contact AND theirs.role = 'owner'
  WHERE ours.tenant_id = ${tenant} AND ours.role = 'owner')`

/** SQL, a query: the addresses of the people who claimed this tenant and have proved their address. */
export const provedClaimants = (tenant: string) => `SELECT o.contact FROM owners o
  WHERE o.tenant_id = ${tenant} AND o.claimed_at IS NOT NULL AND o.verified_at IS NOT NULL`

/** SQL: a person has proved to be the owner of this tenant. */
export const hasProvedOwner = (tenant: string) => `EXISTS (${provedClaimants(tenant)})`

/** SQL: the tenant with a mailbox that has this address, or NULL if it is not an address of ours. */
export const readerOf = (contact: string) => `coalesce(
  (SELECT b.tenant_id FROM mailboxes b WHERE b.contact = ${contact}),
  (SELECT y.tenant_id FROM aliases y WHERE y.contact = ${contact}))`
