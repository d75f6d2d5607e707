import { recheckDomain } from '../core/accounts/domains/verify.ts'
import { followUp } from '../core/arrivals/follow-up.ts'
import { takeIn } from '../core/arrivals/take-in.ts'
import { linkEntries } from '../core/governance/audit/link.ts'
import { buildArchive } from '../core/governance/compliance/archive.ts'
import { eraseSome } from '../core/governance/compliance/erasing.ts'
import type {
  ArchiveBell,
  ArrivalBell,
  AuditBell,
  DomainBell,
  ErasureBell,
  OutboxBell,
  SendBell,
} from '../core/journal/bells.ts'
import { publish } from '../core/publishing/publish.ts'
import { attendSends } from '../core/sending/attend.ts'
import type { Env } from '../env.ts'

type Settled = Promise<PromiseSettledResult<unknown>[]>

/** Decides the sends that wait for a decision. */
export const decideSends = (env: Env, bells: SendBell[]): Settled =>
  oncePerTenant(bells, (tenantId, some) => {
    const sendIds = some.map(({ sendId }) => sendId)
    return attendSends(env, new Date(), tenantId, sendIds)
  })

export const publishEvents = (env: Env, bells: OutboxBell[]): Settled =>
  oncePerTenant(bells, (tenantId) => publish(env, new Date(), tenantId, followUp))

export const readArrivals = (env: Env, bells: ArrivalBell[]): Settled =>
  each(bells, (bell) => takeIn(env, bell, new Date()))

export const checkDomains = (env: Env, bells: DomainBell[]): Settled =>
  each(bells, (bell) => recheckDomain(env, bell, new Date()))

export const eraseTenants = (env: Env, bells: ErasureBell[]): Settled =>
  each(bells, ({ tenantId }) => eraseSome(env, tenantId, () => new Date()))

export const buildArchives = (env: Env, bells: ArchiveBell[]): Settled =>
  each(bells, (bell) => buildArchive(env, bell, () => new Date()))

export const chainAudits = (env: Env, bells: AuditBell[]): Settled =>
  each(bells, ({ tenantId }) => linkEntries(env, new Date(), tenantId))

async function each<Bell>(bells: Bell[], work: (bell: Bell) => Promise<unknown>): Settled {
  return await Promise.allSettled(bells.map(work))
}

/** Works once for each tenant; all bells of the tenant get that result. */
async function oncePerTenant<Bell extends { tenantId: string }>(
  bells: Bell[],
  work: (tenantId: string, bells: Bell[]) => Promise<unknown>,
): Settled {
  const byTenant = Map.groupBy(bells, ({ tenantId }) => tenantId)
  const works = new Map([...byTenant].map(([tenantId, some]) => [tenantId, work(tenantId, some)]))
  return await Promise.allSettled(bells.map(({ tenantId }) => works.get(tenantId)))
}
