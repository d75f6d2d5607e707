import type { Env } from '../../../env.ts'
import { statement } from '../../ground/sql.ts'
import type { Health } from '../../policy/circuit.ts'
import { statesIn } from '../../policy/states.ts'
import { RING_AGAIN_MS } from '../../sending/settle.ts'
import { type Family, metricsText, type Sample } from './text.ts'

// For the operator: these statements read all tenants, so they name none.

/** Rows of one kind of work that are counted. This number means "this many or more". */
const COUNTED = 1_000
/** Rows of `counts` that are read: far more than there are state and reason codes. */
const LINES = 500
/** How long an answer is reused, in ms. */
const KEPT_MS = 5_000

type Count = { kind: 'send' | 'inbound'; state: string; reason: string; count: number }
type Waiting = { work: string; count: number; since: number | null }
type DeadLetters = { queue: string; count: number; since: number }
type CarrierHealth = Health & { carrier: string }

const readCounts = statement<Count>(
  `SELECT kind, state, reason, count FROM counts WHERE kind IN ('send', 'inbound') ORDER BY kind, state, reason LIMIT ${LINES}`,
)

const RENDERED = statesIn(({ movedBy }) => movedBy.includes('render'))
const DECIDED = statesIn(({ movedBy }) => movedBy.includes('decide') && !movedBy.includes('render'))
const TIMED = statesIn(({ waitsFor }) => waitsFor === 'time')

/**
 * The work that sends wait for. A send that waits for a time is due since that time. Any other send is due since its state
 * last changed; its `next_at` may lie as far ahead as the last bell for it has put it.
 */
const readSendsDue = statement<Waiting>(`
  SELECT CASE WHEN state IN ${DECIDED} OR (state = 'pending_approval' AND rendered) THEN 'decide'
      WHEN state IN ${RENDERED} THEN 'render' ELSE 'deliver' END AS work,
    count(*) AS count, min(iif(by_time, next_at, updated_at)) AS since
  FROM (
    SELECT state, next_at, updated_at, rendered_key IS NOT NULL AS rendered, state IN ${TIMED}
      OR (state = 'pending_approval' AND rendered_key IS NOT NULL) AS by_time
    FROM sends INDEXED BY sends_due
    WHERE next_at IS NOT NULL AND next_at <= :now + ${RING_AGAIN_MS} ORDER BY next_at LIMIT ${COUNTED})
  WHERE NOT by_time OR next_at <= :now
  GROUP BY 1`)

/** Counts the rows of one kind of work, and finds the oldest. */
const waiting = (work: string, since: string, from: string) =>
  statement<Waiting>(`
  SELECT '${work}' AS work, count(*) AS count, min(since) AS since
  FROM (SELECT ${since} AS since FROM ${from} LIMIT ${COUNTED})`)

const OTHERS_WAITING = [
  waiting('publish', 'created_at', 'events INDEXED BY events_due WHERE next_at IS NOT NULL ORDER BY next_at'),
  waiting(
    'webhook',
    'next_at',
    'webhook_deliveries INDEXED BY webhook_deliveries_due WHERE next_at IS NOT NULL AND next_at <= :now ORDER BY next_at',
  ),
  waiting(
    'inbound',
    'received_at',
    'arrivals INDEXED BY arrivals_due WHERE next_at IS NOT NULL ORDER BY next_at',
  ),
  waiting('audit', 'at', 'audit_entries INDEXED BY audit_entries_unlinked WHERE hash IS NULL'),
  waiting(
    'unknown',
    'updated_at',
    `sends INDEXED BY sends_unknown WHERE state = 'unknown' ORDER BY updated_at`,
  ),
  waiting('approval', 'created_at', `approvals INDEXED BY approvals_pending WHERE status = 'pending'`),
]

const readDeadLetters = statement<DeadLetters>(`
  SELECT queue, count(*) AS count, min(created_at) AS since FROM (
    SELECT queue, created_at FROM dead_letters INDEXED BY dead_letters_open WHERE replayed_at IS NULL
    ORDER BY created_at LIMIT ${COUNTED})
  GROUP BY queue`)

const kept = new WeakMap<Env['DB'], { at: number; text: string }>()

/**
 * The metrics of all tenants together, in the text format of Prometheus. Every statement reads a bounded number of rows by
 * an index. An answer is reused for five seconds. `carriers` are the carriers whose health is shown.
 */
export async function readMetrics(env: Env, now: Date, carriers: string[]): Promise<string> {
  const recent = kept.get(env.DB)
  if (recent && Math.abs(now.getTime() - recent.at) < KEPT_MS) return recent.text
  const [{ counts, dead, work }, health] = await Promise.all([
    readRows(env, now.getTime()),
    Promise.all(carriers.map((carrier) => healthOf(env, carrier, now.getTime()))),
  ])
  const families = [
    ...countFamilies(counts),
    ...waitingFamilies(work, now.getTime()),
    gauge(
      'moltpost_dead_letters',
      `Dead letters that nobody has replayed, by the queue that gave up, counted up to ${COUNTED}.`,
      dead.map(({ queue, count }) => ({ labels: { queue }, value: count })),
    ),
    ...carrierFamilies(health),
  ]
  const text = metricsText(families)
  kept.set(env.DB, { at: now.getTime(), text })
  return text
}

async function readRows(env: Env, now: number) {
  const [counts, due, dead, ...others] = await env.DB.batch([
    readCounts.bind(env, {}),
    readSendsDue.bind(env, { now }),
    readDeadLetters.bind(env, {}),
    ...OTHERS_WAITING.map((each) => each.bind(env, each.text.includes(':now') ? { now } : {})),
  ])
  const sendsDue = readSendsDue.rows(due)
  const nothing = (work: string): Waiting => ({ work, count: 0, since: null })
  return {
    counts: readCounts.rows(counts),
    dead: readDeadLetters.rows(dead),
    work: [
      ...SEND_WORK.map((name) => sendsDue.find(({ work }) => work === name) ?? nothing(name)),
      ...OTHERS_WAITING.flatMap((each, position) => each.rows(others[position])),
    ],
  }
}

function countFamilies(counts: Count[]): Family[] {
  const ofKind = (wanted: Count['kind']) => counts.filter(({ kind }) => kind === wanted)
  return [
    counter(
      'moltpost_sends_total',
      'How often a send has come to this state, and the code that says why.',
      ofKind('send').map(({ state, reason, count }) => ({ labels: { status: state, reason }, value: count })),
    ),
    counter(
      'moltpost_inbound_total',
      'How often a message that came in has come to this state.',
      ofKind('inbound').map(({ state, count }) => ({ labels: { status: state }, value: count })),
    ),
  ]
}

function waitingFamilies(work: Waiting[], now: number): Family[] {
  const secondsSince = (since: number | null) => (since === null ? 0 : Math.max(0, now - since) / 1000)
  return [
    gauge(
      'moltpost_waiting',
      `Work that is due, or waits for somebody, counted up to ${COUNTED}.`,
      work.map(({ work, count }) => ({ labels: { work }, value: count })),
    ),
    gauge(
      'moltpost_waiting_oldest_seconds',
      'How long the oldest of it has been due.',
      work.map(({ work, since }) => ({ labels: { work }, value: secondsSince(since) })),
    ),
  ]
}

function carrierFamilies(health: CarrierHealth[]): Family[] {
  return [
    gauge(
      'moltpost_carrier_circuit',
      'Whether the circuit of a carrier is in this state: closed is well, open is not asked.',
      health.flatMap(({ carrier, state }) =>
        STATES.map((each) => ({ labels: { carrier, state: each }, value: each === state ? 1 : 0 })),
      ),
    ),
    gauge(
      'moltpost_carrier_recent_answers',
      'Answers of a carrier in the last 30 seconds; a refused recipient is no failure.',
      health.flatMap(({ carrier, ok, failed }) => [
        { labels: { carrier, outcome: 'ok' }, value: ok },
        { labels: { carrier, outcome: 'failed' }, value: failed },
      ]),
    ),
  ]
}

/** The kinds of work that `readSendsDue` tells apart. */
const SEND_WORK = ['decide', 'render', 'deliver']
const STATES = ['closed', 'open', 'half_open']

const counter = (name: string, help: string, samples: Sample[]): Family => ({
  name,
  type: 'counter',
  help,
  samples,
})
const gauge = (name: string, help: string, samples: Sample[]): Family => ({
  name,
  type: 'gauge',
  help,
  samples,
})

async function healthOf(env: Env, carrier: string, now: number): Promise<CarrierHealth> {
  const health = await env.CARRIER_HEALTH.get(env.CARRIER_HEALTH.idFromName(carrier)).health(now)
  return { carrier, ...health }
}
