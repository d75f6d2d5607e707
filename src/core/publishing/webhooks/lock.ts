import type { Env } from '../../../env.ts'
import type { EventType } from '../../../schema/journal.ts'
import { newToken } from '../../ground/ids.ts'
import { statement } from '../../ground/sql.ts'
import type { WebhookBell } from '../../journal/bells.ts'
import { isLiveWebhook } from '../../policy/live-key.ts'
import { LOCK_MS } from './schedule.ts'
import { IS_FULL } from './waiting.ts'
import type { Webhook } from './webhooks.ts'

/** A delivery that one consumer has locked, with everything that its attempt needs. */
export type Locked = {
  tenantId: string
  id: string
  token: string
  /** How many attempts there are, including this one. */
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

/** Ends deliveries that can never be made: their webhook is switched off, or their event was deleted. */
const END = statement(`
  UPDATE webhook_deliveries SET state = 'dead', error = 'webhook_disabled', next_at = NULL, is_waiting = 0,
    lock_token = NULL, lock_until = NULL, updated_at = :now
  WHERE (tenant_id, id) IN (SELECT value ->> 'tenantId', value ->> 'deliveryId' FROM json_each(:bells))
    AND state = 'pending' AND event_type <> 'ping' AND NOT EXISTS (
      SELECT 1 FROM webhooks w
      JOIN events e ON e.tenant_id = w.tenant_id AND e.id = webhook_deliveries.event_id
      WHERE w.tenant_id = webhook_deliveries.tenant_id AND w.id = webhook_deliveries.webhook_id AND ${isLiveWebhook('w')})`)

const LOCK = statement(`
  UPDATE webhook_deliveries SET lock_token = :token, lock_until = :until, next_at = :until, attempts = attempts + 1,
    updated_at = :now
  WHERE tenant_id = :tenantId AND id = :id AND state = 'pending' AND next_at <= :now AND EXISTS (
    SELECT 1 FROM webhooks w
    WHERE w.tenant_id = :tenantId AND w.id = webhook_deliveries.webhook_id AND NOT ${IS_FULL})`)

/** A delivery that is still due, because it could not be locked, waits for the other attempts of its webhook. */
const WAIT = statement(`
  UPDATE webhook_deliveries SET is_waiting = 1, next_at = NULL
  WHERE tenant_id = :tenantId AND id = :id AND state = 'pending' AND next_at <= :now`)

const LOCKED = statement<LockedRow>(`
  SELECT d.attempts, d.event_id, d.event_type, e.payload, w.id AS webhook_id, w.url, w.secret,
    w.replaced_secrets
  FROM webhook_deliveries d
  JOIN webhooks w ON w.tenant_id = d.tenant_id AND w.id = d.webhook_id
  JOIN events e ON e.tenant_id = d.tenant_id AND e.id = d.event_id
  WHERE d.tenant_id = :tenantId AND d.id = :id AND d.lock_token = :token`)

type LockedRow = {
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
 * Locks the deliveries that are due and whose webhook is not full, in one call of D1. The others wait. Of several callers that
 * ask for the same delivery, one gets it.
 */
export async function lockDeliveries(env: Env, bells: WebhookBell[], now: Date): Promise<Locked[]> {
  const at = now.getTime()
  const wanted = bells.map(({ tenantId, deliveryId: id }) => ({ tenantId, id, token: newToken() }))
  const [, ...results] = await env.DB.batch([
    END.bind(env, { bells: JSON.stringify(bells), now: at }),
    ...wanted.flatMap(({ tenantId, id, token }) => [
      LOCK.bind(env, { tenantId, id, token, now: at, until: at + LOCK_MS }),
      WAIT.bind(env, { tenantId, id, now: at }),
      LOCKED.bind(env, { tenantId, id, token }),
    ]),
  ])
  return wanted.flatMap((hold, position) => {
    const [row] = LOCKED.rows(results[position * 3 + 2])
    return row ? [lockedFrom(row, hold)] : []
  })
}

function lockedFrom(row: LockedRow, hold: { tenantId: string; id: string; token: string }): Locked {
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
