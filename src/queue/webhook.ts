import type { WebhookBell } from '../core/journal/bells.ts'
import { deliverWebhooks } from '../core/publishing/webhooks/deliver.ts'
import type { Env } from '../env.ts'

/** Begins the attempts of the deliveries that are due. */
export async function webhook(env: Env, bells: WebhookBell[]): Promise<PromiseSettledResult<unknown>[]> {
  const begun = deliverWebhooks(env, bells, () => new Date())
  return await Promise.allSettled(bells.map(() => begun))
}
