import { cloudflareEvents } from '../carriers/events/cloudflare.ts'
import { recordReports } from '../core/signals/reports.ts'
import type { Env } from '../env.ts'

/** Count what Cloudflare's own sending reports, which comes by a queue and needs no further proof. */
export async function record(
  env: Env,
  bodies: Record<string, unknown>[],
): Promise<PromiseSettledResult<unknown>[]> {
  return await Promise.allSettled(
    bodies.map((body) => recordReports(env, cloudflareEvents(body), new Date())),
  )
}
