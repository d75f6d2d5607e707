import type { Env } from '../../../env.ts'
import { statement } from '../../ground/sql.ts'
import { ringJobs } from '../../journal/bells.ts'

/** Tenants that one sweep rings for. */
const AT_ONCE = 500

const findTenants = statement<{ tenant_id: string }>(
  `SELECT DISTINCT tenant_id FROM audit_entries WHERE hash IS NULL LIMIT ${AT_ONCE}`,
)

/** Rings for every tenant with audit entries that are not linked yet. Returns the number of bells. */
export async function sweepAudit(env: Env): Promise<number> {
  const found = await findTenants.all(env, {})
  await ringJobs(
    env,
    found.map(({ tenant_id }) => ({ tenantId: tenant_id, audit: true })),
  )
  return found.length
}
