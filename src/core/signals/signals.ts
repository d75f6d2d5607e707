import type { Env } from '../../env.ts'
import type { EventType } from '../../schema/journal.ts'
import { newId } from '../ground/ids.ts'
import { statement } from '../ground/sql.ts'
import { eventsFrom } from '../journal/event-rows.ts'
import { tracesFrom } from '../journal/traces.ts'
import { SIGNALS, type SignalKind } from './kinds.ts'
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

/** Changes of reputation in thousandths, as the contract publishes them. */
const DELTAS: [SignalKind, number][] = [
  ['delivered', 1],
  ['hard_bounce', -50],
  ['complaint', -100],
  ['shared_complaint', -100],
]
/** So many soft bounces of one contact, of different sends within `SOFT_WITHIN_MS`, suppress it for as long again. */
const SOFT_AT_MOST = 3
const SOFT_WITHIN_MS = 30 * 86_400_000

const { delivered, hard_bounce: hard, complaint, soft_bounce: soft, rejected } = SIGNALS

/** The signals that count: the message went to the recipient, through the right carrier, and no such signal counted before. */
const FRESH = `
  e AS MATERIALIZED (
    SELECT min(key) AS position, value ->> 'tenantId' AS tenant_id, value ->> 'sendId' AS send_id,
      value ->> 'contact' AS contact, value ->> 'bit' AS bit, value ->> 'kind' AS kind, value ->> 'carrier' AS carrier,
      value ->> 'suppressionId' AS suppression_id, value -> 'trace' AS trace
    FROM json_each(:signals) GROUP BY 2, 3, 4, 5),
  fresh AS MATERIALIZED (
    SELECT e.*, r.mailbox_id, r.email FROM e
    CROSS JOIN send_recipients r ON r.tenant_id = e.tenant_id AND r.contact = e.contact AND r.send_id = e.send_id
    CROSS JOIN sends s ON s.tenant_id = e.tenant_id AND s.id = e.send_id
    WHERE (r.signals & e.bit) = 0 AND r.state <> 'void' AND r.carrier IS NOT NULL
      AND (e.carrier IS NULL OR r.carrier = e.carrier)
      AND (:token IS NULL OR s.settle_token = :token OR s.lock_token = :token))`

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

/** Mail of a mailbox to itself does not change its reputation. */
const REPUTATION = statement(`WITH ${FRESH}
  UPDATE mailboxes SET reputation = max(0, min(1000, reputation + d.delta)),
    bounced_count = bounced_count + d.bounced, complaint_count = complaint_count + d.complaints
  FROM (
    SELECT f.tenant_id, f.mailbox_id, sum(bit = ${hard}) AS bounced, sum(bit = ${complaint}) AS complaints,
      sum(CASE WHEN f.contact = b.contact THEN 0
        ${DELTAS.map(([kind, delta]) => `WHEN bit = ${SIGNALS[kind]} THEN ${delta}`).join(' ')} ELSE 0 END) AS delta
    FROM fresh f CROSS JOIN mailboxes b ON b.tenant_id = f.tenant_id AND b.id = f.mailbox_id
    GROUP BY f.tenant_id, f.mailbox_id) d
  WHERE mailboxes.tenant_id = d.tenant_id AND mailboxes.id = d.mailbox_id`)

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

/** A recipient's state follows its highest signal, so order and repetition make no difference. */
const RECIPIENTS = statement(`WITH ${FRESH}
  UPDATE send_recipients SET signals = send_recipients.signals | f.bits, updated_at = :now, state = CASE
    WHEN (send_recipients.signals | f.bits) & ${complaint} THEN 'complained'
    WHEN (send_recipients.signals | f.bits) & ${hard} THEN 'bounced'
    WHEN (send_recipients.signals | f.bits) & ${delivered} THEN 'delivered'
    WHEN (send_recipients.signals | f.bits) & ${rejected} THEN 'refused'
    ELSE send_recipients.state END
  FROM (SELECT tenant_id, contact, send_id, sum(bit) AS bits FROM fresh GROUP BY 1, 2, 3) f
  WHERE send_recipients.tenant_id = f.tenant_id AND send_recipients.contact = f.contact
    AND send_recipients.send_id = f.send_id`)

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
  const counting = [SUPPRESSED, SUPPRESS, EVENTS, TRACES, RECIPIENTS]
  return [
    REPUTATION.bind(env, values),
    ...counting.map((each) => each.bind(env, { ...values, now: now.getTime() })),
    ...resolveStatements(env, signals, now),
  ]
}
