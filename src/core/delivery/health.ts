import type { Env } from '../../env.ts'
import type { CarrierName, Outcome } from './carrier.ts'

/** Carriers that write to our own database: they have no health of their own. */
const OWN: CarrierName[] = ['capture', 'internal']

/** Whether we count the outcomes of a carrier, and pause its calls while it fails. */
export function isWatched(name: CarrierName): boolean {
  return !OWN.includes(name)
}

/** Which of these carriers may be asked now. If there is only one, it may always be asked. */
export async function healthyOf(env: Env, names: CarrierName[], now: Date): Promise<Set<CarrierName>> {
  const permitted = await Promise.all(
    names.map((name) => !isWatched(name) || names.length === 1 || health(env, name).permit(now.getTime())),
  )
  return new Set(names.filter((_, position) => permitted[position]))
}

/** Counts the outcome of a call. A refusal of the message or of a recipient does not count against the carrier. */
export async function reportHealth(env: Env, name: CarrierName, { kind }: Outcome, now: Date): Promise<void> {
  if (!isWatched(name)) return
  await health(env, name).report(kind === 'accepted' || kind === 'refused_permanent', now.getTime())
}

function health(env: Env, name: CarrierName) {
  return env.CARRIER_HEALTH.get(env.CARRIER_HEALTH.idFromName(name))
}
