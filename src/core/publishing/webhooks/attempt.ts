import { sql } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { type Actor, database, prepared } from '../../ground/ctx.ts'
import { guardedPost, type Posted } from '../../ground/egress/post.ts'
import { statement } from '../../ground/sql.ts'
import { audited } from '../../journal/audit.ts'
import { ringOutbox } from '../../journal/bells.ts'
import { emit } from '../../journal/events.ts'
import { ringDeliveries } from '../../journal/webhook-bells.ts'
import type { Locked } from './lock.ts'
import { ATTEMPT_MS, FAILING_AT_MOST_MS, waitAfter } from './schedule.ts'
import { signatureHeaders } from './secret.ts'
import { RELEASE_NEXT } from './waiting.ts'

export type Attempted = { delivered: boolean; statusCode: number | null; error: string | null }

/** How much of a request and of its response is stored, in characters. */
const KEPT = 1_024

/**
 * Records an attempt, numbered over all replays, if the consumer still has the lock. The signature is not stored, although it
 * is no secret.
 */
const RECORD = statement(`
  INSERT INTO webhook_attempts (tenant_id, delivery_id, attempt, at, duration_ms, status_code, error, request, response)
  SELECT tenant_id, id, 1 + coalesce((SELECT max(a.attempt) FROM webhook_attempts a
    WHERE a.tenant_id = :tenantId AND a.delivery_id = :id), 0), :startedAt, :durationMs, :statusCode, :error, :request,
    :response
  FROM webhook_deliveries WHERE tenant_id = :tenantId AND id = :id AND lock_token = :token`)

/** SQL: the consumer still has the lock of the delivery. */
const IS_LOCKED = `EXISTS (
  SELECT 1 FROM webhook_deliveries d WHERE d.tenant_id = :tenantId AND d.id = :id AND d.lock_token = :token)`

const SUCCEED = statement(`
  UPDATE webhooks SET failing_since = NULL
  WHERE tenant_id = :tenantId AND id = :webhookId AND failing_since IS NOT NULL AND ${IS_LOCKED}`)

/** SQL: the webhook is gone, or has failed for so long that it is switched off. */
const IS_OVER = `(:gone OR failing_since <= :now - ${FAILING_AT_MOST_MS})`

const FAIL = statement(`
  UPDATE webhooks SET failing_since = coalesce(failing_since, :startedAt),
    is_active = iif(${IS_OVER}, 0, is_active),
    disabled_reason = CASE WHEN is_active = 0 THEN disabled_reason WHEN :gone THEN 'gone' WHEN ${IS_OVER} THEN 'failing' END,
    release_at = iif(${IS_OVER}, :now, release_at)
  WHERE tenant_id = :tenantId AND id = :webhookId AND ${IS_LOCKED}`)

const SETTLE = statement(`
  UPDATE webhook_deliveries SET state = :state, status_code = :statusCode, error = :error, next_at = :nextAt, is_waiting = 0,
    lock_token = NULL, lock_until = NULL, updated_at = :now
  WHERE tenant_id = :tenantId AND id = :id AND lock_token = :token`)

/**
 * Makes one attempt of a locked delivery and records its outcome. Any 2xx means delivered. After any other outcome the next
 * attempt follows by the schedule, and after the last one the delivery is dead. A 410, and five days of failures only, switch
 * the webhook off. Deliveries that waited for this attempt are released.
 */
export async function attemptDelivery(
  env: Env,
  locked: Locked,
  { clock, random = Math.random }: { clock: () => Date; random?: () => number },
): Promise<Attempted> {
  const { tenantId, id, token, payload, eventType } = locked
  const startedAt = clock()
  const begun = Date.now()
  const posted = await guardedPost(env, locked.url, {
    headers: {
      'content-type': 'application/json',
      'user-agent': 'Moltpost',
      ...signatureHeaders(locked, locked.eventId, startedAt, payload),
    },
    body: payload,
    timeoutMs: ATTEMPT_MS,
  })
  const durationMs = Date.now() - begun
  const outcome = outcomeOf(posted)
  const { delivered, statusCode, error } = outcome
  const now = clock()
  // A test reports its outcome at once and is not repeated.
  const isLast = delivered || isGone(outcome) || eventType === 'ping'
  const wait = isLast ? null : waitAfter(locked.attempts, random())
  const state = delivered ? 'delivered' : wait === null ? 'dead' : 'pending'
  const hold = { tenantId, id, token }
  const [, released, emitted] = await env.DB.batch([
    RECORD.bind(env, {
      ...hold,
      startedAt: startedAt.getTime(),
      durationMs,
      statusCode,
      error,
      request: payload.slice(0, KEPT),
      response: posted.kind === 'answered' ? posted.body.slice(0, KEPT) : null,
    }),
    RELEASE_NEXT.bind(env, {
      ...hold,
      webhookId: locked.webhookId,
      now: now.getTime(),
      delivered: delivered ? 1 : 0,
    }),
    ...effectOnWebhook(env, locked, outcome, startedAt, now),
    SETTLE.bind(env, {
      ...hold,
      state,
      statusCode,
      error,
      nextAt: wait === null ? null : now.getTime() + wait,
      now: now.getTime(),
    }),
  ])
  await ringDeliveries(env, [
    ...RELEASE_NEXT.rows(released).map((row) => ({ tenantId, deliveryId: row.id })),
    ...(wait === null ? [] : [{ tenantId, deliveryId: id, afterMs: wait }]),
  ])
  if (!delivered && (emitted?.meta.changes ?? 0) > 0) await ringOutbox(env, [tenantId])
  return outcome
}

/** The actor in the audit log that switches off a webhook. */
const DELIVERY: Actor = { kind: 'system', name: 'webhook-delivery' }

/**
 * The statements that apply an attempt's outcome to the webhook. After a failure that switches it off, the first one writes the
 * event of that. A failed test changes nothing, unless the endpoint is gone.
 */
function effectOnWebhook(
  env: Env,
  { tenantId, id, token, webhookId, eventType }: Locked,
  outcome: Attempted,
  startedAt: Date,
  now: Date,
): D1PreparedStatement[] {
  const hold = { tenantId, id, token, webhookId }
  if (outcome.delivered) return [SUCCEED.bind(env, hold)]
  if (eventType === 'ping' && !isGone(outcome)) return []
  const isOver = sql`EXISTS (
    SELECT 1 FROM webhooks w JOIN webhook_deliveries d ON d.tenant_id = w.tenant_id AND d.webhook_id = w.id
    WHERE w.tenant_id = ${tenantId} AND w.id = ${webhookId} AND w.is_active = 1
      AND d.id = ${id} AND d.lock_token = ${token}
      AND (${isGone(outcome) ? 1 : 0} OR w.failing_since <= ${now.getTime() - FAILING_AT_MOST_MS}))`
  const db = database(env)
  const reason = isGone(outcome) ? 'gone' : 'failing'
  const told = [
    emit(
      db,
      now,
      sql`SELECT w.tenant_id, 'webhook.disabled' AS type, NULL AS mailbox_id, w.agent_id, 0 AS position,
        json_object('webhookId', w.id, 'reason', ${reason}) AS refs
      FROM webhooks w WHERE w.tenant_id = ${tenantId} AND w.id = ${webhookId} AND ${isOver}`,
    ),
    ...audited(
      { db, now, tenantId, actor: DELIVERY },
      [{ action: 'webhook.disabled', target: webhookId }],
      isOver,
    ),
  ]
  return [
    ...told.map((query) => prepared(env, query)),
    FAIL.bind(env, {
      ...hold,
      startedAt: startedAt.getTime(),
      now: now.getTime(),
      gone: isGone(outcome) ? 1 : 0,
    }),
  ]
}

function isGone({ statusCode }: Attempted): boolean {
  return statusCode === 410
}

function outcomeOf(posted: Posted): Attempted {
  switch (posted.kind) {
    case 'answered': {
      const delivered = posted.status >= 200 && posted.status < 300
      return { delivered, statusCode: posted.status, error: delivered ? null : `http_${posted.status}` }
    }
    case 'refused':
      return { delivered: false, statusCode: null, error: `egress_refused: ${posted.reason}` }
    case 'failed':
      return { delivered: false, statusCode: null, error: posted.reason }
  }
}
