import type { Env } from '../../env.ts'

/** The object that holds every window of a tenant. */
export function rateWindow({ env }: { env: Env }, tenantId: string) {
  return env.RATE_WINDOW.get(env.RATE_WINDOW.idFromName(tenantId))
}

/** Gives back the reservations of these sends. Sends without a reservation are ignored. */
export async function refund(
  at: { env: Env; now: Date },
  tenantId: string,
  sendIds: string[],
): Promise<void> {
  await rateWindow(at, tenantId).refund(sendIds, at.now.getTime())
}
