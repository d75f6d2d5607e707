import { recheckDomain } from '../core/accounts/domains/verify.ts'
import { takeIn } from '../core/arrivals/arrivals.ts'
import { linkEntries } from '../core/governance/audit/link.ts'
import { buildArchive } from '../core/governance/compliance/archive.ts'
import { eraseSome } from '../core/governance/compliance/erasing.ts'
import type { JobBell } from '../core/journal/bells.ts'
import { publish } from '../core/publishing/publish.ts'
import { attendSends } from '../core/sending/attend.ts'
import type { Env } from '../env.ts'

/** Decide what waits for a decision, tenant by tenant, take in what has arrived, publish what has happened, chain audit logs, look domains up. */
export async function attend(env: Env, bells: JobBell[]): Promise<PromiseSettledResult<unknown>[]> {
  const byTenant = Map.groupBy(
    bells.filter((bell) => 'sendId' in bell),
    (bell) => bell.tenantId,
  )
  const decided = new Map(
    [...byTenant].map(([tenantId, theirs]) => {
      const sendIds = theirs.map((bell) => bell.sendId)
      return [tenantId, attendSends(env, new Date(), tenantId, sendIds)]
    }),
  )
  const waiting = new Set(bells.filter((bell) => 'outbox' in bell).map((bell) => bell.tenantId))
  const published = new Map([...waiting].map((tenantId) => [tenantId, publish(env, new Date(), tenantId)]))
  return await Promise.allSettled(
    bells.map((bell) => {
      if ('sendId' in bell) return decided.get(bell.tenantId)
      if ('domainId' in bell) return recheckDomain(env, bell, new Date())
      if ('erasure' in bell) return eraseSome(env, bell.tenantId, () => new Date())
      if ('archiveId' in bell) return buildArchive(env, bell, () => new Date())
      if ('audit' in bell) return linkEntries(env, new Date(), bell.tenantId)
      return 'outbox' in bell ? published.get(bell.tenantId) : takeIn(env, bell, new Date())
    }),
  )
}
