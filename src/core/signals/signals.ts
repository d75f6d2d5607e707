import type { Env } from '../../env.ts'
import type { EventType } from '../../schema/journal.ts'
import { newId } from '../ground/ids.ts'
import { eventsFrom } from '../journal/event-rows.ts'
import { tracesFrom } from '../journal/traces.ts'
import { statesIn } from '../policy/states.ts'

/** What may be heard of a recipient, as bits of `send_recipients.signals`: each counts once, whatever the order. */
export const SIGNALS = {
  delivered: 1,
  hard_bounce: 2,
  complaint: 4,
  soft_bounce: 8,
  /** The carrier took the message and then would not send it. */
  rejected: 16,
  /** The carrier has the message: all that an attempt without a clear answer leaves open. */
  accepted: 32,
} as const
export type SignalKind = keyof typeof SIGNALS

export type Signal = {
  tenantId: string
  sendId: string
  contact: string
  kind: SignalKind
  /** Only where this carrier was given the message for this recipient; null where the report proves itself. */
  carrier: string | null
  /** The step to add to the trace, where nobody else writes it. */
  trace: Record<string, unknown> | null
}

/** Changes of reputation in thousandths, and the signals that stop further mail, as the contract publishes them. */
const DELTAS: Partial<Record<SignalKind, number>> = { delivered: 1, hard_bounce: -50, complaint: -100 }
/** Soft bounces of one contact, over different sends within `SOFT_WITHIN_MS`, that suppress it for as long again. */
const SOFT_AT_MOST = 3
const SOFT_WITHIN_MS = 30 * 86_400_000

const BIT = (kind: SignalKind) => SIGNALS[kind]

/** Which signals count: for a recipient the message went to, of the right carrier, and not counted before. */
const FRESH = `
  e AS MATERIALIZED (
    SELECT min(key) AS position, value ->> 'tenantId' AS tenant_id, value ->> 'sendId' AS send_id,
      value ->> 'contact' AS contact, value ->> 'bit' AS bit, value ->> 'kind' AS kind, value ->> 'carrier' AS carrier,
      value ->> 'suppressionId' AS suppression_id, value -> 'trace' AS trace
    FROM json_each(?1) GROUP BY 2, 3, 4, 5),
  fresh AS MATERIALIZED (
    SELECT e.*, r.mailbox_id, r.email FROM e
    CROSS JOIN send_recipients r ON r.tenant_id = e.tenant_id AND r.contact = e.contact AND r.send_id = e.send_id
    CROSS JOIN sends s ON s.tenant_id = e.tenant_id AND s.id = e.send_id
    WHERE (r.signals & e.bit) = 0 AND r.state <> 'void' AND r.carrier IS NOT NULL
      AND (e.carrier IS NULL OR r.carrier = e.carrier) AND (?3 IS NULL OR s.settle_token = ?3 OR s.lock_token = ?3))`

/** What a mailbox sends to itself earns it nothing. */
const REPUTATION = `
  UPDATE mailboxes SET reputation = max(0, min(1000, reputation + d.delta)),
    bounced_count = bounced_count + d.bounced, complaint_count = complaint_count + d.complaints
  FROM (
    SELECT f.tenant_id, f.mailbox_id, sum(bit = ${BIT('hard_bounce')}) AS bounced, sum(bit = ${BIT('complaint')}) AS complaints,
      sum(CASE WHEN f.contact = b.contact THEN 0 ${Object.entries(DELTAS)
        .map(([kind, delta]) => `WHEN bit = ${BIT(kind as SignalKind)} THEN ${delta}`)
        .join(' ')} ELSE 0 END) AS delta
    FROM fresh f CROSS JOIN mailboxes b ON b.tenant_id = f.tenant_id AND b.id = f.mailbox_id
    GROUP BY f.tenant_id, f.mailbox_id) d
  WHERE mailboxes.tenant_id = d.tenant_id AND mailboxes.id = d.mailbox_id`

/** The signals that stop further mail to a contact. */
const STOPPING = `
  stopping AS MATERIALIZED (
    SELECT f.*, CASE f.bit WHEN ${BIT('complaint')} THEN 'complaint' WHEN ${BIT('hard_bounce')} THEN 'hard_bounce'
      ELSE 'soft_bounces' END AS reason
    FROM fresh f
    WHERE f.bit IN (${BIT('hard_bounce')}, ${BIT('complaint')}) OR (f.bit = ${BIT('soft_bounce')} AND
      (SELECT count(*) FROM send_recipients p WHERE p.tenant_id = f.tenant_id AND p.contact = f.contact
        AND (p.signals & ${BIT('soft_bounce')}) <> 0 AND p.created_at > ?2 - ${SOFT_WITHIN_MS})
      + (SELECT count(*) FROM fresh g WHERE g.tenant_id = f.tenant_id AND g.contact = f.contact AND g.bit = f.bit)
      >= ${SOFT_AT_MOST}))`

const STOPPED = eventsFrom(
  `SELECT f.tenant_id, 'suppression.created' AS type, f.mailbox_id, NULL AS agent_id, min(f.position) AS position,
      json_object('suppressionId', f.suppression_id, 'contact', f.contact, 'reason', f.reason, 'sendId', f.send_id) AS refs
    FROM stopping f WHERE NOT EXISTS (SELECT 1 FROM suppressions x
      WHERE x.tenant_id = f.tenant_id AND x.contact = f.contact AND x.scope = 'global')
    GROUP BY f.tenant_id, f.contact`,
  '?2',
)

const TYPES: Partial<Record<SignalKind, EventType>> = {
  delivered: 'message.delivered',
  hard_bounce: 'message.bounced',
  complaint: 'message.complained',
  rejected: 'message.failed',
}

const TOLD = eventsFrom(
  `SELECT f.tenant_id, f.mailbox_id, (SELECT s.agent_id FROM sends s
        WHERE s.tenant_id = f.tenant_id AND s.id = f.send_id) AS agent_id, f.position,
      CASE f.bit ${Object.entries(TYPES)
        .map(([kind, type]) => `WHEN ${BIT(kind as SignalKind)} THEN '${type}'`)
        .join(' ')} END AS type,
      json_object('messageId', 'msg_' || substr(f.send_id, 5), 'sendId', f.send_id, 'recipient', f.email,
        'reason', f.kind, 'code', f.trace ->> 'code') AS refs
    FROM fresh f WHERE f.bit IN (${Object.keys(TYPES)
      .map((kind) => BIT(kind as SignalKind))
      .join(', ')})`,
  '?2',
)

const SUPPRESS = `
  INSERT INTO suppressions
    (tenant_id, contact, scope, campaign_id, id, email, reason_code, source, expires_at, created_at)
  SELECT f.tenant_id, f.contact, 'global', '', f.suppression_id, f.email, f.reason, 'send ' || f.send_id, iif(f.bit = ${BIT('soft_bounce')}, ?2 + ${SOFT_WITHIN_MS}, NULL), ?2
  FROM stopping f WHERE true
  ORDER BY f.bit = ${BIT('complaint')}
  ON CONFLICT DO UPDATE SET reason_code = excluded.reason_code, source = excluded.source,
    expires_at = excluded.expires_at
  WHERE suppressions.expires_at IS NOT NULL OR excluded.reason_code = 'complaint'`

const TRACE = tracesFrom(
  `SELECT f.tenant_id, f.send_id, 'delivery' AS kind, f.trace AS body, f.position FROM fresh f WHERE f.trace <> 'null'`,
  '?2',
)

/** A recipient's state is the highest of its signals, so that order and repetition do not matter. */
const RECIPIENTS = `
  UPDATE send_recipients SET signals = send_recipients.signals | f.bits, updated_at = ?2, state = CASE
    WHEN (send_recipients.signals | f.bits) & ${BIT('complaint')} THEN 'complained'
    WHEN (send_recipients.signals | f.bits) & ${BIT('hard_bounce')} THEN 'bounced'
    WHEN (send_recipients.signals | f.bits) & ${BIT('delivered')} THEN 'delivered'
    WHEN (send_recipients.signals | f.bits) & ${BIT('rejected')} THEN 'refused'
    ELSE send_recipients.state END
  FROM (SELECT tenant_id, contact, send_id, sum(bit) AS bits FROM fresh GROUP BY 1, 2, 3) f
  WHERE send_recipients.tenant_id = f.tenant_id AND send_recipients.contact = f.contact
    AND send_recipients.send_id = f.send_id`

const ASKED = `
  asked AS MATERIALIZED (
    SELECT DISTINCT value ->> 'tenantId' AS tenant_id, value ->> 'sendId' AS send_id FROM json_each(?1))`

/** Sends whose last attempt had no clear answer, and of which something has been heard since: the carrier has them. */
const PROVEN = `
  proven AS MATERIALIZED (
    SELECT s.tenant_id, s.id, s.mailbox_id, s.agent_id, s.recipients, s.pinned_recipients FROM asked
    CROSS JOIN sends s ON s.tenant_id = asked.tenant_id AND s.id = asked.send_id
    WHERE s.state IN ${statesIn(({ movedBy, isOut }) => movedBy.includes('signal') && !isOut)}
      AND s.ambiguous_at IS NOT NULL AND EXISTS (
      SELECT 1 FROM json_each(s.recipients) j CROSS JOIN send_recipients r
        ON r.tenant_id = s.tenant_id AND r.contact = j.value ->> 'contact' AND r.send_id = s.id
      WHERE r.signals <> 0 AND r.carrier = s.carrier
        AND r.email IN (SELECT value FROM json_each(s.pinned_recipients))))`

const TAKE = `
  UPDATE send_recipients SET state = 'accepted', updated_at = ?2
  FROM proven s CROSS JOIN json_each(s.recipients) j
  WHERE send_recipients.tenant_id = s.tenant_id AND send_recipients.send_id = s.id
    AND send_recipients.contact = j.value ->> 'contact' AND send_recipients.state IN ('pending', 'in_flight')
    AND send_recipients.email IN (SELECT value FROM json_each(s.pinned_recipients))`

/** Once all that the send is for has been taken, it has been sent. */
const SENT = eventsFrom(
  `SELECT s.tenant_id, 'message.sent' AS type, s.mailbox_id, s.agent_id, 0 AS position,
      json_object('messageId', 'msg_' || substr(s.id, 5), 'sendId', s.id) AS refs
    FROM proven s WHERE NOT EXISTS (
      SELECT 1 FROM json_each(s.recipients) j CROSS JOIN send_recipients r
        ON r.tenant_id = s.tenant_id AND r.contact = j.value ->> 'contact' AND r.send_id = s.id
      WHERE r.state = 'pending')`,
  '?2',
)

/** The others, whom that attempt was not for, are served next. */
const RESOLVE = `
  UPDATE sends SET ambiguous_at = NULL, pinned_recipients = NULL, reason = NULL, detail = NULL, locks = 0, updated_at = ?2,
    (state, next_at) = (
      SELECT iif(count(*) > 0, 'retry_wait', 'accepted'), iif(count(*) > 0, ?2, NULL)
      FROM json_each(sends.recipients) j CROSS JOIN send_recipients r
        ON r.tenant_id = sends.tenant_id AND r.contact = j.value ->> 'contact' AND r.send_id = sends.id
      WHERE r.state = 'pending')
  WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM proven)`

/** A send is complained of if anybody did, bounced if nobody got it, delivered once nothing more is to be heard. */
const AGGREGATE = `
  UPDATE sends SET updated_at = ?2, (state, delivered_at) = (
    SELECT CASE
        WHEN sum(r.state = 'complained') > 0 THEN 'complained'
        WHEN sum(r.state IN ('pending', 'in_flight', 'accepted')) > 0 THEN 'accepted'
        WHEN sum(r.state = 'delivered') > 0 THEN 'delivered'
        WHEN sum(r.state = 'bounced') > 0 THEN 'bounced'
        ELSE 'failed' END,
      coalesce(sends.delivered_at, iif(sum(r.signals & ${BIT('delivered')}) > 0, ?2, NULL))
    FROM json_each(sends.recipients) j CROSS JOIN send_recipients r
      ON r.tenant_id = sends.tenant_id AND r.contact = j.value ->> 'contact' AND r.send_id = sends.id)
  WHERE (tenant_id, id) IN (SELECT tenant_id, send_id FROM asked)
    AND state IN ${statesIn(({ isOut }) => isOut)}`

/**
 * The statements that count signals, for one batch: reputation, suppression, trace, recipients and send, in an order in
 * which each sees what was counted before. With a token only sends that bear it, as settled or as claimed, are touched.
 * Run twice they change nothing.
 */
export function signalStatements(
  { DB }: Env,
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
  const counting = [
    REPUTATION,
    `, ${STOPPING} ${STOPPED}`,
    `, ${STOPPING} ${SUPPRESS}`,
    TOLD,
    TRACE,
    RECIPIENTS,
  ].map((sql) => DB.prepare(`WITH ${FRESH} ${sql}`).bind(rows, now.getTime(), token))
  return [...counting, ...resolveStatements({ DB }, signals, now)]
}

/**
 * The statements that settle what signals have proven: an attempt that left open whether the carrier took the message is
 * answered by anything heard of it, and a send's state follows its recipients'.
 */
export function resolveStatements(
  { DB }: Pick<Env, 'DB'>,
  sends: { tenantId: string; sendId: string }[],
  now: Date,
): D1PreparedStatement[] {
  const asked = JSON.stringify(sends.map(({ tenantId, sendId }) => ({ tenantId, sendId })))
  return [`, ${PROVEN} ${TAKE}`, `, ${PROVEN} ${SENT}`, `, ${PROVEN} ${RESOLVE}`, AGGREGATE].map((sql) =>
    DB.prepare(`WITH ${ASKED} ${sql}`).bind(asked, now.getTime()),
  )
}
