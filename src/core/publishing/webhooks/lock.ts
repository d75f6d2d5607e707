import type { Env } from '../../../env.ts'
import type { EventType } from '../../../schema/journal.ts'
import { newToken } from '../../ground/ids.ts'
import type { WebhookBell } from '../../journal/bells.ts'
import { CLAIM_MS } from './schedule.ts'
import { isFull } from './waiting.ts'
import type { Webhook } from './webhooks.ts'

/** One delivery in the hands of one consumer, with all that its attempt needs. */
export type Locked = {
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
  replacedSecrets: Webhook['replacedSecrets']
}

/** Whose webhook is switched off, or whose event is forgotten, will never be fetched. */
const END = `
  UPDATE webhook_deliveries SET state = 'dead', error = 'webhook_disabled', next_at = NULL, is_waiting = 0,
    lock_token = NULL, lock_until = NULL, updated_at = ?2
  WHERE (tenant_id, id) IN (SELECT value ->> 'tenantId', value ->> 'deliveryId' FROM json_each(?1))
    AND state = 'pending' AND event_type <> 'ping' AND NOT EXISTS (
      SELECT 1 FROM webhooks w
      JOIN events e ON e.tenant_id = w.tenant_id AND e.id = webhook_deliveries.event_id
      WHERE w.tenant_id = webhook_deliveries.tenant_id AND w.id = webhook_deliveries.webhook_id AND w.is_active = 1)`

const CLAIM = `
  UPDATE webhook_deliveries SET lock_token = ?3, lock_until = ?5, next_at = ?5, attempts = attempts + 1, updated_at = ?4
  WHERE tenant_id = ?1 AND id = ?2 AND state = 'pending' AND next_at <= ?4 AND EXISTS (
    SELECT 1 FROM webhooks w
    WHERE w.tenant_id = ?1 AND w.id = webhook_deliveries.webhook_id AND NOT ${isFull('?4')})`

/** What is due still, after it could not be locked, waits for the webhook's other attempts. */
const WAIT = `
  UPDATE webhook_deliveries SET is_waiting = 1, next_at = NULL
  WHERE tenant_id = ?1 AND id = ?2 AND state = 'pending' AND next_at <= ?3`

const TAKEN = `
  SELECT d.attempts, d.event_id, d.event_type, e.payload, w.id AS webhook_id, w.url, w.secret,
    w.replaced_secrets
  FROM webhook_deliveries d
  JOIN webhooks w ON w.tenant_id = d.tenant_id AND w.id = d.webhook_id
  JOIN events e ON e.tenant_id = d.tenant_id AND e.id = d.event_id
  WHERE d.tenant_id = ?1 AND d.id = ?2 AND d.lock_token = ?3`

type TakenRow = {
  attempts: number
  event_id: string
  event_type: EventType
  payload: string
  webhook_id: string
  url: string
  secret: string
  replaced_secrets: string
}

/**
 * Takes those deliveries that are due and whose webhook is not full, in one call of D1; the others wait. Of all who ask for
 * one, one gets it.
 */
export async function lockDeliveries(env: Env, bells: WebhookBell[], now: Date): Promise<Locked[]> {
  const at = now.getTime()
  const wanted = bells.map((bell) => ({ ...bell, token: newToken() }))
  const [, ...results] = await env.DB.batch<TakenRow>([
    env.DB.prepare(END).bind(JSON.stringify(bells), at),
    ...wanted.flatMap(({ tenantId, deliveryId, token }) => [
      env.DB.prepare(CLAIM).bind(tenantId, deliveryId, token, at, at + CLAIM_MS),
      env.DB.prepare(WAIT).bind(tenantId, deliveryId, at),
      env.DB.prepare(TAKEN).bind(tenantId, deliveryId, token),
    ]),
  ])
  return wanted.flatMap(({ tenantId, deliveryId: id, token }, position) => {
    const [row] = results[position * 3 + 2]?.results ?? []
    return row ? [claimedFrom(row, { tenantId, id, token })] : []
  })
}

function claimedFrom(row: TakenRow, hold: { tenantId: string; id: string; token: string }): Locked {
  return {
    ...hold,
    attempts: row.attempts,
    eventId: row.event_id,
    eventType: row.event_type,
    payload: row.payload,
    webhookId: row.webhook_id,
    url: row.url,
    secret: row.secret,
    replacedSecrets: JSON.parse(row.replaced_secrets),
  }
}
