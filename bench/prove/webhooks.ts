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

Starts the development server and three endpoints on loopback, and lets events happen at a steady rate, by turns: with the
healthy webhook alone, the others being switched off; in good times, when all three answer; and in bad ones, when the second
fails 30 % of all attempts and the third hangs. After bad times the run mends them and moves the retry plan forward (in the
database: \`next_at\` of what waits becomes now), until every delivery is delivered or listed as dead. Exits 1 where an event
is missing at an endpoint, where an attempt bears another id or other bytes than the first, where a signature does not
verify, or where in the median turn the 95th percentile of the healthy webhook's latency in bad times is more than 10 %
above that alone.

  --events N     events in bad times (default 2000)
  --turns N      turns of good and bad times that they are spread over (default 5)
  --rate N       events a second (default 10)
  --seed N       decides which attempts fail (default 1)
  --help         print this`

/** Events before the measurement, so that the program is warm. */
const WARM = 100
const FAILS = 0.3
const WITHIN = 1.1
/** How long everything may take to come to rest once the plan is moved forward, in ms. */
const REST_WITHIN_MS = 180_000

type Heard = {
  id: string
  at: number
  createdAt: number
  bytes: string
  isBelieved: boolean
  isSame: boolean
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
  await happen('warm', WARM)
  const seen: { alone: number[]; good: number[]; bad: number[] }[] = []
  const each = Math.ceil(events / turns)
  const half = Math.ceil(each / 2)
  let moved = 0
  let hung = 0
  for (let turn = 1; turn <= turns; turn++) {
    await switchTo([failing, hanging], false)
    const alone = await during(() => happen(`alone.${turn}`, half))
    await switchTo([failing, hanging], true)
    const good = await during(() => happen(`good.${turn}`, half))
    failing.answer = () => (next() < FAILS ? 500 : 200)
    hanging.answer = () => {
      hung += 1
      return null
    }
    const bad = await during(() => happen(`bad.${turn}`, each))
    seen.push({ alone, good, bad })
    hanging.answer = () => 200
    moved += await bringToRest([failing, hanging])
    failing.answer = () => 200
    note(
      `turn ${turn}: p95 ${[alone, good, bad].map((each) => percentile(each, 0.95)).join(', ')} ms alone, in good times and in bad ones`,
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
  // Turn against turn, so that a moment at which the machine did something else does not decide.
  const ratio = percentile(
    seen.map((turn) => percentile(turn.bad, 0.95) / percentile(turn.alone, 0.95)),
    0.5,
  )
  if (ratio > WITHIN)
    problems.push(`in bad times p95 of the healthy one is ${ratio.toFixed(2)} times what it is alone`)
  console.log(
    [
      `healthy endpoint, p95 in bad times : alone    ${ratio.toFixed(3)} in the median turn; all together ${compare(bad, alone)}`,
      `healthy endpoint, in good times : alone        all together ${compare(good, alone)}`,
      ...[healthy, failing, hanging].map((one, index) => figures(one, lists[index] ?? [])),
      `attempts that hung: ${hung}, for ${turns * each} events; the plan was moved forward ${moved} times`,
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
  if (list.length !== wanted) problems.push(`${name}: ${list.length} deliveries of ${wanted} events`)
  if (new Set(list.map(({ eventId }) => eventId)).size !== list.length)
    problems.push(`${name}: one event twice`)
  for (const { state: at, eventId } of list) {
    if (at !== 'delivered' && at !== 'dead') problems.push(`${name}: ${eventId} is ${at}`)
    if (at === 'delivered' && !byId.has(eventId)) problems.push(`${name}: ${eventId} is missing`)
  }
  const known = new Set(list.map(({ eventId }) => eventId))
  for (const [id, attempts] of byId) {
    if (!known.has(id)) problems.push(`${name}: ${id} is no event`)
    if (new Set(attempts.map(({ bytes }) => bytes)).size > 1) problems.push(`${name}: ${id} in other bytes`)
    if (attempts.some(({ isBelieved }) => !isBelieved)) problems.push(`${name}: ${id} does not verify`)
    if (attempts.some(({ isSame }) => !isSame)) problems.push(`${name}: ${id} is not the id of its event`)
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

/** Lets events happen at the rate asked for, by putting addresses on a list. */
async function happen(name: string, many: number): Promise<number> {
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

/** The latencies at the healthy endpoint, in ms, of what happens meanwhile: from the event to its arrival. */
async function during(work: () => Promise<number>): Promise<number[]> {
  const from = healthy.heard.length
  const many = await work()
  const { heard } = healthy
  for (const until = Date.now() + 60_000; heard.length < from + many && Date.now() < until; ) await sleep(100)
  if (heard.length < from + many)
    problems.push(`healthy: ${from + many - heard.length} events had not arrived`)
  return heard.slice(from).map(({ at, createdAt }) => at - createdAt)
}

/** Moves the time of what waits to now, again and again, until nothing waits. Returns how often. */
async function bringToRest(those: Endpoint[]): Promise<number> {
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

/** The far side of all webhooks: writes down what comes, and answers as the endpoint of that path does. */
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
      isBelieved: believes(one.secret, body, headers),
      isSame: event.id === id,
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

function believes(secret: string, body: string, headers: Record<string, string>): boolean {
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

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
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
