import type { Env, WebhookBell } from '../../env.ts'
import type { EventType } from '../../schema.ts'
import { newToken } from '../ids.ts'
import { FAILING_MS, isFailing } from './failing.ts'
import { type DeliveryBell, ringDeliveries } from './ring.ts'
import { CLAIM_MS, TOGETHER_AT_MOST } from './schedule.ts'

/** One delivery in the hands of one consumer, with all that its attempt needs. */
export type Claimed = {
  tenantId: string
  id: string
  token: string
  /** Attempts so far, with this one. */
  attempts: number
  eventId: string
  eventType: EventType
  /** The bytes to be signed and sent. */
  payload: string
  webhookId: string
  url: string
  secret: string
  previousSecret: string | null
  previousUntil: Date | null
}

/** How long a delivery that cannot be taken because its webhook is busy waits at least, in ms. */
const CROWDED_MS = 5_000

/** Whose webhook is switched off, or whose event is forgotten, will never be fetched. */
const END = `
  UPDATE webhook_deliveries SET state = 'dead', error = 'webhook_disabled', next_at = NULL, claim_token = NULL,
    claim_until = NULL, updated_at = ?2
  WHERE (tenant_id, id) IN (SELECT value ->> 'tenantId', value ->> 'deliveryId' FROM json_each(?1))
    AND state = 'pending' AND event_type <> 'ping' AND NOT EXISTS (
      SELECT 1 FROM webhooks w
      JOIN events e ON e.tenant_id = w.tenant_id AND e.id = webhook_deliveries.event_id
      WHERE w.tenant_id = webhook_deliveries.tenant_id AND w.id = webhook_deliveries.webhook_id AND w.is_active = 1)`

/**
 * The claims that stand are counted in an index of their own, however much waits beside them. They are one where the
 * webhook has done nothing but fail of late: whoever hangs holds up itself.
 */
const CLAIM = `
  UPDATE webhook_deliveries SET claim_token = ?3, claim_until = ?5, next_at = ?5, attempts = attempts + 1, updated_at = ?4
  WHERE tenant_id = ?1 AND id = ?2 AND state = 'pending' AND next_at <= ?4
    AND (SELECT count(*) FROM webhook_deliveries o INDEXED BY webhook_deliveries_claimed
        WHERE o.tenant_id = ?1 AND o.webhook_id = webhook_deliveries.webhook_id AND o.claim_until > ?4)
      < (SELECT iif(${isFailing('?4')}, 1, ${TOGETHER_AT_MOST})
        FROM webhooks w WHERE w.tenant_id = ?1 AND w.id = webhook_deliveries.webhook_id)`

/** What is due still, after it could not be claimed, waits its turn out of everybody's way. */
const DEFER = `
  UPDATE webhook_deliveries SET next_at = (
    SELECT iif(${isFailing('?3')}, ?4, ?5) FROM webhooks w
    WHERE w.tenant_id = ?1 AND w.id = webhook_deliveries.webhook_id)
  WHERE tenant_id = ?1 AND id = ?2 AND state = 'pending' AND next_at <= ?3
  RETURNING next_at - ?3 AS wait`

const TAKEN = `
  SELECT d.attempts, d.event_id, d.event_type, e.payload, w.id AS webhook_id, w.url, w.secret, w.previous_secret,
    w.previous_until
  FROM webhook_deliveries d
  JOIN webhooks w ON w.tenant_id = d.tenant_id AND w.id = d.webhook_id
  JOIN events e ON e.tenant_id = d.tenant_id AND e.id = d.event_id
  WHERE d.tenant_id = ?1 AND d.id = ?2 AND d.claim_token = ?3`

type TakenRow = {
  attempts: number
  event_id: string
  event_type: EventType
  payload: string
  webhook_id: string
  url: string
  secret: string
  previous_secret: string | null
  previous_until: number | null
}

/**
 * Takes those deliveries that are due and whose webhook is not at its limit, in one call of D1. Of all who ask for one,
 * one gets it. The others wait, and where the wait is short their bell rings again.
 */
export async function claimDeliveries(
  env: Env,
  bells: WebhookBell[],
  now: Date,
  random: () => number = Math.random,
): Promise<Claimed[]> {
  const at = now.getTime()
  const wanted = bells.map((bell) => ({ ...bell, token: newToken() }))
  const [, ...results] = await env.DB.batch<TakenRow & { wait: number }>([
    env.DB.prepare(END).bind(JSON.stringify(bells), at),
    ...wanted.flatMap(({ tenantId, deliveryId, token }) => [
      env.DB.prepare(CLAIM).bind(tenantId, deliveryId, token, at, at + CLAIM_MS),
      env.DB.prepare(DEFER).bind(
        tenantId,
        deliveryId,
        at,
        at + Math.round(FAILING_MS * (1 + random())),
        at + Math.round(CROWDED_MS * (1 + 2 * random())),
      ),
      env.DB.prepare(TAKEN).bind(tenantId, deliveryId, token),
    ]),
  ])
  const deferred = wanted.flatMap(({ tenantId, deliveryId }, position): DeliveryBell[] => {
    const [row] = results[position * 3 + 1]?.results ?? []
    return row && row.wait < FAILING_MS ? [{ tenantId, deliveryId, afterMs: row.wait }] : []
  })
  if (deferred.length > 0) await ringDeliveries(env, deferred)
  return wanted.flatMap(({ tenantId, deliveryId: id, token }, position) => {
    const [row] = results[position * 3 + 2]?.results ?? []
    return row ? [claimedFrom(row, { tenantId, id, token })] : []
  })
}

function claimedFrom(row: TakenRow, hold: { tenantId: string; id: string; token: string }): Claimed {
  return {
    ...hold,
    attempts: row.attempts,
    eventId: row.event_id,
    eventType: row.event_type,
    payload: row.payload,
    webhookId: row.webhook_id,
    url: row.url,
    secret: row.secret,
    previousSecret: row.previous_secret,
    previousUntil: row.previous_until === null ? null : new Date(row.previous_until),
  }
}
