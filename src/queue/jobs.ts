import { attendSends } from '../core/send/attend.ts'
import type { Env, SendBell } from '../env.ts'

/** Decide what waits for a decision, tenant by tenant. */
export async function attend(env: Env, bells: SendBell[]): Promise<PromiseSettledResult<unknown>[]> {
  const byTenant = Map.groupBy(bells, (bell) => bell.tenantId)
  const attended = new Map(
    [...byTenant].map(([tenantId, theirs]) => {
      const sendIds = theirs.map((bell) => bell.sendId)
      return [tenantId, attendSends(env, new Date(), tenantId, sendIds)]
    }),
  )
  return await Promise.allSettled(bells.map((bell) => attended.get(bell.tenantId)))
}
