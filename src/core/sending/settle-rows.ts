import { statement } from '../ground/sql.ts'
import { eventsFrom } from '../journal/event-rows.ts'
import { tracesFrom } from '../journal/traces.ts'
import { fence } from '../policy/fence.ts'
import { POLICY_VERSION } from '../policy/judge.ts'
import { type SendState, statesIn } from '../policy/states.ts'

const ACCEPTED = statesIn(({ isAccepted }) => isAccepted)

/** The settlements as rows. Materialised, because SQLite would parse JSON in a join again for each row. */
const SETTLED = `
  o AS MATERIALIZED (
    SELECT value ->> 'id' AS id, value ->> 'from' AS was, value ->> 'state' AS state, value ->> 'reason' AS reason,
      value ->> 'detail' AS detail, value ->> 'nextAt' AS next_at, value ->> 'scheduledAt' AS scheduled_at,
      value ->> 'approvalId' AS approval_id, value ->> 'holdReason' AS hold_reason
    FROM json_each(:settlements))`

const CONTACTS = `(SELECT value ->> 'contact' AS contact FROM json_each(s.recipients))`

/**
 * Settlements that deliver internally. If a change since the facts were read forbids the send to leave, it is queued
 * instead, and its departure stops it with the reason.
 */
const SETTLED_INTERNALLY = `
  fenced AS MATERIALIZED (
    SELECT p.value AS value, ${fence('s', CONTACTS, "(p.value ->> 'domainId')")} AS stopped_by
    FROM json_each(:settlements) p CROSS JOIN sends s ON s.tenant_id = :tenantId AND s.id = p.value ->> 'id'),
  o AS MATERIALIZED (
    SELECT value ->> 'id' AS id, value ->> 'from' AS was, value ->> 'reason' AS reason, value ->> 'detail' AS detail,
      value ->> 'scheduledAt' AS scheduled_at, value ->> 'approvalId' AS approval_id,
      iif(stopped_by IS NULL, value ->> 'state', 'queued') AS state,
      iif(stopped_by IS NULL, NULL, :ringAgainAt) AS next_at
    FROM fenced)`

const settleFrom = (settled: string) =>
  statement(`
  WITH ${settled}
  UPDATE sends SET state = o.state, reason = o.reason, detail = o.detail, next_at = o.next_at,
    approval_id = coalesce(o.approval_id, sends.approval_id),
    scheduled_at = coalesce(o.scheduled_at, sends.scheduled_at),
    burned_key = iif(o.state IN ${ACCEPTED}, sends.burned_key, NULL),
    carrier = iif(o.state IN ('delivered', 'bounced'), 'internal', sends.carrier),
    settle_token = :token, updated_at = :now, locks = 0
  FROM o
  WHERE sends.tenant_id = :tenantId AND sends.id = o.id AND sends.state = o.was`)

/** The compare-and-set. Only the sends that it changes get the token, and every later statement of the batch selects by it. */
export const SETTLE = settleFrom(SETTLED)
export const SETTLE_INTERNALLY = settleFrom(SETTLED_INTERNALLY)

/** The send `s` of the row `o`, if this batch has settled it. */
const SEND_OF = (id: string) =>
  `CROSS JOIN sends s ON s.tenant_id = :tenantId AND s.id = ${id} AND s.settle_token = :token`

export const RECIPIENTS = statement(`
  WITH ${SETTLED}
  INSERT INTO send_recipients
    (tenant_id, contact, send_id, mailbox_id, agent_id, email, state, carrier, created_at, updated_at)
  SELECT s.tenant_id, r.value ->> 'contact', s.id, s.mailbox_id, s.agent_id, r.value ->> 'email', 'pending',
    iif(s.state IN ('delivered', 'bounced'), 'internal', NULL), :now, :now
  FROM o ${SEND_OF('o.id')} AND s.state IN ${ACCEPTED}
  CROSS JOIN json_each(s.recipients) r
  WHERE true
  ON CONFLICT DO NOTHING`)

/** The decision of each send, with the SMTP credential that asked for it, if one did. */
export const DECISIONS = statement(
  tracesFrom(`
  WITH o AS MATERIALIZED (SELECT key AS id, value AS trace FROM json_each(:decisions))
  SELECT s.tenant_id, s.id AS send_id, 'decision' AS kind, 0 AS position,
    iif(s.door = 'smtp', json_insert(o.trace, '$.askedBy', 'smtp:' || s.key_id), o.trace) AS body
  FROM o ${SEND_OF('o.id')}`),
)

export const INTERNAL_DELIVERIES = statement(
  tracesFrom(`
  SELECT s.tenant_id, s.id AS send_id, 'delivery' AS kind, 0 AS position,
    json_object('carrier', 'internal', 'attempt', 1, 'outcome', 'accepted', 'state', s.state) AS body
  FROM json_each(:internal) o ${SEND_OF('o.value')}
  WHERE s.state IN ('delivered', 'bounced')`),
)

export const APPROVALS = statement(`
  WITH ${SETTLED}
  INSERT INTO approvals
    (tenant_id, id, send_id, mailbox_id, status, hold_reason, policy_version, expires_at, created_at)
  SELECT s.tenant_id, s.approval_id, s.id, s.mailbox_id, 'pending', o.hold_reason, ${POLICY_VERSION}, :expiresAt, :now
  FROM o ${SEND_OF('o.id')} AND s.state = 'pending_approval'`)

export const APPROVALS_PENDING = statement(
  eventsFrom(`
  SELECT s.tenant_id, 'approval.pending' AS type, s.mailbox_id, s.agent_id, o.key AS position,
    json_object('approvalId', s.approval_id, 'sendId', s.id, 'messageId', 'msg_' || substr(s.id, 5),
      'reason', o.value ->> 'holdReason') AS refs
  FROM json_each(:settlements) o ${SEND_OF("o.value ->> 'id'")}
  WHERE s.state = 'pending_approval'`),
)

export const MESSAGES_SENT = statement(
  eventsFrom(`
  SELECT s.tenant_id, 'message.sent' AS type, s.mailbox_id, s.agent_id, o.key AS position,
    json_object('messageId', 'msg_' || substr(s.id, 5), 'sendId', s.id) AS refs
  FROM json_each(:internal) o ${SEND_OF('o.value')}
  WHERE s.state = 'delivered'`),
)

/** Replaces the stored input and recipients by copies without the findings of DLP. */
export const CLEAN = statement(`
  WITH o AS MATERIALIZED (
    SELECT value ->> 'id' AS id, value -> 'input' AS input, value -> 'recipients' AS recipients
    FROM json_each(:cleaned))
  UPDATE sends SET input = iif(sends.input_key IS NULL, o.input, NULL), recipients = o.recipients
  FROM o WHERE sends.tenant_id = :tenantId AND sends.id = o.id AND sends.settle_token = :token`)

const TRIPS = `
  FROM json_each(:trips) o ${SEND_OF("o.value ->> 'sendId'")}
  WHERE s.state = 'blocked'`

export const COUNT_TRIPS = statement(`
  WITH t AS MATERIALIZED (SELECT o.value ->> 'canaryId' AS id, count(*) AS trips ${TRIPS} GROUP BY 1)
  UPDATE canaries SET trips = canaries.trips + t.trips, tripped_at = :now
  FROM t WHERE canaries.tenant_id = :tenantId AND canaries.id = t.id`)

export const CANARIES_TRIPPED = statement(
  eventsFrom(`
  SELECT s.tenant_id, 'canary.tripped' AS type, s.mailbox_id, s.agent_id, o.key AS position,
    json_object('sendId', s.id, 'canaryId', o.value ->> 'canaryId', 'reason', o.value ->> 'where') AS refs ${TRIPS}`),
)

/** The row of a send after the batch, also if another worker settled it. */
export type OutcomeRow = {
  id: string
  state: SendState
  reason: string | null
  approval_id: string | null
  scheduled_at: number | null
  is_mine: number
  /** The verdict of another worker that settled the send first; null if this batch did. */
  verdict: string | null
}

export const OUTCOMES = statement<OutcomeRow>(`
  SELECT s.id, s.state, s.reason, s.approval_id, s.scheduled_at, s.settle_token = :token AS is_mine,
    CASE WHEN s.settle_token IS NOT :token THEN (
      SELECT t.body -> 'verdict' FROM traces t WHERE t.tenant_id = s.tenant_id AND t.send_id = s.id
        AND t.kind = 'decision' ORDER BY t.seq DESC LIMIT 1) END AS verdict
  FROM json_each(:ids) o CROSS JOIN sends s ON s.tenant_id = :tenantId AND s.id = o.value`)
