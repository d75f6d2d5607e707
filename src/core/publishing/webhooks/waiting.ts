import type { Env } from '../../../env.ts'
import { TOGETHER_AT_MOST, TRIED_ALONE_AFTER_MS } from './schedule.ts'

/*
 * A delivery whose webhook is full waits without a time of its own, however many wait before it, and costs nobody anything:
 * each attempt that ends releases the next ones, oldest first. That there is one to end follows from the webhook being full.
 * Where its consumer dies instead, the sweep releases one when the webhook's own time has come.
 */

/** SQL: attempts of webhook `w` that are under way. They have an index of their own, however much waits beside them. */
const underWay = (now: string) => `(
  SELECT count(*) FROM webhook_deliveries o INDEXED BY webhook_deliveries_locked
  WHERE o.tenant_id = w.tenant_id AND o.webhook_id = w.id AND o.lock_until > ${now})`

/** SQL: whether webhook `w` has done nothing but fail of late. */
const isFailing = (now: string) => `coalesce(w.failing_since <= ${now} - ${TRIED_ALONE_AFTER_MS}, 0)`

/** SQL: whether webhook `w` has as many attempts under way as it may have: one where it only fails, so that whoever hangs holds up itself. */
export const isFull = (now: string) => `${underWay(now)} >= iif(${isFailing(now)}, 1, ${TOGETHER_AT_MOST})`

/** SQL: lets as many deliveries of tenant ?1 and its webhook ?2 go as `count` says; they are due at ?3. */
const release = (count: string) => `
  UPDATE webhook_deliveries SET is_waiting = 0, next_at = ?3 WHERE (tenant_id, id) IN (
    SELECT o.tenant_id, o.id FROM webhook_deliveries o INDEXED BY webhook_deliveries_waiting
    WHERE o.tenant_id = ?1 AND o.webhook_id = ?2 AND o.is_waiting = 1 ORDER BY o.id LIMIT ${count})
  RETURNING id`

/** Two for each success while half of the room is free, so that one that answers again is soon given all that it can take. */
const RELEASE_NEXT = release(`coalesce((
  SELECT CASE WHEN ?6 AND ${underWay('?3')} * 2 <= ${TOGETHER_AT_MOST} THEN 2 WHEN ?6 OR NOT ${isFailing('?3')} THEN 1 ELSE 0 END
  FROM webhooks w JOIN webhook_deliveries d ON d.tenant_id = w.tenant_id AND d.webhook_id = w.id
  WHERE w.tenant_id = ?1 AND w.id = ?2 AND d.id = ?4 AND d.lock_token = ?5), 0)`)

const RELEASE_FIRST = release(String(TOGETHER_AT_MOST))

/** The statement that releases what may follow an attempt; for the batch that ends it, while the claim still stands. */
export function releaseNext(
  { DB }: Env,
  locked: { tenantId: string; webhookId: string; id: string; token: string },
  delivered: boolean,
  now: Date,
): D1PreparedStatement {
  const { tenantId, webhookId, id, token } = locked
  return DB.prepare(RELEASE_NEXT).bind(tenantId, webhookId, now.getTime(), id, token, delivered ? 1 : 0)
}

/** The statement that releases the first deliveries of a webhook for which many have just begun to wait. */
export function releaseFirst(
  { DB }: Env,
  tenantId: string,
  webhookId: string,
  now: Date,
): D1PreparedStatement {
  return DB.prepare(RELEASE_FIRST).bind(tenantId, webhookId, now.getTime())
}
