import type { Env } from '../../../env.ts'
import { statement } from '../../ground/sql.ts'
import { ringDeliveries } from '../../journal/webhook-bells.ts'

/** How old a bell must be before it counts as lost, in ms. Ringing for everything that is due would only feed a backlog. */
const LOST_AFTER_MS = 10_000
/** How many deliveries one sweep rings for, in all and for one webhook. */
const AT_ONCE = 500
const OF_ONE_WEBHOOK = 50
/** For how many webhooks one sweep releases waiting deliveries, and how many deliveries to switched-off webhooks it ends. */
const WEBHOOKS_AT_ONCE = 500
const ENDED_AT_ONCE = 500
/**
 * How long deliveries wait for an attempt to release them before the sweep releases one, in ms, and at most twice as long. A
 * trigger of the database has the same number.
 */
const RELEASED_AFTER_MS = 60_000

type Found = { tenant_id: string; id: string }

/** Due deliveries, but only some of each webhook, so that one with a backlog does not keep the others waiting. */
const DUE = statement<Found>(`
  SELECT tenant_id, id FROM (
    SELECT tenant_id, id, next_at, row_number() OVER (PARTITION BY tenant_id, webhook_id ORDER BY next_at) AS place
    FROM webhook_deliveries WHERE next_at IS NOT NULL AND next_at <= :before)
  WHERE place <= ${OF_ONE_WEBHOOK} ORDER BY next_at LIMIT ${AT_ONCE}`)

const HELD_UP = `
  SELECT tenant_id, id, is_active FROM webhooks INDEXED BY webhooks_held_up
  WHERE release_at IS NOT NULL AND release_at <= :now ORDER BY release_at, tenant_id, id LIMIT ${WEBHOOKS_AT_ONCE}`

const END = statement(`
  UPDATE webhook_deliveries SET state = 'dead', error = 'webhook_disabled', is_waiting = 0, updated_at = :now
  WHERE (tenant_id, id) IN (
    SELECT d.tenant_id, d.id FROM (${HELD_UP}) o
    CROSS JOIN webhook_deliveries d INDEXED BY webhook_deliveries_waiting
      ON d.tenant_id = o.tenant_id AND d.webhook_id = o.id AND d.is_waiting = 1
    WHERE o.is_active = 0 LIMIT ${ENDED_AT_ONCE})`)

const firstWaiting = (webhook: string) => `(
  SELECT min(d.id) FROM webhook_deliveries d INDEXED BY webhook_deliveries_waiting
  WHERE d.tenant_id = ${webhook}.tenant_id AND d.webhook_id = ${webhook}.id AND d.is_waiting = 1)`

/** One delivery is enough: its attempt releases the next ones, or the next sweep does. */
const RELEASE = statement<Found>(`
  UPDATE webhook_deliveries SET is_waiting = 0, next_at = :now
  WHERE (tenant_id, id) IN (SELECT o.tenant_id, ${firstWaiting('o')} FROM (${HELD_UP}) o WHERE o.is_active = 1)
  RETURNING tenant_id, id`)

/** A switched-off webhook is due again in the next sweep until no delivery waits for it. */
const PUT_OFF = statement(`
  UPDATE webhooks AS w SET release_at = CASE WHEN ${firstWaiting('w')} IS NULL THEN NULL
    WHEN w.is_active = 1 THEN :now + ${RELEASED_AFTER_MS} + abs(random() % ${RELEASED_AFTER_MS}) ELSE w.release_at END
  WHERE (w.tenant_id, w.id) IN (SELECT h.tenant_id, h.id FROM (${HELD_UP}) h)`)

/**
 * Rings again for deliveries that should have been attempted by now. Releases one waiting delivery of each webhook where some
 * have waited for long, and ends those of switched-off webhooks. Returns how many bells it rang.
 */
export async function sweepWebhooks(env: Env, now: Date): Promise<number> {
  const at = now.getTime()
  const [due, , released] = await env.DB.batch([
    DUE.bind(env, { before: at - LOST_AFTER_MS }),
    ...[END, RELEASE, PUT_OFF].map((change) => change.bind(env, { now: at })),
  ])
  const bells = [...DUE.rows(due), ...RELEASE.rows(released)].map(({ tenant_id, id }) => ({
    tenantId: tenant_id,
    deliveryId: id,
  }))
  await ringDeliveries(env, bells)
  return bells.length
}
