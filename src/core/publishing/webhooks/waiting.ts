import { statement } from '../../ground/sql.ts'
import { CONCURRENT_AT_MOST, FAILING_AFTER_MS } from './schedule.ts'

/*
 * A webhook is full while it has as many attempts under way as it may have. A delivery to a full webhook waits, and its
 * `next_at` is null, so that no sweep reads it. When an attempt ends, it releases the next deliveries, oldest first. If the
 * consumer of the last attempt dies, nothing would release them. Therefore the sweep releases one at the webhook's
 * `release_at`.
 */

/** SQL: how many attempts of webhook `w` are under way at `:now`. A partial index keeps this fast. */
const UNDER_WAY = `(
  SELECT count(*) FROM webhook_deliveries o INDEXED BY webhook_deliveries_locked
  WHERE o.tenant_id = w.tenant_id AND o.webhook_id = w.id AND o.lock_until > :now)`

/** SQL: webhook `w` is failing: no attempt has succeeded for some time. */
const IS_FAILING = `coalesce(w.failing_since <= :now - ${FAILING_AFTER_MS}, 0)`

/**
 * SQL: webhook `w` is full. A failing webhook may have only one attempt under way, so that an endpoint that hangs does not
 * occupy the consumers.
 */
export const IS_FULL = `${UNDER_WAY} >= iif(${IS_FAILING}, 1, ${CONCURRENT_AT_MOST})`

/** SQL: makes `count` waiting deliveries of a webhook due at `:now`, oldest first. */
const release = (count: string) => `
  UPDATE webhook_deliveries SET is_waiting = 0, next_at = :now WHERE (tenant_id, id) IN (
    SELECT o.tenant_id, o.id FROM webhook_deliveries o INDEXED BY webhook_deliveries_waiting
    WHERE o.tenant_id = :tenantId AND o.webhook_id = :webhookId AND o.is_waiting = 1 ORDER BY o.id LIMIT ${count})
  RETURNING id`

/**
 * Releases the deliveries that may follow an attempt. Belongs in the batch that ends the attempt, before its lock is removed.
 * An attempt normally releases one delivery. A success releases two while at most half of the possible attempts are under
 * way, so that a webhook that works again soon gets all of them. A failed attempt of a failing webhook releases none.
 */
export const RELEASE_NEXT = statement<{ id: string }>(
  release(`coalesce((
  SELECT CASE WHEN :delivered AND ${UNDER_WAY} * 2 <= ${CONCURRENT_AT_MOST} THEN 2
    WHEN :delivered OR NOT ${IS_FAILING} THEN 1 ELSE 0 END
  FROM webhooks w JOIN webhook_deliveries d ON d.tenant_id = w.tenant_id AND d.webhook_id = w.id
  WHERE w.tenant_id = :tenantId AND w.id = :webhookId AND d.id = :id AND d.lock_token = :token), 0)`),
)

/** Releases as many waiting deliveries of a webhook as may be attempted at the same time. */
export const RELEASE_FIRST = statement<{ id: string }>(release(String(CONCURRENT_AT_MOST)))
