/**
 * SQL that is 1 where the tenant that this expression names has a posted bond, and 0 where not. A bond of the local ledger
 * holds no money, so it counts only where `:isLocal` is 1.
 */
export const hasBond = (tenant: string) =>
  `EXISTS (SELECT 1 FROM bonds b WHERE b.tenant_id = ${tenant} AND b.status = 'posted' AND (b.provider <> 'local' OR :isLocal))`
