import { waitUntil } from 'cloudflare:workers'
import { tellFailure } from '../core/ground/log.ts'
import { attemptDelivery } from '../core/publishing/webhooks/attempt.ts'
import { type Claimed, claimDeliveries } from '../core/publishing/webhooks/claim.ts'
import type { Env, WebhookBell } from '../env.ts'

const clock = () => new Date()

/**
 * Take what is due and make its attempts side by side. The batch is over once they have begun: whoever is slow to answer
 * keeps nobody behind it waiting, and what an attempt cannot write down any more stands in its claim.
 */
export async function deliverWebhooks(
  env: Env,
  bells: WebhookBell[],
): Promise<PromiseSettledResult<unknown>[]> {
  const begun = claimDeliveries(env, bells, clock()).then((claimed) => {
    for (const each of claimed) waitUntil(attempt(env, each))
  })
  return await Promise.allSettled(bells.map(() => begun))
}

async function attempt(env: Env, claimed: Claimed): Promise<void> {
  const { tenantId, id: deliveryId } = claimed
  try {
    await attemptDelivery(env, claimed, { clock })
  } catch (error) {
    tellFailure('webhook_attempt_failed', error, { tenantId, deliveryId })
  }
}
