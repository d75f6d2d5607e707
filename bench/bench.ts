import { Agent } from 'node:http'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type Answer, fire, type Shot, slice } from './load.ts'
import { MAILS, measureSearch } from './search-latency.ts'
import { openWorld, type Tenant, type World } from './world/open.ts'

const { values: options } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    pairs: { type: 'string' },
    only: { type: 'string' },
  },
})

if (options.help) {
  console.log(`Usage: npm run bench -- [options]

Compares what requests cost with what the least possible send costs on the same machine, at the same time. Prints
ratios, since a bare time says more about the machine than about us.

  --quick      4 short pairs of each, in about a minute
  --pairs N    pairs of slices for each comparison (default 16)
  --only TEXT  only the comparisons whose name contains this
  --json       print one JSON document
  --help       print this`)
  process.exit(0)
}

const pairs = Number(options.pairs ?? (options.quick ? 4 : 16))
if (!Number.isInteger(pairs) || pairs < 1) {
  console.error(`--pairs must be a whole number above 0, not "${options.pairs}".`)
  process.exit(2)
}

/** How long one side of a pair is measured, in ms. */
const SLICE_MS = options.quick ? 200 : 300
/** How long both sides run uncounted before a comparison, in ms. */
const WARM_MS = 150
const CONNECTIONS = [1, 16]
const LIST = 500

type Shots = (tenant: Tenant) => Promise<() => Shot>

type Comparison = {
  name: string
  over: string
  measured: Shots
  against: Shots
  /** The most that the ratio may be; null where it is told for information only. */
  target: number | null
}

let serial = 0
const fresh = () => `bench-${serial++}`

function message({ tenantId, mailboxId }: Tenant, recipientEmail?: string) {
  const dedupeKey = fresh()
  return {
    tenantId,
    mailboxId,
    recipientEmail: recipientEmail ?? `${dedupeKey}@example.net`,
    templateId: 'onboarding-welcome',
    dedupeKey,
    payload: { firstName: 'Alice', trialDays: 14 },
    sendReason: 'onboarding sequence step 1',
  }
}

const answers = (status: string) => (answer: Answer) => answer.status === status

const post = (tenant: Tenant, path: string, body: unknown, expects: Shot['expects']): Shot => ({
  method: 'POST',
  path,
  key: tenant.secret,
  body,
  expects,
})

const SEND = '/v1/agent/request-send'

const floor: Shots = async (tenant) => () => post(tenant, '/bench/floor', message(tenant), answers('queued'))

const send: Shots = async (tenant) => () => post(tenant, SEND, message(tenant), answers('queued'))

const simulation: Shots = async (tenant) => () =>
  post(tenant, '/v1/agent/simulate-send', message(tenant), answers('queued'))

const blocked: Shots = async (tenant) => () =>
  post(tenant, SEND, message(tenant, 'bob@example.com'), answers('blocked'))

const duplicate: Shots = async (tenant) => {
  const body = message(tenant)
  const agent = new Agent()
  const { requestId } = await fire(world.address, agent, post(tenant, SEND, body, answers('queued')))
  return () =>
    post(tenant, SEND, body, (answer) => answer.status === 'duplicate' && answer.requestId === requestId)
}

const list: Shots = async (tenant) => () =>
  post(
    tenant,
    '/bench/list',
    { messages: Array.from({ length: LIST }, () => message(tenant)) },
    ({ results }) => results?.length === LIST && results.every((result) => result.status === 'queued'),
  )

const health: Shots = async () => () => ({
  method: 'GET',
  path: '/health',
  key: null,
  body: undefined,
  expects: answers('ok'),
})

const COMPARISONS: Comparison[] = [
  { name: 'floor', over: 'floor', measured: floor, against: floor, target: null },
  { name: 'send', over: 'floor', measured: send, against: floor, target: 1.5 },
  { name: 'simulate', over: 'floor', measured: simulation, against: floor, target: 0.8 },
  { name: 'duplicate', over: 'floor', measured: duplicate, against: floor, target: null },
  { name: 'blocked', over: 'floor', measured: blocked, against: floor, target: null },
  { name: 'health', over: 'floor', measured: health, against: floor, target: null },
  { name: `list of ${LIST}`, over: 'send', measured: list, against: send, target: 30 },
]

type Row = {
  name: string
  over: string
  connections: number
  median: number
  q1: number
  q3: number
  target: number | null
  isMet: boolean | null
}

const chosen = COMPARISONS.filter(({ name }) => name.includes(options.only ?? ''))
/** Requests of each kind in a pair of rounds of search. */
const SEARCHES = options.quick ? 48 : 112
const isSearched = 'search p50 p99'.includes(options.only ?? '')

// A plan has a cap a day, so that no tenant serves more than one pair.
const world: World = await openWorld(chosen.length * CONNECTIONS.length * (pairs + 1) + 1)
const rows: Row[] = []
try {
  for (const connections of CONNECTIONS) {
    for (const comparison of chosen) rows.push(await compare(comparison, connections))
  }
  if (isSearched) rows.push(...(await compareSearch()))
} finally {
  await world.end()
}
report()

async function compare(
  { name, over, measured, against, target }: Comparison,
  connections: number,
): Promise<Row> {
  const ratios: number[] = []
  for (let pair = 0; pair <= pairs; pair++) {
    const tenant = world.tenants.pop()
    if (!tenant) throw new Error('there are fewer tenants than pairs')
    const isWarmUp = pair === 0
    const ms = isWarmUp ? WARM_MS : SLICE_MS
    const [a, b] = [await measured(tenant), await against(tenant)]
    for (const shots of [a, b]) {
      // The first request to a tenant wakes its object: uncounted.
      await slice(world.address, { connections: 1, ms: 0, shots })
    }
    const times = new Map<() => Shot, number>()
    // Each side goes first as often as the other: what the first leaves behind burdens the second.
    for (const shots of pair % 2 === 0 ? [a, b] : [b, a]) {
      times.set(shots, await slice(world.address, { connections, ms, shots }))
    }
    if (!isWarmUp) ratios.push((times.get(a) ?? 0) / (times.get(b) ?? 0))
  }
  const [q1, median, q3] = [quantile(ratios, 0.25), quantile(ratios, 0.5), quantile(ratios, 0.75)]
  return { name, over, connections, median, q1, q3, target, isMet: target === null ? null : median <= target }
}

async function compareSearch(): Promise<Row[]> {
  const tenant = world.tenants.pop()
  if (!tenant) throw new Error('there is no tenant left to search')
  const measured = await measureSearch(world, tenant, pairs, SEARCHES)
  return measured.map(({ name, ratios }) => {
    const [q1, median, q3] = [quantile(ratios, 0.25), quantile(ratios, 0.5), quantile(ratios, 0.75)]
    return { name, over: 'bare FTS query', connections: 1, median, q1, q3, target: null, isMet: null }
  })
}

function quantile(values: number[], at: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const place = (sorted.length - 1) * at
  const [low, high] = [sorted[Math.floor(place)] ?? 0, sorted[Math.ceil(place)] ?? 0]
  return low + (high - low) * (place - Math.floor(place))
}

function report() {
  const conditions = {
    node: process.version,
    cores: availableParallelism(),
    state: world.isInMemory ? 'memory' : 'disk',
    pairs,
    sliceMs: SLICE_MS,
  }
  if (options.json) {
    console.log(JSON.stringify({ conditions, rows }, null, 2))
    return
  }
  const cells = rows.map((row) => [
    `${row.name} / ${row.over}`,
    String(row.connections),
    figure(row.median),
    `${figure(row.q1)} – ${figure(row.q3)}`,
    row.target === null ? '' : `≤ ${row.target}`,
    row.isMet === null ? '' : row.isMet ? 'met' : 'MISSED',
  ])
  console.log(`Time per request as a ratio: the median of ${pairs} pairs of slices, and their quartiles.
Node ${conditions.node}, ${conditions.cores} cores, state ${world.isInMemory ? 'in memory' : 'on disk (syncs take part)'}. \
No queue has a consumer: what is compared is the request.
"floor / floor" is the noise of this machine. A search is over ${MAILS} messages.
`)
  for (const line of table([['', 'connections', 'median', 'quartiles', 'target', ''], ...cells]))
    console.log(line)
  console.log('')
  for (const { name, over, connections, median } of rows) {
    if (name !== `list of ${LIST}`) continue
    console.log(
      `Over ${connections} connection${connections === 1 ? '' : 's'}, an item of a ${name} costs ${figure(median / LIST)} of a single ${over}.`,
    )
  }
}

function figure(value: number): string {
  return value < 0.2 ? value.toFixed(3) : value.toFixed(2)
}

function table(lines: string[][]): string[] {
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  )
  return lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
