import type { Env } from '../../env.ts'
import { statement } from '../ground/sql.ts'
import { ringOutbox } from '../journal/bells.ts'

/** How long events are kept, with their deliveries and attempts, in ms. */
const KEPT_MS = 30 * 86_400_000
/** How old a bell must be before it counts as lost, in ms. Ringing for everything that is due would only feed a backlog. */
const LOST_AFTER_MS = 10_000
/** How many tenants one sweep rings for, and how many events it deletes. */
const TENANTS_AT_ONCE = 500
const DELETED_AT_ONCE = 500

const OUTBOXES = statement<{ tenant_id: string }>(`
  SELECT DISTINCT tenant_id FROM events WHERE next_at IS NOT NULL AND next_at <= :before LIMIT ${TENANTS_AT_ONCE}`)

const OLD = `SELECT tenant_id, id FROM events WHERE created_at < :before ORDER BY created_at LIMIT ${DELETED_AT_ONCE}`

const OLD_DELIVERIES = `
  SELECT d.tenant_id, d.id FROM (${OLD}) o CROSS JOIN webhooks w ON w.tenant_id = o.tenant_id
  CROSS JOIN webhook_deliveries d ON d.tenant_id = w.tenant_id AND d.webhook_id = w.id AND d.event_id = o.id`

const DELETE_OLD = [
  statement(`DELETE FROM webhook_attempts WHERE (tenant_id, delivery_id) IN (${OLD_DELIVERIES})`),
  statement(`DELETE FROM webhook_deliveries WHERE (tenant_id, id) IN (${OLD_DELIVERIES})`),
  statement(`DELETE FROM events WHERE (tenant_id, id) IN (${OLD})`),
]

/** Rings again for events that should have been published by now, and deletes those older than 30 days. Returns how many bells it rang. */
export async function sweepEvents(env: Env, now: Date): Promise<number> {
  const [outboxes] = await env.DB.batch([
    OUTBOXES.bind(env, { before: now.getTime() - LOST_AFTER_MS }),
    ...DELETE_OLD.map((deletion) => deletion.bind(env, { before: now.getTime() - KEPT_MS })),
  ])
  const tenantIds = OUTBOXES.rows(outboxes).map((row) => row.tenant_id)
  await ringOutbox(env, tenantIds)
  return tenantIds.length
}
