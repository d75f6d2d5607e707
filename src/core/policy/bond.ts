/** SQL that is 1 where the tenant that this expression names has a posted bond, and 0 where not. */
export const hasBond = (tenant: string) =>
  `EXISTS (SELECT 1 FROM bonds b WHERE b.tenant_id = ${tenant} AND b.status = 'posted')`
