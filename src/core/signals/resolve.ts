import type { Env } from '../../env.ts'
import { statement } from '../ground/sql.ts'
import { eventsFrom } from '../journal/event-rows.ts'
import { isOpen } from '../policy/open.ts'
import { statesIn } from '../policy/states.ts'
import { SIGNALS } from './kinds.ts'

/** SQL: the rows `r` of the recipients of a send. `send` is the name of its row. */
const recipientsOf = (send: string) => `json_each(${send}.recipients) j CROSS JOIN send_recipients r
  ON r.tenant_id = ${send}.tenant_id AND r.contact = j.value ->> 'contact' AND r.send_id = ${send}.id`

/**
 * SQL: the carrier has reported an event for the ambiguous attempt of a send, so it accepted the message. `send` is the name
 * of the send's row.
 */
export const isProvenAccepted = (send: string) => `(${send}.ambiguous_at IS NOT NULL AND EXISTS (
  SELECT 1 FROM ${recipientsOf(send)}
  WHERE r.signals <> 0 AND r.carrier = ${send}.carrier
    AND r.email IN (SELECT value FROM json_each(${send}.pinned_recipients))))`

const ASKED = `
  asked AS MATERIALIZED (
    SELECT DISTINCT value ->> 'tenantId' AS tenant_id, value ->> 'sendId' AS send_id FROM json_each(:asked))`

const PROVEN = `
  proven AS MATERIALIZED (
    SELECT s.tenant_id, s.id, s.mailbox_id, s.agent_id, s.recipients, s.pinned_recipients FROM asked
    CROSS JOIN sends s ON s.tenant_id = asked.tenant_id AND s.id = asked.send_id
    WHERE s.state IN ${statesIn(({ movedBy, isOut }) => movedBy.includes('signal') && !isOut)}
      AND ${isProvenAccepted('s')})`

/** The recipients of the ambiguous attempt have been accepted. */
const ACCEPT = statement(`WITH ${ASKED}, ${PROVEN}
  UPDATE send_recipients SET state = 'accepted', updated_at = :now
  FROM proven s CROSS JOIN json_each(s.recipients) j
  WHERE send_recipients.tenant_id = s.tenant_id AND send_recipients.send_id = s.id
    AND send_recipients.contact = j.value ->> 'contact' AND ${isOpen('send_recipients')}
    AND send_recipients.email IN (SELECT value FROM json_each(s.pinned_recipients))`)

/** The send has been sent if no recipient is left. */
const SENT = statement(
  `WITH ${ASKED}, ${PROVEN} ${eventsFrom(
    `SELECT s.tenant_id, 'message.sent' AS type, s.mailbox_id, s.agent_id, 0 AS position,
      json_object('messageId', 'msg_' || substr(s.id, 5), 'sendId', s.id) AS refs
    FROM proven s WHERE NOT EXISTS (SELECT 1 FROM ${recipientsOf('s')} WHERE r.state = 'pending')`,
  )}`,
)

/** If the attempt was not for all recipients, the others are served next. */
const RESOLVE = statement(`WITH ${ASKED}, ${PROVEN}
  UPDATE sends SET ambiguous_at = NULL, pinned_recipients = NULL, reason = NULL, detail = NULL, locks = 0, updated_at = :now,
    (state, next_at) = (
      SELECT iif(count(*) > 0, 'retry_wait', 'accepted'), iif(count(*) > 0, :now, NULL)
      FROM ${recipientsOf('sends')} WHERE r.state = 'pending')
  WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM proven)`)

/**
 * The state of a send. If any recipient complained, it is `complained`. While a report may still come, it is `accepted`.
 * Then it is `delivered` if any recipient got it, else `bounced` if any bounced, else `failed`.
 */
const AGGREGATE = statement(`WITH ${ASKED}
  UPDATE sends SET updated_at = :now, (state, delivered_at) = (
    SELECT CASE
        WHEN sum(r.state = 'complained') > 0 THEN 'complained'
        WHEN sum(r.state IN ('pending', 'in_flight', 'accepted')) > 0 THEN 'accepted'
        WHEN sum(r.state = 'delivered') > 0 THEN 'delivered'
        WHEN sum(r.state = 'bounced') > 0 THEN 'bounced'
        ELSE 'failed' END,
      coalesce(sends.delivered_at, iif(sum(r.signals & ${SIGNALS.delivered}) > 0, :now, NULL))
    FROM ${recipientsOf('sends')})
  WHERE (tenant_id, id) IN (SELECT tenant_id, send_id FROM asked)
    AND state IN ${statesIn(({ isOut }) => isOut)}`)

/**
 * A send whose recipients were served by several calls. The last call may have failed: if an earlier one was accepted, the
 * send has been sent. Its recipients tell who got it.
 */
const PARTIAL = statement(`
  UPDATE sends SET reason = NULL, detail = NULL, updated_at = :now, (state, delivered_at) = (
    SELECT iif(sum(r.state = 'accepted') > 0, 'accepted', 'delivered'),
      coalesce(sends.delivered_at, iif(sum(r.state = 'delivered') > 0, :now, NULL))
    FROM ${recipientsOf('sends')})
  WHERE tenant_id = :tenantId AND id = :sendId AND lock_token = :token AND state IN ('failed', 'bounced', 'delivered')
    AND EXISTS (SELECT 1 FROM ${recipientsOf('sends')} WHERE r.state IN ('accepted', 'delivered'))`)

/** For the batch that records the outcome of a call: the state of a send that is at rest follows from all its recipients. */
export function partialStatement(
  env: Pick<Env, 'DB'>,
  hold: { tenantId: string; sendId: string; token: string },
  now: Date,
): D1PreparedStatement {
  return PARTIAL.bind(env, { ...hold, now: now.getTime() })
}

/**
 * The statements that settle what signals have proven. Any signal resolves an ambiguous attempt, because it proves that the
 * carrier has the message. The state of a send follows from the states of its recipients.
 */
export function resolveStatements(
  env: Pick<Env, 'DB'>,
  sends: { tenantId: string; sendId: string }[],
  now: Date,
): D1PreparedStatement[] {
  const asked = JSON.stringify(sends.map(({ tenantId, sendId }) => ({ tenantId, sendId })))
  const values = { asked, now: now.getTime() }
  return [ACCEPT, SENT, RESOLVE, AGGREGATE].map((each) => each.bind(env, values))
}
