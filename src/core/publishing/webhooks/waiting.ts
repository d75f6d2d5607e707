import { statement } from '../../ground/sql.ts'
import { TOGETHER_AT_MOST, TRIED_ALONE_AFTER_MS } from './schedule.ts'

/*
 * A delivery to a full webhook waits without a time of its own, so that any number of waiting deliveries costs nothing. Each
 * attempt that ends releases the next ones, oldest first. A full webhook always has an attempt that will end. If the consumer
 * of that attempt dies, the sweep releases one delivery when the webhook's `release_at` comes.
 */

/** SQL: how many attempts of webhook `w` are under way at `:now`. An index of their own keeps this fast. */
const UNDER_WAY = `(
  SELECT count(*) FROM webhook_deliveries o INDEXED BY webhook_deliveries_locked
  WHERE o.tenant_id = w.tenant_id AND o.webhook_id = w.id AND o.lock_until > :now)`

/** SQL: every attempt of webhook `w` has failed for some time. */
const IS_FAILING = `coalesce(w.failing_since <= :now - ${TRIED_ALONE_AFTER_MS}, 0)`

/**
 * SQL: webhook `w` has as many attempts under way as it may have. That is one for a webhook that keeps failing, so that an
 * endpoint that hangs does not occupy the consumers.
 */
export const IS_FULL = `${UNDER_WAY} >= iif(${IS_FAILING}, 1, ${TOGETHER_AT_MOST})`

/** SQL: makes `count` waiting deliveries of a webhook due at `:now`, oldest first. */
const release = (count: string) => `
  UPDATE webhook_deliveries SET is_waiting = 0, next_at = :now WHERE (tenant_id, id) IN (
    SELECT o.tenant_id, o.id FROM webhook_deliveries o INDEXED BY webhook_deliveries_waiting
    WHERE o.tenant_id = :tenantId AND o.webhook_id = :webhookId AND o.is_waiting = 1 ORDER BY o.id LIMIT ${count})
  RETURNING id`

/**
 * Releases what may follow an attempt, for the batch that ends it, before its lock is removed. After a success two follow
 * while at most half of the places are taken, so that a webhook that answers again soon has all of them in use.
 */
export const RELEASE_NEXT = statement<{ id: string }>(
  release(`coalesce((
  SELECT CASE WHEN :delivered AND ${UNDER_WAY} * 2 <= ${TOGETHER_AT_MOST} THEN 2
    WHEN :delivered OR NOT ${IS_FAILING} THEN 1 ELSE 0 END
  FROM webhooks w JOIN webhook_deliveries d ON d.tenant_id = w.tenant_id AND d.webhook_id = w.id
  WHERE w.tenant_id = :tenantId AND w.id = :webhookId AND d.id = :id AND d.lock_token = :token), 0)`),
)

/** Releases the first deliveries of a webhook, after many have been made to wait. */
export const RELEASE_FIRST = statement<{ id: string }>(release(String(TOGETHER_AT_MOST)))
