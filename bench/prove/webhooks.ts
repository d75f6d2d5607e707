import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Webhook } from 'standardwebhooks'
import { DEMO_OWNER_KEY } from '../../src/core/local/demo-world.ts'
import { devDatabase } from '../../test/support/dev-database.ts'
import { sleep, startDev } from '../../test/support/program.ts'

const HELP = `Usage: npm run prove -- webhooks [options]

Starts the development server and three webhook endpoints on loopback. Each turn publishes events at a steady rate, in three
phases:
- alone: only the healthy endpoint gets events; the other two webhooks are switched off
- good: all three endpoints answer
- bad: the second endpoint fails 30 % of its attempts, and the third hangs
After the bad phase the third endpoint answers again. All waiting deliveries become due at once (\`next_at\` in the database),
again and again, until each one is delivered or dead.

Exits with 1 if an endpoint misses an event, if a repeated attempt has another id or other bytes, if a signature does not
verify, or if the healthy endpoint is slower in the bad phase: in the median turn, the 95th percentile of its latency may be
at most 10 % above that of the phase alone.

  --events N     events in all bad phases together (default 2000)
  --turns N      number of turns (default 5)
  --rate N       events per second (default 10)
  --seed N       decides which attempts fail (default 1)
  --help         print this`

/** Events before the measurement, to warm up. */
const WARM = 100
const FAILS = 0.3
const WITHIN = 1.1
/** How long it may take until no delivery waits, after a bad phase, in ms. */
const REST_WITHIN_MS = 180_000

type Heard = {
  id: string
  at: number
  createdAt: number
  bytes: string
  isVerified: boolean
  isIdOfEvent: boolean
}
type Endpoint = { url: string; secret: string; id: string; heard: Heard[]; answer: () => number | null }
type Delivery = { state: string; eventId: string; attempts: number }

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '2000' },
    turns: { type: 'string', default: '5' },
    rate: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const [events, turns, rate, seed] = [count('events'), count('turns'), count('rate'), count('seed')]
const startedAt = Date.now()
const endpoints = new Map<string, Endpoint>()
const receiver = await startReceiver()
const next = random(seed)
const healthy = endpoint('healthy', () => 200)
const failing = endpoint('failing', () => 200)
const hanging = endpoint('hanging', () => 200)

const state = await mkdtemp(join(tmpdir(), 'moltpost-webhooks-'))
const server = await startDev(state, { EGRESS_ALLOW: receiver.host })
const problems: string[] = []
try {
  for (const one of [healthy, failing, hanging]) await subscribe(one)
  await causeEvents('warm', WARM)
  const seen: { alone: number[]; good: number[]; bad: number[] }[] = []
  const each = Math.ceil(events / turns)
  const half = Math.ceil(each / 2)
  let moved = 0
  let hung = 0
  for (let turn = 1; turn <= turns; turn++) {
    await switchTo([failing, hanging], false)
    const alone = await during(() => causeEvents(`alone.${turn}`, half))
    await switchTo([failing, hanging], true)
    const good = await during(() => causeEvents(`good.${turn}`, half))
    failing.answer = () => (next() < FAILS ? 500 : 200)
    hanging.answer = () => {
      hung += 1
      return null
    }
    const bad = await during(() => causeEvents(`bad.${turn}`, each))
    seen.push({ alone, good, bad })
    hanging.answer = () => 200
    moved += await makeDue([failing, hanging])
    failing.answer = () => 200
    note(
      `turn ${turn}: p95 ${[alone, good, bad].map((each) => percentile(each, 0.95)).join(', ')} ms in the phases alone, good and bad`,
    )
  }
  const many = WARM + turns * (each + half)
  const lists = await Promise.all([healthy, failing, hanging].map(deliveriesOf))
  for (const [name, one, list, wanted] of [
    ['healthy', healthy, lists[0], many + turns * half],
    ['failing', failing, lists[1], many],
    ['hanging', hanging, lists[2], many],
  ] as const) {
    check(name, one, list ?? [], wanted)
  }
  const { alone, good, bad } = {
    alone: seen.flatMap((turn) => turn.alone),
    good: seen.flatMap((turn) => turn.good),
    bad: seen.flatMap((turn) => turn.bad),
  }
  // The ratio is taken for each turn, so that one slow moment of the machine does not decide the result.
  const ratio = percentile(
    seen.map((turn) => percentile(turn.bad, 0.95) / percentile(turn.alone, 0.95)),
    0.5,
  )
  if (ratio > WITHIN)
    problems.push(
      `in the bad phase, p95 of the healthy endpoint is ${ratio.toFixed(2)} times that of the phase alone`,
    )
  console.log(
    [
      `healthy endpoint, p95 bad : alone   ${ratio.toFixed(3)} in the median turn; all turns ${compare(bad, alone)}`,
      `healthy endpoint, p95 good : alone  all turns ${compare(good, alone)}`,
      ...[healthy, failing, hanging].map((one, index) => figures(one, lists[index] ?? [])),
      `attempts that hung: ${hung}, for ${turns * each} events; waiting deliveries were made due ${moved} times`,
    ].join('\n'),
  )
} finally {
  await server.kill()
  receiver.stop()
  await rm(state, { recursive: true, force: true })
}
const seconds = Math.round((Date.now() - startedAt) / 1_000)
for (const problem of problems.slice(0, 10)) console.log(`FAILS: ${problem}`)
console.log(
  problems.length === 0 ? `Holds (${seconds} s).` : `FAILS in ${problems.length} points (${seconds} s).`,
)
process.exit(problems.length === 0 ? 0 : 1)

function check(name: string, { heard }: Endpoint, list: Delivery[], wanted: number) {
  const byId = Map.groupBy(heard, ({ id }) => id)
  if (list.length !== wanted) problems.push(`${name}: ${list.length} deliveries for ${wanted} events`)
  if (new Set(list.map(({ eventId }) => eventId)).size !== list.length)
    problems.push(`${name}: one event has two deliveries`)
  for (const { state: at, eventId } of list) {
    if (at !== 'delivered' && at !== 'dead') problems.push(`${name}: ${eventId} is ${at}`)
    if (at === 'delivered' && !byId.has(eventId)) problems.push(`${name}: ${eventId} is missing`)
  }
  const known = new Set(list.map(({ eventId }) => eventId))
  for (const [id, attempts] of byId) {
    if (!known.has(id)) problems.push(`${name}: ${id} is not the id of an event`)
    if (new Set(attempts.map(({ bytes }) => bytes)).size > 1)
      problems.push(`${name}: two attempts of ${id} have different bytes`)
    if (attempts.some(({ isVerified }) => !isVerified))
      problems.push(`${name}: the signature of ${id} does not verify`)
    if (attempts.some(({ isIdOfEvent }) => !isIdOfEvent))
      problems.push(`${name}: ${id} and the id in the body differ`)
  }
}

function compare(one: number[], other: number[]): string {
  const [p95, p50] = [0.95, 0.5].map((part) => `${percentile(one, part)} : ${percentile(other, part)} ms`)
  return `${p95}; p50 ${p50}`
}

function figures({ url, heard }: Endpoint, list: Delivery[]): string {
  const ids = new Set(heard.map(({ id }) => id)).size
  const delivered = list.filter((each) => each.state === 'delivered').length
  const dead = list.filter((each) => each.state === 'dead').length
  return `${url.split('/').at(-1)}: ${delivered} delivered + ${dead} dead of ${list.length}; ${(heard.length / ids).toFixed(2)} attempts for each id`
}

/** Causes events at the given rate: each is a new suppression. */
async function causeEvents(name: string, many: number): Promise<number> {
  const begun = Date.now()
  const calls: Promise<unknown>[] = []
  for (let index = 0; index < many; index++) {
    await sleep(Math.max(0, begun + (index * 1_000) / rate - Date.now()))
    calls.push(
      call('POST', '/v1/suppressions', {
        recipientEmail: `${name}.${index}@example.com`,
        reasonCode: 'manual_dnc',
      }),
    )
  }
  await Promise.all(calls)
  return many
}

async function subscribe(one: Endpoint) {
  const { id, secret } = await call<{ id: string; secret: string }>('POST', '/v1/agent/webhooks', {
    url: one.url,
    events: ['suppression.created'],
  })
  Object.assign(one, { id, secret })
}

async function switchTo(those: Endpoint[], enabled: boolean) {
  for (const { id } of those) await call('PATCH', `/v1/agent/webhooks/${id}`, { enabled })
}

/** Runs `work`, which causes events. Returns their latencies in ms, from the event to its arrival at the healthy endpoint. */
async function during(work: () => Promise<number>): Promise<number[]> {
  const from = healthy.heard.length
  const many = await work()
  const { heard } = healthy
  for (const until = Date.now() + 60_000; heard.length < from + many && Date.now() < until; ) await sleep(100)
  if (heard.length < from + many)
    problems.push(`healthy: ${from + many - heard.length} events did not arrive within 60 s`)
  return heard.slice(from).map(({ at, createdAt }) => at - createdAt)
}

/** Makes all waiting deliveries due, again and again, until none waits. Returns how often. */
async function makeDue(those: Endpoint[]): Promise<number> {
  const db = devDatabase(state)
  try {
    const move = db.prepare(
      `UPDATE webhook_deliveries SET next_at = 1, is_waiting = 0
       WHERE webhook_id = ? AND state = 'pending' AND lock_token IS NULL`,
    )
    const left = db.prepare(
      `SELECT count(*) AS n FROM webhook_deliveries WHERE webhook_id = ? AND state = 'pending'`,
    )
    let moved = 0
    for (const until = Date.now() + REST_WITHIN_MS; Date.now() < until; await sleep(1_000)) {
      const waiting = those.reduce((sum, { id }) => sum + Number(left.get(id)?.n), 0)
      if (waiting === 0) return moved
      if (moved % 10 === 0) note(`${waiting} deliveries wait`)
      for (const { id } of those) move.run(id)
      moved += 1
    }
    return moved
  } finally {
    db.close()
  }
}

async function deliveriesOf({ id }: Endpoint): Promise<Delivery[]> {
  const found: Delivery[] = []
  for (let cursor = ''; ; ) {
    const path = `/v1/agent/webhooks/${id}/deliveries?limit=100${cursor}`
    const page = await call<{ items: Delivery[]; nextCursor: string | null }>('GET', path)
    found.push(...page.items)
    if (page.nextCursor === null) return found
    cursor = `&cursor=${page.nextCursor}`
  }
}

async function call<Body>(method: string, path: string, body?: object): Promise<Body> {
  const response = await fetch(`${server.address}${path}`, {
    method,
    headers: { authorization: `Bearer ${DEMO_OWNER_KEY}`, 'content-type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(60_000),
  })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  return (await response.json()) as Body
}

function endpoint(name: string, answer: () => number | null): Endpoint {
  const made = { url: `http://${receiver.host}/${name}`, secret: '', id: '', heard: [], answer }
  endpoints.set(`/${name}`, made)
  return made
}

/** Starts the server of all endpoints. It records each request, and the endpoint of the path decides the answer. */
async function startReceiver() {
  const server = createServer(async (request, response) => {
    const at = Date.now()
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const body = Buffer.concat(parts).toString()
    const one = endpoints.get(request.url ?? '')
    if (!one) return response.writeHead(404).end()
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([key, value]) => [key, String(value)]),
    )
    const event = JSON.parse(body) as { id: string; created_at: string }
    const id = headers['webhook-id'] ?? ''
    one.heard.push({
      id,
      at,
      createdAt: Date.parse(event.created_at),
      bytes: createHash('sha256').update(body).digest('hex'),
      isVerified: verifies(one.secret, body, headers),
      isIdOfEvent: event.id === id,
    })
    const status = one.answer()
    if (status !== null) response.writeHead(status).end('thank you')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

function verifies(secret: string, body: string, headers: Record<string, string>): boolean {
  try {
    new Webhook(secret).verify(body, headers)
    return true
  } catch {
    return false
  }
}

function percentile(values: number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN
}

/** Random numbers from 0 to 1 (mulberry32). The same seed gives the same numbers. */
function random(from: number): () => number {
  let at = from >>> 0
  return () => {
    at = (at + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(at ^ (at >>> 15), at | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function count(name: 'events' | 'turns' | 'rate' | 'seed'): number {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number >= 1) return number
  console.error(`--${name} must be a whole number above 0, not "${values[name]}".`)
  process.exit(2)
}

function note(line: string) {
  process.stderr.write(`${line}\n`)
}
