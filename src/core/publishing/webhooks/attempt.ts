import { sql } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { type Actor, database, prepared } from '../../ground/ctx.ts'
import { guardedPost, type Posted } from '../../ground/egress/post.ts'
import { audited } from '../../journal/audit.ts'
import { ringOutbox } from '../../journal/bells.ts'
import { emit } from '../../journal/events.ts'
import { ringDeliveries } from '../../journal/webhook-bells.ts'
import type { Locked } from './lock.ts'
import { ATTEMPT_MS, FAILING_AT_MOST_MS, waitAfter } from './schedule.ts'
import { signatureHeaders } from './secret.ts'
import { releaseNext } from './waiting.ts'

export type Attempted = { delivered: boolean; statusCode: number | null; error: string | null }

/** What of a request and of its answer is kept, in characters. */
const KEPT = 1_024

/**
 * Numbered over all replays; nothing is written by whom the delivery was taken from meanwhile. A signature is no secret,
 * but not kept either.
 */
const ATTEMPT = `
  INSERT INTO webhook_attempts (tenant_id, delivery_id, attempt, at, duration_ms, status_code, error, request, response)
  SELECT tenant_id, id, 1 + coalesce((SELECT max(a.attempt) FROM webhook_attempts a
    WHERE a.tenant_id = ?1 AND a.delivery_id = ?2), 0), ?4, ?5, ?6, ?7, ?8, ?9
  FROM webhook_deliveries WHERE tenant_id = ?1 AND id = ?2 AND lock_token = ?3`

const isHeld = `EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.tenant_id = ?1 AND d.id = ?2 AND d.lock_token = ?3)`

const ANSWER = `
  UPDATE webhooks SET failing_since = NULL WHERE tenant_id = ?1 AND id = ?4 AND failing_since IS NOT NULL AND ${isHeld}`

const FAIL = `
  UPDATE webhooks SET failing_since = coalesce(failing_since, ?5),
    is_active = iif(?7 OR failing_since <= ?6 - ${FAILING_AT_MOST_MS}, 0, is_active),
    disabled_reason = CASE WHEN is_active = 0 THEN disabled_reason WHEN ?7 THEN 'gone'
      WHEN failing_since <= ?6 - ${FAILING_AT_MOST_MS} THEN 'failing' END,
    release_at = iif(?7 OR failing_since <= ?6 - ${FAILING_AT_MOST_MS}, ?6, release_at)
  WHERE tenant_id = ?1 AND id = ?4 AND ${isHeld}`

const SETTLE = `
  UPDATE webhook_deliveries SET state = ?4, status_code = ?5, error = ?6, next_at = ?7, is_waiting = 0,
    lock_token = NULL, lock_until = NULL, updated_at = ?8
  WHERE tenant_id = ?1 AND id = ?2 AND lock_token = ?3`

/**
 * Makes one attempt of a locked delivery and writes down what came of it: delivered by any 2xx, else tried again by the
 * plan, and dead after the last attempt. 410 switches the webhook off, and so do five days of nothing but failures. What
 * waited for the webhook follows.
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
  // A test says at once what came of it, and is not repeated.
  const isLast = delivered || isGone(outcome) || eventType === 'ping'
  const wait = isLast ? null : waitAfter(locked.attempts, random())
  const state = delivered ? 'delivered' : wait === null ? 'dead' : 'pending'
  const hold = [tenantId, id, token]
  const { DB } = env
  const judged = standing(env, locked, outcome, startedAt, now)
  const [, released, told] = await DB.batch<{ id: string }>([
    DB.prepare(ATTEMPT).bind(
      ...hold,
      startedAt.getTime(),
      durationMs,
      statusCode,
      error,
      payload.slice(0, KEPT),
      posted.kind === 'answered' ? posted.body.slice(0, KEPT) : null,
    ),
    releaseNext(env, locked, delivered, now),
    ...judged,
    DB.prepare(SETTLE).bind(
      ...hold,
      state,
      statusCode,
      error,
      wait === null ? null : now.getTime() + wait,
      now.getTime(),
    ),
  ])
  await ringDeliveries(env, [
    ...(released?.results ?? []).map((row) => ({ tenantId, deliveryId: row.id })),
    ...(wait === null ? [] : [{ tenantId, deliveryId: id, afterMs: wait }]),
  ])
  if (!delivered && (told?.meta.changes ?? 0) > 0) await ringOutbox(env, [tenantId])
  return outcome
}

/** Who switches off what cannot be delivered to. */
const DELIVERY: Actor = { kind: 'system', name: 'webhook-delivery' }

/**
 * What the attempt says of the webhook; where it failed, first the event of a webhook that is switched off by it. A test that
 * fails says nothing, unless that it is gone.
 */
function standing(
  env: Env,
  { tenantId, id, token, webhookId, eventType }: Locked,
  outcome: Attempted,
  startedAt: Date,
  now: Date,
): D1PreparedStatement[] {
  const { DB } = env
  const hold = [tenantId, id, token, webhookId]
  if (outcome.delivered) {
    return [DB.prepare(ANSWER).bind(...hold)]
  }
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
    DB.prepare(FAIL).bind(...hold, startedAt.getTime(), now.getTime(), isGone(outcome) ? 1 : 0),
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
