import { lte } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { archives, erasures } from '../../../schema/governance.ts'
import { database } from '../../ground/ctx.ts'
import { ringJobs } from '../../journal/bells.ts'

const AT_ONCE = 100

/** Rings for every erasure and archive that is due. Returns the number of bells. */
export async function sweepCompliance(env: Env, now: Date): Promise<number> {
  const db = database(env)
  const [erasing, building] = await db.batch([
    db.select({ tenantId: erasures.tenantId }).from(erasures).where(lte(erasures.nextAt, now)).limit(AT_ONCE),
    db
      .select({ tenantId: archives.tenantId, archiveId: archives.id })
      .from(archives)
      .where(lte(archives.nextAt, now))
      .limit(AT_ONCE),
  ])
  await ringJobs(env, [...erasing.map(({ tenantId }) => ({ tenantId, erasure: true as const })), ...building])
  return erasing.length + building.length
}
