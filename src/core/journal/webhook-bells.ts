import type { Env } from '../../env.ts'
import { tellFailure } from '../ground/log.ts'
import type { WebhookBell } from './bells.ts'

/** A bell and its delay in ms. The delay is only a hint: the time that counts is in the row. */
type DeliveryBell = WebhookBell & { afterMs?: number }

/** A queue takes at most this many messages in one call. */
const AT_ONCE = 100
/** The longest delay that a queue accepts, in ms. The sweep rings for anything later. */
const DELAY_AT_MOST_MS = 43_200_000

/** Ring for deliveries that are due now or later. A lost bell loses nothing: the sweep rings again. */
export async function ringDeliveries(env: Env, bells: DeliveryBell[]): Promise<void> {
  const messages = bells
    .filter(({ afterMs = 0 }) => afterMs <= DELAY_AT_MOST_MS)
    .map(({ tenantId, deliveryId, afterMs = 0 }) => ({
      body: { tenantId, deliveryId },
      ...(afterMs > 0 ? { delaySeconds: Math.ceil(afterMs / 1000) } : {}),
    }))
  const calls: Promise<unknown>[] = []
  for (let from = 0; from < messages.length; from += AT_ONCE) {
    calls.push(env.WEBHOOK.sendBatch(messages.slice(from, from + AT_ONCE)))
  }
  try {
    await Promise.all(calls)
  } catch (error) {
    tellFailure('bell_failed', error, { queue: 'webhook', count: messages.length }, 'warn')
  }
}
