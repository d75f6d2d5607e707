import { attendSends } from '../core/send/attend.ts'
import type { Env, SendBell } from '../env.ts'

/** Decide what waits for a decision, tenant by tenant. */
export async function attend(env: Env, bells: SendBell[]): Promise<void> {
  const byTenant = Map.groupBy(bells, (bell) => bell.tenantId)
  await Promise.all(
    [...byTenant].map(([tenantId, theirs]) =>
      attendSends(
        env,
        new Date(),
        tenantId,
        theirs.map((bell) => bell.sendId),
      ),
    ),
  )
}
