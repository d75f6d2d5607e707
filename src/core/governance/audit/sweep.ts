import type { Env } from '../../../env.ts'
import { ringJobs } from '../../journal/bells.ts'

/** Tenants that one sweep rings for. */
const AT_ONCE = 500

/** Rings for every tenant that has entries which are not chained yet. Returns how many bells. */
export async function sweepAudit(env: Env): Promise<number> {
  const { results } = await env.DB.prepare(
    `SELECT DISTINCT tenant_id FROM audit_entries WHERE hash IS NULL LIMIT ${AT_ONCE}`,
  ).all<{ tenant_id: string }>()
  await ringJobs(
    env,
    results.map(({ tenant_id }) => ({ tenantId: tenant_id, audit: true })),
  )
  return results.length
}
