import { cloudflareEvents } from '../carriers/events/cloudflare.ts'
import { recordReports } from '../core/signals/reports.ts'
import type { Env } from '../env.ts'

/** Counts the events of Cloudflare's own sending. They come by a queue that only Cloudflare writes to. */
export async function record(
  env: Env,
  bodies: Record<string, unknown>[],
): Promise<PromiseSettledResult<unknown>[]> {
  return await Promise.allSettled(
    bodies.map((body) => recordReports(env, cloudflareEvents(body), new Date())),
  )
}
