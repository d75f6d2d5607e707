import { waitUntil } from 'cloudflare:workers'
import type { Env } from '../../../env.ts'
import { tellFailure } from '../../ground/log.ts'
import type { WebhookBell } from '../../journal/bells.ts'
import { attemptDelivery } from './attempt.ts'
import { type Locked, lockDeliveries } from './lock.ts'

/**
 * Begins the attempts of the deliveries that are due, side by side, and does not wait for their answers: a slow endpoint
 * must not delay the others. If an attempt cannot record its answer, its lock runs out and the delivery is tried again.
 */
export async function deliverWebhooks(env: Env, bells: WebhookBell[], clock: () => Date): Promise<void> {
  for (const locked of await lockDeliveries(env, bells, clock())) waitUntil(attempt(env, locked, clock))
}

async function attempt(env: Env, locked: Locked, clock: () => Date): Promise<void> {
  const { tenantId, id: deliveryId } = locked
  try {
    await attemptDelivery(env, locked, { clock })
  } catch (error) {
    tellFailure('webhook_attempt_failed', error, { tenantId, deliveryId })
  }
}
