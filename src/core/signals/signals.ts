import type { Env } from '../../env.ts'
import type { EventType } from '../../schema/journal.ts'
import { newId } from '../ground/ids.ts'
import { statement } from '../ground/sql.ts'
import { eventsFrom } from '../journal/event-rows.ts'
import { tracesFrom } from '../journal/traces.ts'
import { FRESH } from './fresh.ts'
import { SIGNALS, type SignalKind } from './kinds.ts'
import { RAISES, RECIPIENTS, REPUTATION } from './reputation.ts'
import { resolveStatements } from './resolve.ts'

export type Signal = {
  tenantId: string
  sendId: string
  contact: string
  kind: SignalKind
  /** The signal counts only if this carrier was given the message for this recipient; null if it proves itself. */
  carrier: string | null
  /** The step to add to the trace, or null if another statement writes it. */
  trace: Record<string, unknown> | null
}

/** So many soft bounces of one contact, of different sends within `SOFT_WITHIN_MS`, suppress it for as long again. */
const SOFT_AT_MOST = 3
const SOFT_WITHIN_MS = 30 * 86_400_000

const { delivered, hard_bounce: hard, complaint, soft_bounce: soft, rejected } = SIGNALS

/** The fresh signals that stop further mail to a contact. */
const STOPPING = `
  stopping AS MATERIALIZED (
    SELECT f.*, CASE f.bit WHEN ${complaint} THEN 'complaint' WHEN ${hard} THEN 'hard_bounce' ELSE 'soft_bounces' END AS reason
    FROM fresh f
    WHERE f.bit IN (${hard}, ${complaint}) OR (f.bit = ${soft} AND
      (SELECT count(*) FROM send_recipients p WHERE p.tenant_id = f.tenant_id AND p.contact = f.contact
        AND (p.signals & ${soft}) <> 0 AND p.created_at > :now - ${SOFT_WITHIN_MS})
      + (SELECT count(*) FROM fresh g WHERE g.tenant_id = f.tenant_id AND g.contact = f.contact AND g.bit = f.bit)
      >= ${SOFT_AT_MOST}))`

/** The events of contacts that are suppressed now and were not before. */
const SUPPRESSED = statement(
  `WITH ${FRESH}, ${STOPPING} ${eventsFrom(
    `SELECT f.tenant_id, 'suppression.created' AS type, f.mailbox_id, NULL AS agent_id, min(f.position) AS position,
      json_object('suppressionId', f.suppression_id, 'contact', f.contact, 'reason', f.reason, 'sendId', f.send_id) AS refs
    FROM stopping f WHERE NOT EXISTS (SELECT 1 FROM suppressions x
      WHERE x.tenant_id = f.tenant_id AND x.contact = f.contact AND x.scope = 'global')
    GROUP BY f.tenant_id, f.contact`,
  )}`,
)

const SUPPRESS = statement(`WITH ${FRESH}, ${STOPPING}
  INSERT INTO suppressions
    (tenant_id, contact, scope, campaign_id, id, email, reason_code, source, expires_at, created_at)
  SELECT f.tenant_id, f.contact, 'global', '', f.suppression_id, f.email, f.reason, 'send ' || f.send_id,
    iif(f.bit = ${soft}, :now + ${SOFT_WITHIN_MS}, NULL), :now
  FROM stopping f WHERE true
  ORDER BY f.bit = ${complaint}
  ON CONFLICT DO UPDATE SET reason_code = excluded.reason_code, source = excluded.source,
    expires_at = excluded.expires_at
  WHERE suppressions.expires_at IS NOT NULL OR excluded.reason_code = 'complaint'`)

/** The signals that are events of their own. */
const EVENT_TYPES: [number, EventType][] = [
  [delivered, 'message.delivered'],
  [hard, 'message.bounced'],
  [complaint, 'message.complained'],
  [rejected, 'message.failed'],
]

const EVENTS = statement(
  `WITH ${FRESH} ${eventsFrom(
    `SELECT f.tenant_id, f.mailbox_id, (SELECT s.agent_id FROM sends s
        WHERE s.tenant_id = f.tenant_id AND s.id = f.send_id) AS agent_id, f.position,
      CASE f.bit ${EVENT_TYPES.map(([bit, type]) => `WHEN ${bit} THEN '${type}'`).join(' ')} END AS type,
      json_object('messageId', 'msg_' || substr(f.send_id, 5), 'sendId', f.send_id, 'recipient', f.email,
        'reason', f.kind, 'code', f.trace ->> 'code') AS refs
    FROM fresh f WHERE f.bit IN (${EVENT_TYPES.map(([bit]) => bit).join(', ')})`,
  )}`,
)

const TRACES = statement(
  `WITH ${FRESH} ${tracesFrom(
    `SELECT f.tenant_id, f.send_id, 'delivery' AS kind, f.trace AS body, f.position FROM fresh f WHERE f.trace <> 'null'`,
  )}`,
)

/**
 * The statements that count signals, for one batch. RECIPIENTS marks the signals as counted, so it comes after all that read
 * which are fresh. With a token, only sends that were settled or locked with it are changed. Run twice they change nothing.
 */
export function signalStatements(
  env: Env,
  signals: Signal[],
  now: Date,
  token: string | null = null,
): D1PreparedStatement[] {
  if (signals.length === 0) return []
  const rows = JSON.stringify(
    signals.map((signal) => ({
      ...signal,
      bit: SIGNALS[signal.kind],
      suppressionId: newId('sup', now),
    })),
  )
  const values = { signals: rows, token }
  const counting = [RAISES, REPUTATION, SUPPRESSED, SUPPRESS, EVENTS, TRACES, RECIPIENTS]
  return [
    ...counting.map((each) => each.bind(env, { ...values, now: now.getTime() })),
    ...resolveStatements(env, signals, now),
  ]
}
