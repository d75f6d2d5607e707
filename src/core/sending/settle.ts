import { sql } from 'drizzle-orm'
import { database, prepared } from '../ground/ctx.ts'
import { newToken } from '../ground/ids.ts'
import { slices } from '../ground/slices.ts'
import { statement } from '../ground/sql.ts'
import { audited } from '../journal/audit.ts'
import { eventsFrom } from '../journal/event-rows.ts'
import { letterOf, type Written } from '../mail/letter.ts'
import { inboxStatements, sentStatements } from '../mail/store.ts'
import { fence } from '../policy/fence.ts'
import { POLICY_VERSION } from '../policy/judge.ts'
import { type SendState, statesIn, statesWhere } from '../policy/states.ts'
import { type Signal, signalStatements } from '../signals/signals.ts'
import type { Door } from './door.ts'
import type { Subject } from './gather.ts'
import type { Cleaned } from './screen.ts'

/** How long a send may lie in a queue before the sweep rings again, in ms. */
export const RING_AGAIN_MS = 60_000
/** How long an approval stands open, in ms. */
export const APPROVAL_MS = 86_400_000

/** States in which a send waits for a verdict. */
export type Undecided = 'judging' | 'scheduled' | 'pending_approval'

/** What is to become of a send that has been judged, with the trace that tells why. */
export type Settlement = {
  id: string
  from: Undecided
  state: SendState
  reason: string | null
  detail: string | null
  nextAt: number | null
  scheduledAt: number | null
  approvalId: string | null
  holdReason: string | null
  /** The attached domain that the message is written from. */
  domainId: string | null
  trace: Record<string, unknown>
}

const ACCEPTED = statesIn(({ isAccepted }) => isAccepted)

/** The settlements as rows. Materialised, because JSON that is joined directly is parsed anew for every row it meets. */
const SETTLED = `
  o AS MATERIALIZED (
    SELECT value ->> 'id' AS id, value ->> 'from' AS was, value ->> 'state' AS state, value ->> 'reason' AS reason,
      value ->> 'detail' AS detail, value ->> 'nextAt' AS next_at, value ->> 'scheduledAt' AS scheduled_at,
      value ->> 'approvalId' AS approval_id, value ->> 'holdReason' AS hold_reason
    FROM json_each(:settlements))`

/**
 * Settlements that deliver internally. Where the fence has closed since the facts were read, the send is queued instead:
 * its departure stops it.
 */
const SETTLED_INTERNALLY = `
  fenced AS MATERIALIZED (
    SELECT p.value AS value, ${fence('s', "(SELECT value ->> 'contact' AS contact FROM json_each(s.recipients))", "(p.value ->> 'domainId')")} AS stopped_by
    FROM json_each(:settlements) p CROSS JOIN sends s ON s.tenant_id = :tenant AND s.id = p.value ->> 'id'),
  o AS MATERIALIZED (
    SELECT value ->> 'id' AS id, value ->> 'from' AS was, value ->> 'reason' AS reason, value ->> 'detail' AS detail,
      value ->> 'scheduledAt' AS scheduled_at, value ->> 'approvalId' AS approval_id,
      iif(stopped_by IS NULL, value ->> 'state', 'queued') AS state,
      iif(stopped_by IS NULL, NULL, :now + ${RING_AGAIN_MS}) AS next_at
    FROM fenced)`

const settleStatement = (settled: string) =>
  statement(`
  WITH ${settled}
  UPDATE sends SET state = o.state, reason = o.reason, detail = o.detail, next_at = o.next_at,
    approval_id = coalesce(o.approval_id, sends.approval_id),
    scheduled_at = coalesce(o.scheduled_at, sends.scheduled_at),
    burned_key = iif(o.state IN ${ACCEPTED}, sends.burned_key, NULL),
    settle_token = :token, updated_at = :now, locks = 0
  FROM o
  WHERE sends.tenant_id = :tenant AND sends.id = o.id AND sends.state = o.was`)

const SETTLE = settleStatement(SETTLED)
const SETTLE_INTERNALLY = settleStatement(SETTLED_INTERNALLY)

const RECIPIENTS = `
  WITH ${SETTLED.replace(':settlements', '?1')}
  INSERT INTO send_recipients
    (tenant_id, contact, send_id, mailbox_id, agent_id, email, state, carrier, created_at, updated_at)
  SELECT s.tenant_id, r.value ->> 'contact', s.id, s.mailbox_id, s.agent_id, r.value ->> 'email', 'pending',
    iif(s.state IN ('delivered', 'bounced'), 'internal', NULL), ?3, ?3
  FROM o
  CROSS JOIN sends s ON s.tenant_id = ?4 AND s.id = o.id AND s.settle_token = ?2
    AND s.state IN ${ACCEPTED}
  CROSS JOIN json_each(s.recipients) r
  WHERE true
  ON CONFLICT DO NOTHING`

const TRACE = `
  WITH o AS MATERIALIZED (SELECT key AS id, value AS trace FROM json_each(?1))
  INSERT INTO traces (tenant_id, send_id, seq, kind, at, body)
  SELECT s.tenant_id, s.id,
    (SELECT coalesce(max(t.seq) + 1, 0) FROM traces t WHERE t.tenant_id = s.tenant_id AND t.send_id = s.id),
    'decision', ?3, iif(s.door = 'smtp', json_insert(o.trace, '$.askedBy', 'smtp:' || s.key_id), o.trace)
  FROM o CROSS JOIN sends s ON s.tenant_id = ?4 AND s.id = o.id AND s.settle_token = ?2`

const DELIVERED_HERE = `
  WITH o AS MATERIALIZED (SELECT value ->> 'id' AS id FROM json_each(?1))
  INSERT INTO traces (tenant_id, send_id, seq, kind, at, body)
  SELECT s.tenant_id, s.id, 1, 'delivery', ?3,
    json_object('carrier', 'internal', 'attempt', 1, 'outcome', 'accepted', 'state', s.state)
  FROM o CROSS JOIN sends s ON s.tenant_id = ?4 AND s.id = o.id AND s.settle_token = ?2
  WHERE s.state IN ('delivered', 'bounced') ON CONFLICT DO NOTHING`

const HOLD = `
  WITH ${SETTLED.replace(':settlements', '?1')}
  INSERT INTO approvals
    (tenant_id, id, send_id, mailbox_id, status, hold_reason, policy_version, expires_at, created_at)
  SELECT s.tenant_id, s.approval_id, s.id, s.mailbox_id, 'pending', o.hold_reason, ${POLICY_VERSION}, ?5, ?3
  FROM o CROSS JOIN sends s ON s.tenant_id = ?4 AND s.id = o.id AND s.settle_token = ?2
    AND s.state = 'pending_approval'`

const HELD = eventsFrom(
  `SELECT s.tenant_id, 'approval.pending' AS type, s.mailbox_id, s.agent_id, o.key AS position,
      json_object('approvalId', s.approval_id, 'sendId', s.id, 'messageId', 'msg_' || substr(s.id, 5),
        'reason', o.value ->> 'holdReason') AS refs
    FROM json_each(?1) o CROSS JOIN sends s ON s.tenant_id = ?4 AND s.id = o.value ->> 'id' AND s.settle_token = ?2
    WHERE s.state = 'pending_approval'`,
  '?3',
)

const DELIVERED = eventsFrom(
  `SELECT s.tenant_id, 'message.sent' AS type, s.mailbox_id, s.agent_id, o.key AS position,
      json_object('messageId', 'msg_' || substr(s.id, 5), 'sendId', s.id) AS refs
    FROM json_each(?1) o CROSS JOIN sends s ON s.tenant_id = ?4 AND s.id = o.value ->> 'id' AND s.settle_token = ?2
    WHERE s.state = 'delivered'`,
  '?3',
)

/** The input without what was struck out of it, for the sends that this batch has settled. */
const CLEAN = `
  WITH o AS MATERIALIZED (
    SELECT value ->> 'id' AS id, value -> 'input' AS input, value -> 'recipients' AS recipients FROM json_each(?1))
  UPDATE sends SET input = iif(sends.input_key IS NULL, o.input, NULL), recipients = o.recipients
  FROM o WHERE sends.tenant_id = ?3 AND sends.id = o.id AND sends.settle_token = ?2`

const TRIPS = `
  FROM json_each(?1) o CROSS JOIN sends s ON s.tenant_id = ?4 AND s.id = o.value ->> 'sendId' AND s.settle_token = ?2
  WHERE s.state = 'blocked'`

const TRIP = `
  WITH t AS MATERIALIZED (SELECT o.value ->> 'canaryId' AS id, count(*) AS trips ${TRIPS} GROUP BY 1)
  UPDATE canaries SET trips = canaries.trips + t.trips, tripped_at = ?3
  FROM t WHERE canaries.tenant_id = ?4 AND canaries.id = t.id`

const TRIPPED = eventsFrom(
  `SELECT s.tenant_id, 'canary.tripped' AS type, s.mailbox_id, s.agent_id, o.key AS position,
      json_object('sendId', s.id, 'canaryId', o.value ->> 'canaryId', 'reason', o.value ->> 'where') AS refs ${TRIPS}`,
  '?3',
)

const OUTCOME = `
  SELECT s.id, s.state, s.reason, s.approval_id, s.scheduled_at, s.settle_token = ?2 AS is_mine,
    CASE WHEN s.settle_token IS NOT ?2 THEN (
      SELECT t.body -> 'verdict' FROM traces t WHERE t.tenant_id = s.tenant_id AND t.send_id = s.id
        AND t.kind = 'decision' ORDER BY t.seq DESC LIMIT 1) END AS verdict
  FROM json_each(?1) o CROSS JOIN sends s ON s.tenant_id = ?3 AND s.id = o.value`

/** What stands in the row of a send once the batch is through, whoever decided it. */
export type OutcomeRow = {
  id: string
  state: SendState
  reason: string | null
  approval_id: string | null
  scheduled_at: number | null
  is_mine: number
  verdict: string | null
}

type Screened = { sendId: string; subject: Subject; cleaned: Cleaned | null }

/** Writes the settlements with all that follows from them as one batch; each counts only where nobody was faster. */
export async function settle(
  door: Door,
  tenantId: string,
  { rows, written, candidates }: { rows: Settlement[]; written: Written[]; candidates: Screened[] },
): Promise<Map<string, OutcomeRow>> {
  const { DB } = door.env
  const token = newToken()
  const now = door.now.getTime()
  const statements: D1PreparedStatement[] = []
  const isAnyHeld = rows.some((row) => row.state === 'pending_approval')
  const here = rows.filter((row) => isHere(row.state))
  const leaving = rows.filter((row) => !isHere(row.state))
  const lean = ({ trace: _, ...row }: Settlement) => JSON.stringify(row)
  for (const slice of slices(here.map(lean))) {
    statements.push(SETTLE_INTERNALLY.bind(door.env, { settlements: slice, token, now, tenant: tenantId }))
  }
  for (const slice of slices(leaving.map(lean))) {
    statements.push(SETTLE.bind(door.env, { settlements: slice, token, now, tenant: tenantId }))
  }
  const cleaned = candidates.flatMap(({ sendId, cleaned }) =>
    cleaned === null
      ? []
      : [JSON.stringify({ id: sendId, input: cleaned.input, recipients: cleaned.recipients })],
  )
  for (const slice of slices(cleaned)) statements.push(DB.prepare(CLEAN).bind(slice, token, tenantId))
  for (const slice of slices(rows.map(lean))) {
    statements.push(DB.prepare(RECIPIENTS).bind(slice, token, now, tenantId))
    if (isAnyHeld) {
      statements.push(DB.prepare(HOLD).bind(slice, token, now, tenantId, now + APPROVAL_MS))
      statements.push(DB.prepare(HELD).bind(slice, token, now, tenantId))
    }
  }
  const traces = rows.map(({ id, trace }) => `${JSON.stringify(id)}:${JSON.stringify(trace)}`)
  for (const slice of slices(traces, ['{', '}'])) {
    statements.push(DB.prepare(TRACE).bind(slice, token, now, tenantId))
  }
  statements.push(...tripped(door, tenantId, token, candidates))
  statements.push(...keepWritten(door, token, written, here))
  const ids = JSON.stringify(rows.map((row) => row.id))
  statements.push(DB.prepare(OUTCOME).bind(ids, token, tenantId))
  const answers = (await DB.batch(statements)) as D1Result<OutcomeRow>[]
  return new Map((answers.at(-1)?.results ?? []).map((row) => [row.id, row]))
}

/** What a canary's trip writes: its count, and an event. */
function tripped({ env, now }: Door, tenantId: string, token: string, candidates: Screened[]) {
  const trips = candidates.flatMap(({ sendId, subject: { facts } }) =>
    facts.dlp.canaries.map(({ id, where }) => ({ sendId, canaryId: id, where })),
  )
  if (trips.length === 0) return []
  const author = { db: database(env), now, tenantId, actor: { kind: 'system' as const, name: 'policy' } }
  return [
    ...[TRIP, TRIPPED].map((statement) =>
      env.DB.prepare(statement).bind(JSON.stringify(trips), token, now.getTime(), tenantId),
    ),
    ...trips.flatMap(({ sendId, canaryId, where }) =>
      audited(
        author,
        [{ action: 'canary.tripped', target: canaryId, detail: { sendId, where } }],
        sql`EXISTS (SELECT 1 FROM sends s WHERE s.tenant_id = ${tenantId} AND s.id = ${sendId}
          AND s.settle_token = ${token} AND s.state = 'blocked')`,
      ).map((query) => prepared(env, query)),
    ),
  ]
}

const isHere = (state: SendState) => state === 'delivered' || state === 'bounced'

/** What was written whole goes to its Sent folder; what was delivered here also to its readers, and counts as heard of. */
function keepWritten(
  { env, now }: Door,
  token: string,
  written: Written[],
  here: Settlement[],
): D1PreparedStatement[] {
  if (written.length === 0) return []
  const letters = written.map((each) => letterOf(each, now))
  const statements = sentStatements(env, letters, now, {
    settleToken: token,
    states: statesWhere(({ isAccepted }) => isAccepted),
  })
  if (here.length === 0) return statements
  const isDelivered = (sendId: string | null) => here.some(({ id }) => id === sendId)
  const signals = written
    .filter(({ sendId }) => isDelivered(sendId))
    .flatMap(({ sendId, tenantId, contacts }) =>
      contacts.map(
        ({ contact, here }): Signal => ({
          tenantId,
          sendId,
          contact,
          kind: here ? 'delivered' : 'hard_bounce',
          carrier: 'internal',
          trace: null,
        }),
      ),
    )
  const ids = JSON.stringify(here.map(({ id }) => ({ id })))
  const [first] = written
  return [
    ...statements,
    ...inboxStatements(
      env,
      letters.filter(({ sendId }) => isDelivered(sendId)),
      now,
      { settleToken: token, states: ['delivered'] },
    ),
    ...[DELIVERED_HERE, DELIVERED].map((sql) =>
      env.DB.prepare(sql).bind(ids, token, now.getTime(), first?.tenantId ?? ''),
    ),
    ...signalStatements(env, signals, now, token),
  ]
}
