/** SQL: 1 if the tenant has a posted bond, otherwise 0. `tenant` is the SQL expression of the tenant's id. */
export const hasBond = (tenant: string) =>
  `EXISTS (SELECT 1 FROM bonds b WHERE b.tenant_id = ${tenant} AND b.status = 'posted')`
