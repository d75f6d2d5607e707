import { waitUntil } from 'cloudflare:workers'
import { tellFailure } from '../core/ground/log.ts'
import type { WebhookBell } from '../core/journal/bells.ts'
import { attemptDelivery } from '../core/publishing/webhooks/attempt.ts'
import { type Locked, lockDeliveries } from '../core/publishing/webhooks/lock.ts'
import type { Env } from '../env.ts'

const clock = () => new Date()

/**
 * Take what is due and make its attempts side by side. The batch is over once they have begun: whoever is slow to answer
 * keeps nobody behind it waiting, and what an attempt cannot write down any more stands in its claim.
 */
export async function deliverWebhooks(
  env: Env,
  bells: WebhookBell[],
): Promise<PromiseSettledResult<unknown>[]> {
  const begun = lockDeliveries(env, bells, clock()).then((locked) => {
    for (const each of locked) waitUntil(attempt(env, each))
  })
  return await Promise.allSettled(bells.map(() => begun))
}

async function attempt(env: Env, locked: Locked): Promise<void> {
  const { tenantId, id: deliveryId } = locked
  try {
    await attemptDelivery(env, locked, { clock })
  } catch (error) {
    tellFailure('webhook_attempt_failed', error, { tenantId, deliveryId })
  }
}
