import { sql } from 'drizzle-orm'
import { settings } from '../../env.ts'
import type { SendInput } from '../../schema.ts'
import { ACTIVE_FOR_MS } from '../agents.ts'
import { audited } from '../audit/record.ts'
import { database, prepared } from '../ctx.ts'
import { type Signal, signalStatements } from '../delivery/signals.ts'
import { newestAlias } from '../domains/sender.ts'
import { eventsFrom } from '../events/outbox.ts'
import { newId, newToken } from '../ids.ts'
import { letterOf, type Written } from '../inbox/letter.ts'
import { inboxStatements, sentStatements } from '../inbox/store.ts'
import { SUSPENDED_BELOW } from '../plans.ts'
import { judge, POLICY_VERSION, type Verdict } from '../policy.ts'
import { compileTemplate, missingVariables } from '../rendering.ts'
import { rateWindow, refund } from '../reservations.ts'
import type { SendState } from '../states.ts'
import type { Limits, WindowSnapshot } from '../windows.ts'
import { slices } from './claim.ts'
import type { Door } from './door.ts'
import type { Subject } from './gather.ts'
import { type Cleaned, keepCleaned, type Said, screen } from './screen.ts'

/** A send whose facts are known and that now needs a verdict. */
export type Candidate = {
  sendId: string
  /** The state it must still be in for the verdict to count. */
  from: 'judging' | 'scheduled' | 'pending_approval'
  subject: Subject
  /** Null where the variables are not to be checked: a simulation without payload, a release. */
  input: SendInput | null
  /** What it would say; null where nothing tells any more. */
  said: Said | null
  /** The input is kept in R2, and so is the body of a message written whole. */
  isLarge: boolean
  /** The bytes exist already, so that a release goes straight to delivery. */
  isRendered: boolean
  /** Until when a released send may wait for its windows, in ms since 1970; null where a refusal is final. */
  mayWaitUntil: number | null
}

/** What became of a send once judged, by whichever caller came first. */
export type Decision = {
  sendId: string
  state: SendState
  reason: string | null
  verdict: Verdict | null
  missing: string[]
  approvalId: string | null
  scheduledAt: number | null
  /** Whose mailboxes have received it. */
  readers: string[]
  /** The subject as it was kept, where something in the message was struck out. */
  subject: string | null
  /** This call decided it; otherwise another did and this is what it decided. */
  isMine: boolean
}

type Settlement = {
  id: string
  from: Candidate['from']
  state: SendState
  reason: string | null
  detail: string | null
  nextAt: number | null
  scheduledAt: number | null
  approvalId: string | null
  holdReason: string | null
  trace: Record<string, unknown>
}

/** How long a send may lie in a queue before the sweep rings again, in ms. */
export const RING_AGAIN_MS = 60_000
/** How long an approval stands open, in ms. */
export const APPROVAL_MS = 86_400_000

/** States in which a message is in its sender's Sent folder. */
const SENT = ['queued', 'scheduled', 'pending_approval', 'delivered', 'bounced']

/** The settlements as rows. Materialised, because JSON that is joined directly is parsed anew for every row it meets. */
const SETTLED = `
  o AS MATERIALIZED (
    SELECT value ->> 'id' AS id, value ->> 'from' AS was, value ->> 'state' AS state, value ->> 'reason' AS reason,
      value ->> 'detail' AS detail, value ->> 'nextAt' AS next_at, value ->> 'scheduledAt' AS scheduled_at,
      value ->> 'approvalId' AS approval_id, value ->> 'holdReason' AS hold_reason
    FROM json_each(?1))`

/** What would have stopped a send at its departure: then it is queued, and stopped or delayed there. */
const FENCED = `EXISTS (
  SELECT 1 FROM json_each(s.recipients) r
  LEFT JOIN leases l ON l.tenant_id = s.tenant_id AND l.contact = r.value ->> 'contact' AND l.ended_at IS NULL
    AND l.expires_at > ?3 AND l.agent_id IS NOT s.agent_id
  LEFT JOIN agents a ON a.tenant_id = l.tenant_id AND a.id = l.agent_id
    AND a.last_heartbeat_at >= ?3 - ${ACTIVE_FOR_MS}
  LEFT JOIN suppressions x ON x.tenant_id = s.tenant_id AND x.contact = r.value ->> 'contact'
    AND x.scope <> 'campaign' AND (x.expires_at IS NULL OR x.expires_at > ?3)
  WHERE a.id IS NOT NULL OR x.id IS NOT NULL)
  OR NOT EXISTS (
    SELECT 1 FROM tenants t JOIN mailboxes m ON m.tenant_id = t.id AND m.id = s.mailbox_id
    WHERE t.id = s.tenant_id AND t.status = 'active' AND m.status = 'active' AND m.frozen_at IS NULL
      AND m.reputation >= ${SUSPENDED_BELOW}
      AND NOT EXISTS (SELECT 1 FROM domains d WHERE d.tenant_id = m.tenant_id
        AND d.id = ${newestAlias('m.tenant_id', 'm.id')} AND d.status <> 'verified'))`

/** Settlements that deliver at once, put into the queue instead where the fence has closed since the facts were read. */
const SETTLED_HERE = `
  asked AS MATERIALIZED (SELECT value FROM json_each(?1)),
  o AS MATERIALIZED (
    SELECT p.value ->> 'id' AS id, p.value ->> 'from' AS was, p.value ->> 'reason' AS reason,
      p.value ->> 'detail' AS detail, p.value ->> 'scheduledAt' AS scheduled_at,
      p.value ->> 'approvalId' AS approval_id, p.value ->> 'holdReason' AS hold_reason,
      iif(${FENCED}, 'queued', p.value ->> 'state') AS state, iif(${FENCED}, ?3 + ${RING_AGAIN_MS}, NULL) AS next_at
    FROM asked p CROSS JOIN sends s ON s.tenant_id = ?4 AND s.id = p.value ->> 'id')`

const SETTLE = (settled: string) => `
  WITH ${settled}
  UPDATE sends SET state = o.state, reason = o.reason, detail = o.detail, next_at = o.next_at,
    approval_id = coalesce(o.approval_id, sends.approval_id),
    scheduled_at = coalesce(o.scheduled_at, sends.scheduled_at),
    burned_key = iif(o.state IN ('blocked', 'failed'), NULL, sends.burned_key),
    settle_token = ?2, updated_at = ?3, claims = 0
  FROM o
  WHERE sends.tenant_id = ?4 AND sends.id = o.id AND sends.state = o.was`

const RECIPIENTS = `
  WITH ${SETTLED}
  INSERT INTO send_recipients
    (tenant_id, contact, send_id, mailbox_id, agent_id, email, state, carrier, created_at, updated_at)
  SELECT s.tenant_id, r.value ->> 'contact', s.id, s.mailbox_id, s.agent_id, r.value ->> 'email', 'pending',
    iif(s.state IN ('delivered', 'bounced'), 'internal', NULL), ?3, ?3
  FROM o
  CROSS JOIN sends s ON s.tenant_id = ?4 AND s.id = o.id AND s.settle_token = ?2
    AND s.state NOT IN ('blocked', 'failed')
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
  WITH ${SETTLED}
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

type OutcomeRow = {
  id: string
  state: SendState
  reason: string | null
  approval_id: string | null
  scheduled_at: number | null
  is_mine: number
  verdict: string | null
}

/**
 * Judge the candidates in order, as if sent one after the other, and settle each by compare-and-set. Two waits: the
 * tenant's windows, then one database batch.
 */
export async function decide(
  door: Door,
  tenantId: string,
  asked: Candidate[],
): Promise<Map<string, Decision>> {
  const candidates = asked.map((candidate) => screened(tenantId, candidate))
  const missing = new Map(asked.map((candidate) => [candidate.sendId, missingIn(candidate)]))
  const [windows] = await Promise.all([
    askWindows(door, tenantId, candidates, { missing, mode: 'spend' }),
    ...candidates.map(
      ({ sendId, isLarge, cleaned }) => cleaned && keepCleaned(door.env, sendId, isLarge, cleaned),
    ),
  ])
  const settlements = candidates.map((candidate) =>
    settlement(door, candidate, missing.get(candidate.sendId) ?? [], windows.get(candidate.sendId)?.snapshot),
  )
  const written = candidates.flatMap((candidate) => writtenBy(door, tenantId, candidate))
  const outcomes = await settle(door, tenantId, { rows: settlements, written, candidates })

  const lost = [...outcomes.values()].filter(
    (row) => row.is_mine === 0 && windows.get(row.id)?.spent && !isAccepted(row.state),
  )
  if (lost.length > 0)
    await refund(
      door,
      tenantId,
      lost.map((row) => row.id),
    )

  const subjects = new Map(candidates.map(({ sendId, subject }) => [sendId, subject]))
  const cleaned = new Map(candidates.map(({ sendId, cleaned }) => [sendId, cleaned]))
  const mine = new Map(settlements.map((each) => [each.id, each]))
  return new Map(
    [...outcomes.values()].map((row): [string, Decision] => {
      const settled = mine.get(row.id)
      const verdict = row.is_mine ? settled?.trace.verdict : row.verdict && JSON.parse(row.verdict)
      return [
        row.id,
        {
          sendId: row.id,
          state: row.state,
          reason: row.reason,
          verdict: (verdict ?? null) as Verdict | null,
          missing: missing.get(row.id) ?? [],
          approvalId: row.approval_id,
          scheduledAt: row.scheduled_at,
          readers: subjects.get(row.id)?.readers ?? [],
          subject: cleaned.get(row.id)?.input.inline?.subject ?? null,
          isMine: row.is_mine === 1,
        },
      ]
    }),
  )
}

/**
 * What `decide` would decide, with the windows looked at and nothing written: each candidate on its own, or in order,
 * each after what those before it would have spent.
 */
export async function preview(
  door: Door,
  tenantId: string,
  asked: Candidate[],
  isSequential: boolean,
): Promise<{ sendId: string; verdict: Verdict; missing: string[] }[]> {
  const candidates = asked.map((candidate) => screened(tenantId, candidate))
  const missing = new Map(asked.map((candidate) => [candidate.sendId, missingIn(candidate)]))
  const windows = isSequential
    ? await askWindows(door, tenantId, candidates, { missing, mode: 'spend in memory' })
    : await askWindows(door, tenantId, candidates, { missing: new Map(), mode: 'look' })
  return candidates.map(({ sendId, subject }) => ({
    sendId,
    verdict: judge(subject.facts, windows.get(sendId)?.snapshot ?? null),
    missing: missing.get(sendId) ?? [],
  }))
}

type ScreenedCandidate = Candidate & { cleaned: Cleaned | null }

/** The candidate with what was found in it among its facts, and without it where it is not to stay. */
function screened(tenantId: string, candidate: Candidate): ScreenedCandidate {
  const { subject, input, said } = candidate
  if (said === null) return { ...candidate, cleaned: null }
  const { dlp, cleaned } = screen(tenantId, subject, said)
  return {
    ...candidate,
    subject: { ...subject, facts: { ...subject.facts, dlp } },
    input: input && (cleaned?.input ?? input),
    cleaned,
  }
}

/** Whether a send in this state has burned its dedupe key. */
export function isAccepted(state: SendState): boolean {
  return !['judging', 'blocked', 'failed', 'rejected', 'cancelled'].includes(state)
}

function missingIn({ subject, input }: Candidate): string[] {
  if (input === null) return []
  if (input.inline) {
    const { subject: line, html, text } = input.inline
    return [...(line === '' ? ['subject'] : []), ...(html === null && text === null ? ['text'] : [])]
  }
  if (subject.template === null) return []
  const template = compileTemplate(subject.template)
  return template.ok ? missingVariables(template.compiled, input.payload, subject.system) : []
}

async function askWindows(
  door: Door,
  tenantId: string,
  candidates: Candidate[],
  { missing, mode }: { missing: Map<string, string[]>; mode: 'spend' | 'spend in memory' | 'look' },
): Promise<Map<string, { spent: boolean; snapshot: WindowSnapshot }>> {
  const asking = candidates.filter((candidate) => (missing.get(candidate.sendId) ?? []).length === 0)
  const [first] = asking
  if (!first) return new Map()
  const limits: Record<string, Limits> = {}
  const requests = asking.map(({ sendId, subject }) => {
    limits[subject.mailboxId] = subject.limits
    const { allow, hold } = judge(subject.facts, null)
    const { leavesAt, now, contacts } = subject.facts
    return {
      sendId,
      mailboxId: subject.mailboxId,
      contacts: contacts.map((contact) => contact.contact),
      spend: mode !== 'look' && allow && hold === null && leavesAt === now,
      leavesAt,
      cooldownMs: subject.cooldownMs,
    }
  })
  const object = rateWindow(door, tenantId)
  const asked = [requests, limits, first.subject.planLimits, door.now.getTime()] as const
  const answers = await (mode === 'spend' ? object.reserve(...asked) : object.peek(...asked))
  return new Map(answers.map(({ sendId, spent, snapshot }) => [sendId, { spent, snapshot }]))
}

function settlement(
  door: Door,
  candidate: Candidate,
  missing: string[],
  window: WindowSnapshot | undefined,
): Settlement {
  const { facts } = candidate.subject
  const now = door.now.getTime()
  const verdict = judge(facts, window ?? null)
  const base: Settlement = {
    id: candidate.sendId,
    from: candidate.from,
    state: 'queued',
    reason: null,
    detail: null,
    nextAt: now + RING_AGAIN_MS,
    scheduledAt: null,
    approvalId: null,
    holdReason: null,
    trace: { policyVersion: verdict.policyVersion, facts, window: window ?? null, verdict },
  }
  if (missing.length > 0) {
    const detail = `missing: ${missing.join(', ')}`
    return { ...base, state: 'failed', reason: 'template_render_failed', detail, nextAt: null }
  }
  if (verdict.refusal) return refused(base, candidate, verdict.refusal, now)
  if (verdict.hold !== null) {
    const approvalId = newId('apq', door.now)
    return { ...base, state: 'pending_approval', approvalId, holdReason: verdict.hold }
  }
  if (facts.leavesAt > now) return { ...base, state: 'scheduled', nextAt: facts.leavesAt }
  if (staysHere(candidate)) {
    const state = facts.contacts.some(({ here }) => here) ? 'delivered' : 'bounced'
    return { ...base, state, nextAt: null }
  }
  return { ...base, state: candidate.isRendered ? 'ready' : 'queued' }
}

/** Whether a message can be put into its readers' inboxes by the very statement that settles it. */
function staysHere({ from, input, isLarge, subject: { facts } }: Candidate): boolean {
  if (from !== 'judging' || !input?.isComposed || isLarge || (input.files ?? []).length > 0) return false
  return !facts.humanized && facts.contacts.every(({ ours }) => ours)
}

function writtenBy({ env }: Door, tenantId: string, { from, sendId, input, isLarge, subject }: Candidate) {
  if (from !== 'judging' || !input?.isComposed) return []
  const { mailboxId, sender, facts } = subject
  const { mailDomain } = settings(env)
  return [{ sendId, tenantId, mailboxId, sender, contacts: facts.contacts, input, isLarge, mailDomain }]
}

/** A refusal at release waits where time alone would lift it soon enough; any other ends the send. */
function refused(
  base: Settlement,
  { mayWaitUntil }: Candidate,
  { reason, detail, retryAt }: NonNullable<Verdict['refusal']>,
  now: number,
): Settlement {
  const isPassing = reason === 'cooldown' || reason === 'rate_limited'
  if (isPassing && mayWaitUntil !== null && retryAt !== undefined && retryAt <= mayWaitUntil) {
    const scheduledAt = base.from === 'scheduled' ? null : now
    return { ...base, state: 'scheduled', reason, detail, scheduledAt, nextAt: retryAt }
  }
  return { ...base, state: 'blocked', reason, detail, nextAt: null }
}

async function settle(
  door: Door,
  tenantId: string,
  { rows, written, candidates }: { rows: Settlement[]; written: Written[]; candidates: ScreenedCandidate[] },
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
    statements.push(DB.prepare(SETTLE(SETTLED_HERE)).bind(slice, token, now, tenantId))
  }
  for (const slice of slices(leaving.map(lean))) {
    statements.push(DB.prepare(SETTLE(SETTLED)).bind(slice, token, now, tenantId))
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
function tripped({ env, now }: Door, tenantId: string, token: string, candidates: ScreenedCandidate[]) {
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
  const statements = sentStatements(env, letters, now, { settleToken: token, states: SENT })
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
