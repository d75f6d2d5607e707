import type { Env } from '../../../env.ts'
import type { Health } from '../../policy/circuit.ts'
import { statesIn } from '../../policy/states.ts'
import { RING_AGAIN_MS } from '../../sending/settle.ts'
import { type Family, metricsText, type Sample } from './text.ts'

// Whoever runs the Worker looks at all tenants at once: alone among the verbs, this names no tenant on purpose.

/** Rows of one kind of work that are counted; beyond that it is "as many, or more". */
const COUNTED = 1_000
/** Lines of counts: far more than there are codes of ours. */
const LINES = 500
/** How long an answer serves for all who ask, in ms. */
const KEPT_MS = 5_000

const COUNTS = `SELECT kind, state, reason, count FROM counts WHERE kind IN ('send', 'inbound') ORDER BY kind, state, reason LIMIT ${LINES}`

const RENDERED = statesIn(({ movedBy }) => movedBy.includes('render'))
const DECIDED = statesIn(({ movedBy }) => movedBy.includes('decide') && !movedBy.includes('render'))
const TIMED = statesIn(({ waitsFor }) => waitsFor === 'time')

/**
 * What sends wait for. A send that time alone moves on waits since its time came; another since its state last changed,
 * and is looked for as far ahead as a bell that was rung for it may be under way.
 */
const SENDS_DUE = `
  SELECT CASE WHEN state IN ${DECIDED} OR (state = 'pending_approval' AND rendered) THEN 'decide'
      WHEN state IN ${RENDERED} THEN 'render' ELSE 'deliver' END AS work,
    count(*) AS count, min(iif(by_time, next_at, updated_at)) AS since
  FROM (
    SELECT state, next_at, updated_at, rendered_key IS NOT NULL AS rendered, state IN ${TIMED}
      OR (state = 'pending_approval' AND rendered_key IS NOT NULL) AS by_time
    FROM sends INDEXED BY sends_due
    WHERE next_at IS NOT NULL AND next_at <= ?1 + ${RING_AGAIN_MS} ORDER BY next_at LIMIT ${COUNTED})
  WHERE NOT by_time OR next_at <= ?1
  GROUP BY 1`

const waiting = (work: string, since: string, from: string) => `
  SELECT '${work}' AS work, count(*) AS count, min(since) AS since FROM (SELECT ${since} AS since FROM ${from} LIMIT ${COUNTED})`

const WAITING = [
  waiting('publish', 'created_at', 'events INDEXED BY events_due WHERE next_at IS NOT NULL ORDER BY next_at'),
  waiting(
    'webhook',
    'next_at',
    'webhook_deliveries INDEXED BY webhook_deliveries_due WHERE next_at IS NOT NULL AND next_at <= ?1 ORDER BY next_at',
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

const DEAD_LETTERS = `
  SELECT queue, count(*) AS count, min(created_at) AS since FROM (
    SELECT queue, created_at FROM dead_letters INDEXED BY dead_letters_open WHERE replayed_at IS NULL
    ORDER BY created_at LIMIT ${COUNTED})
  GROUP BY queue`

type Row = {
  count: number
  since: number | null
  kind: 'send' | 'inbound'
  state: string
  reason: string
  work: string
  queue: string
}

const kept = new WeakMap<Env['DB'], { at: number; text: string }>()

/**
 * How all tenants' mail fares, in the text format of Prometheus. Every statement reads a bounded number of rows by an
 * index, and an answer serves for five seconds. `carriers` are those whose health is watched.
 */
export async function readMetrics(env: Env, now: Date, carriers: string[]): Promise<string> {
  const standing = kept.get(env.DB)
  if (standing && Math.abs(now.getTime() - standing.at) < KEPT_MS) return standing.text
  const text = metricsText(await gather(env, now, carriers))
  kept.set(env.DB, { at: now.getTime(), text })
  return text
}

async function gather(env: Env, now: Date, carriers: string[]): Promise<Family[]> {
  const at = now.getTime()
  const [answers, health] = await Promise.all([
    env.DB.batch<Row>([
      env.DB.prepare(COUNTS),
      env.DB.prepare(SENDS_DUE).bind(at),
      env.DB.prepare(DEAD_LETTERS),
      ...WAITING.map((sql) => env.DB.prepare(sql).bind(...(sql.includes('?1') ? [at] : []))),
    ]),
    Promise.all(carriers.map(async (carrier) => ({ carrier, ...(await healthOf(env, carrier, at)) }))),
  ])
  const [counts = [], due = [], dead = [], ...others] = answers.map(({ results }) => results)
  const secondsSince = (since: number | null) => (since === null ? 0 : Math.max(0, at - since) / 1000)
  const of = (wanted: Row['kind']) => counts.filter(({ kind }) => kind === wanted)
  const work = [
    ...WORK.map((name) => due.find((row) => row.work === name) ?? nothing(name)),
    ...others.flat(),
  ]
  return [
    counter(
      'moltpost_sends_total',
      'How often a send has come to this state, and the code that says why.',
      of('send').map(({ state, reason, count }) => ({ labels: { status: state, reason }, value: count })),
    ),
    counter(
      'moltpost_inbound_total',
      'How often a message that came in has come to this state.',
      of('inbound').map(({ state, count }) => ({ labels: { status: state }, value: count })),
    ),
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
    gauge(
      'moltpost_dead_letters',
      `Dead letters that nobody has replayed, by the queue that gave up, counted up to ${COUNTED}.`,
      dead.map(({ queue, count }) => ({ labels: { queue }, value: count })),
    ),
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

const WORK = ['decide', 'render', 'deliver']
const STATES = ['closed', 'open', 'half_open']

const nothing = (work: string) => ({ work, count: 0, since: null })

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

async function healthOf(env: Env, carrier: string, at: number): Promise<Health> {
  return await env.CARRIER_HEALTH.get(env.CARRIER_HEALTH.idFromName(carrier)).health(at)
}
