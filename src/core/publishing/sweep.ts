import type { Env } from '../../env.ts'
import { ringOutbox } from '../journal/bells.ts'

/** How long events are kept, with their deliveries and attempts, in ms. */
const KEPT_MS = 30 * 86_400_000
/** How long a bell may be under way before it counts as lost, in ms: to ring for all that is due would only feed a backlog. */
const LOST_AFTER_MS = 10_000
/** Tenants that one sweep rings for, and events that it forgets. */
const TENANTS_AT_ONCE = 500
const FORGOTTEN_AT_ONCE = 500

const OUTBOXES = `
  SELECT DISTINCT tenant_id FROM events WHERE next_at IS NOT NULL AND next_at <= ?1 LIMIT ${TENANTS_AT_ONCE}`

const OLD = `SELECT tenant_id, id FROM events WHERE created_at < ?1 ORDER BY created_at LIMIT ${FORGOTTEN_AT_ONCE}`

const OLD_DELIVERIES = `
  SELECT d.tenant_id, d.id FROM (${OLD}) o CROSS JOIN webhooks w ON w.tenant_id = o.tenant_id
  CROSS JOIN webhook_deliveries d ON d.tenant_id = w.tenant_id AND d.webhook_id = w.id AND d.event_id = o.id`

const FORGET = [
  `DELETE FROM webhook_attempts WHERE (tenant_id, delivery_id) IN (${OLD_DELIVERIES})`,
  `DELETE FROM webhook_deliveries WHERE (tenant_id, id) IN (${OLD_DELIVERIES})`,
  `DELETE FROM events WHERE (tenant_id, id) IN (${OLD})`,
]

/** Rings again for events whose time has come and gone, and forgets what is older than 30 days. Returns how many bells. */
export async function sweepEvents(env: Env, now: Date): Promise<number> {
  const [outboxes] = await env.DB.batch<{ tenant_id: string }>([
    env.DB.prepare(OUTBOXES).bind(now.getTime() - LOST_AFTER_MS),
    ...FORGET.map((statement) => env.DB.prepare(statement).bind(now.getTime() - KEPT_MS)),
  ])
  const tenantIds = (outboxes?.results ?? []).map((row) => row.tenant_id)
  await ringOutbox(env, tenantIds)
  return tenantIds.length
}
