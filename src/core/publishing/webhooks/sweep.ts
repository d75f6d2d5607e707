import type { Env } from '../../../env.ts'
import { ringDeliveries } from '../../journal/webhook-bells.ts'

/** How long a bell may be under way before it counts as lost, in ms: to ring for all that is due would only feed a backlog. */
const LOST_AFTER_MS = 10_000
/** Deliveries, and deliveries of one webhook, that one sweep rings for. */
const AT_ONCE = 500
const OF_ONE_WEBHOOK = 50
/** Webhooks whose waiting deliveries one sweep looks after, and how many it ends of those that are switched off. */
const WEBHOOKS_AT_ONCE = 500
const ENDED_AT_ONCE = 500
/** How long the deliveries of a webhook wait for its attempts to release them before the sweep does, in ms, as the trigger says too; at most twice that. */
const RELEASED_AFTER_MS = 60_000

/** However many are due for one webhook, the others have their turn. */
const DUE = `
  SELECT tenant_id, id FROM (
    SELECT tenant_id, id, next_at, row_number() OVER (PARTITION BY tenant_id, webhook_id ORDER BY next_at) AS place
    FROM webhook_deliveries WHERE next_at IS NOT NULL AND next_at <= ?1)
  WHERE place <= ${OF_ONE_WEBHOOK} ORDER BY next_at LIMIT ${AT_ONCE}`

const HELD_UP = `
  SELECT tenant_id, id, is_active FROM webhooks INDEXED BY webhooks_held_up
  WHERE release_at IS NOT NULL AND release_at <= ?1 ORDER BY release_at, tenant_id, id LIMIT ${WEBHOOKS_AT_ONCE}`

const END = `
  UPDATE webhook_deliveries SET state = 'dead', error = 'webhook_disabled', is_waiting = 0, updated_at = ?1
  WHERE (tenant_id, id) IN (
    SELECT d.tenant_id, d.id FROM (${HELD_UP}) o
    CROSS JOIN webhook_deliveries d INDEXED BY webhook_deliveries_waiting
      ON d.tenant_id = o.tenant_id AND d.webhook_id = o.id AND d.is_waiting = 1
    WHERE o.is_active = 0 LIMIT ${ENDED_AT_ONCE})`

const firstWaiting = (webhook: string) => `(
  SELECT min(d.id) FROM webhook_deliveries d INDEXED BY webhook_deliveries_waiting
  WHERE d.tenant_id = ${webhook}.tenant_id AND d.webhook_id = ${webhook}.id AND d.is_waiting = 1)`

/** One is enough: whatever comes of it, the next follow it, or this comes round again. */
const RELEASE = `
  UPDATE webhook_deliveries SET is_waiting = 0, next_at = ?1
  WHERE (tenant_id, id) IN (SELECT o.tenant_id, ${firstWaiting('o')} FROM (${HELD_UP}) o WHERE o.is_active = 1)
  RETURNING tenant_id, id`

/** A webhook that is switched off comes up again until nothing waits for it. */
const PUT_OFF = `
  UPDATE webhooks AS w SET release_at = CASE WHEN ${firstWaiting('w')} IS NULL THEN NULL
    WHEN w.is_active = 1 THEN ?1 + ${RELEASED_AFTER_MS} + abs(random() % ${RELEASED_AFTER_MS}) ELSE w.release_at END
  WHERE (w.tenant_id, w.id) IN (SELECT h.tenant_id, h.id FROM (${HELD_UP}) h)`

/**
 * Rings again for deliveries whose time has come and gone, and looks after those that wait without a time: of each webhook
 * that has held some up for long it releases one, and ends those of one that is switched off. Returns how many bells it rang.
 */
export async function sweepWebhooks(env: Env, now: Date): Promise<number> {
  const at = now.getTime()
  const [due, , released] = await env.DB.batch<{ tenant_id: string; id: string }>([
    env.DB.prepare(DUE).bind(at - LOST_AFTER_MS),
    ...[END, RELEASE, PUT_OFF].map((statement) => env.DB.prepare(statement).bind(at)),
  ])
  const bells = [...(due?.results ?? []), ...(released?.results ?? [])].map(({ tenant_id, id }) => ({
    tenantId: tenant_id,
    deliveryId: id,
  }))
  await ringDeliveries(env, bells)
  return bells.length
}
