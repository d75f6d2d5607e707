import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DEMO, demoKey } from '../../src/core/local/demo-world.ts'
import { type DevServer, sleep, startDev } from '../../test/support/program.ts'

const HELP = `Usage: npm run prove -- crash [options]

Each round does this:
1. requests sends from the development server and kills it with SIGKILL at a random moment
2. starts it again on the same state, and repeats every request that got no answer, with the same dedupe key
3. checks over HTTP that every send was decided, that no accepted send was lost, and that none was delivered or counted twice
Exits with 1 if a check fails.

  --rounds N     number of rounds (default 20)
  --sends N      sends in each round (default 200)
  --parallel N   rounds at the same time; a round mostly waits for locks to expire (default 4)
  --calls N      concurrent requests (default 16)
  --seed N       seed of the random moments (default: from the clock)
  --json         print the figures as JSON
  --help         print this`

/** States in which nothing more happens to a send. */
const AT_REST = ['delivered', 'accepted', 'bounced', 'failed', 'blocked', 'unknown', 'cancelled', 'rejected']
/** How long all sends of a round may take to reach such a state after the restart, in ms. */
const REST_WITHIN_MS = 400_000
/** How many requests that were answered are also repeated, in each round. */
const REPEATS = 20
/** How long after the last answer a kill may still happen, as a share of the time that the requests took. */
const DRAIN = 0.35

/** Every third round uses a slow carrier, and its kill waits until a send is in flight. */
const SLOW_EVERY = 3
/** How long the slow carrier takes to answer, in ms. */
const SLOW_MS = 300

const HEADERS = {
  authorization: `Bearer ${demoKey({ DEMO_KEY: undefined })}`,
  'content-type': 'application/json',
}

type Answer = { requestId: string; status: string }
type Call = { key: string; to: string; before: Answer | null; after: Answer | null }
type Sent = {
  requestId: string
  status: string
  dedupeKey: string
  recipientEmail: string
  reason: string | null
}
type Mail = { sendId: string; recipient: string }
type Trace = { trace: { kind: string; body: Record<string, unknown> }[] }

type Round = {
  round: number
  killed: string
  left: string
  answered: number
  retried: number
  decided: number
  delivered: number
  lost: number
  twice: number
  resumed: number
  replayed: number
  restMs: number
  seconds: number
  problems: string[]
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    sends: { type: 'string', default: '200' },
    parallel: { type: 'string', default: '4' },
    calls: { type: 'string', default: '16' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const rounds = count('rounds')
const sends = count('sends')
const parallel = count('parallel')
const calls = count('calls')
const seed = count('seed')

const startedAt = Date.now()
const moments = killMoments()
const results: Round[] = []
note(`${rounds} rounds of ${sends} sends, ${parallel} at a time, seed ${seed}`)
await inParallel([...moments.keys()], parallel, async (index) => {
  const round = await play(index + 1, moments[index] ?? 0, random(seed * 1_000 + index))
  results.push(round)
  const { problems, seconds } = round
  const verdict = problems.length === 0 ? 'holds' : `FAILS: ${problems.slice(0, 5).join('; ')}`
  note(`round ${round.round}: killed ${round.killed}, ${seconds} s: ${verdict}`)
})
results.sort((one, other) => one.round - other.round)
const failed = results.filter((round) => round.problems.length > 0)
if (values.json) console.log(JSON.stringify({ seed, rounds: results }, null, 2))
else console.log(`${table()}\n\n${closing()}`)
process.exit(failed.length === 0 ? 0 : 1)

/**
 * Plays one round. `moment` says when to kill: below 1, after this share of the answers; above 1, after the last answer, by
 * this share of the time that the requests took.
 */
async function play(round: number, moment: number, next: () => number): Promise<Round> {
  const beganAt = Date.now()
  const state = await mkdtemp(join(tmpdir(), 'moltpost-crash-'))
  const asked: Call[] = Array.from({ length: sends }, (_, index) => {
    const name = `r${round}-${String(index).padStart(3, '0')}`
    return { key: `crash-${name}`, to: `${name}@example.com`, before: null, after: null }
  })
  const carrier = round % SLOW_EVERY === 0 ? await startSlowCarrier() : null
  let server: DevServer | null = null
  try {
    server = await startDev(state, carrier?.env)
    const killed = await askAndKill(server, asked, { moment, isAimed: carrier !== null, next })
    const answered = asked.filter((call) => call.before !== null)

    server = await startDev(state, carrier?.env)
    const at = server.address
    const restartedAt = Date.now()
    const left = leftBehind(await listSends(at))
    const again = [...asked.filter((call) => call.before === null), ...sample(answered, REPEATS, next)]
    await inParallel(again, calls, async (call) => {
      call.after = await request(at, call)
    })
    const { sent, isAtRest } = await rest(at)
    const restMs = Date.now() - restartedAt
    const known = { round, killed, left, answered: answered.length, retried: again.length, restMs }
    const figures = await check(at, asked, sent, carrier?.taken ?? null)
    if (!isAtRest) figures.problems.push(`some sends did not end within ${REST_WITHIN_MS / 1_000} s`)
    return { ...known, ...figures, seconds: Math.round((Date.now() - beganAt) / 1_000) }
  } finally {
    await server?.kill()
    carrier?.stop()
    await rm(state, { recursive: true, force: true })
  }
}

/** Requests every send and kills the server at the given moment. Returns a description of that moment. */
async function askAndKill(
  server: DevServer,
  asked: Call[],
  { moment, isAimed, next }: { moment: number; isAimed: boolean; next: () => number },
): Promise<string> {
  const killAfter = moment < 1 ? Math.floor(moment * asked.length) : asked.length
  const beganAt = Date.now()
  let waitMs = Math.floor(next() * 30)
  let answered = 0
  let killing: Promise<void> | null = null
  const kill = async () => {
    if (moment >= 1) waitMs = Math.floor((moment - 1) * (Date.now() - beganAt))
    await sleep(waitMs)
    if (isAimed) await untilInFlight(server.address)
    await server.kill()
  }
  const isTime = () => {
    if (answered >= killAfter) killing ??= kill()
  }
  isTime()
  let isDown = false
  await inParallel(asked, calls, async (call) => {
    if (isDown) return
    call.before = await request(server.address, call).catch(() => null)
    if (call.before === null) isDown = true
    else answered += 1
    isTime()
  })
  killing ??= kill()
  await killing
  const after = `${waitMs} ms after ${killAfter === asked.length ? 'the last' : `answer ${killAfter}`}`
  return isAimed ? `${after}, then with sends in flight` : after
}

/**
 * A carrier with the API of Resend. It takes one message for each Idempotency-Key. It waits before it takes the message and
 * again before it answers, so that a kill can leave ambiguous attempts.
 */
async function startSlowCarrier() {
  const taken: Mail[] = []
  const keys = new Set<string>()
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const { to, tags } = JSON.parse(Buffer.concat(parts).toString()) as {
      to: string[]
      tags: { name: string; value: string }[]
    }
    const sendId = tags.find(({ name }) => name === 'send_id')?.value ?? ''
    const key = String(request.headers['idempotency-key'])
    await sleep(SLOW_MS / 2)
    if (!keys.has(key)) for (const recipient of to) taken.push({ sendId, recipient })
    keys.add(key)
    await sleep(SLOW_MS / 2)
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ id: key }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const stop = () => {
    server.closeAllConnections()
    server.close()
  }
  return { taken, stop, env: { CARRIERS: 'resend:1', RESEND_API_KEY: 're_local', RESEND_BASE_URL: url } }
}

/** Waits until a send is in flight, for at most 3 s. */
async function untilInFlight(at: string) {
  for (const until = Date.now() + 3_000; Date.now() < until; ) {
    const { items } = await get<{ items: Sent[] }>(at, '/v1/agent/sends?status=in_flight&limit=1')
    if (items.length > 0) return
  }
}

/** How many sends the kill left in each state. */
function leftBehind(sent: Sent[]): string {
  const states = Map.groupBy(sent, (each) => each.status)
  return [...states].map(([state, those]) => `${those.length} ${state}`).join(', ')
}

/** Waits until nothing more happens to any send. Rows that the killed server had locked must wait until the lock expires. */
async function rest(at: string): Promise<{ sent: Sent[]; isAtRest: boolean }> {
  for (const until = Date.now() + REST_WITHIN_MS; ; await sleep(1_000)) {
    const sent = await listSends(at)
    const isAtRest = sent.every(({ status }) => AT_REST.includes(status))
    if (isAtRest || Date.now() > until) return { sent, isAtRest }
  }
}

async function check(at: string, asked: Call[], sent: Sent[], taken: Mail[] | null) {
  const problems: string[] = []
  const byKey = Map.groupBy(sent, (each) => each.dedupeKey)
  const finals = await mapParallel(asked, (call) => request(at, call))
  const outbox = await mapParallel(asked, async ({ to }) => {
    if (taken) return taken.filter((mail) => mail.recipient === to)
    return (await get<{ items: Mail[] }>(at, `/dev/outbox?to=${encodeURIComponent(to)}`)).items
  })
  const traces = await mapParallel(sent, ({ requestId }) => get<Trace>(at, `/v1/agent/sends/${requestId}`))
  let [decided, delivered, lost, twice] = [0, 0, 0, 0]
  for (const [index, { key, to, before, after }] of asked.entries()) {
    const own = byKey.get(key) ?? []
    const [send] = own
    const mails = outbox[index] ?? []
    const answers = [before, after, finals[index] ?? null].filter((answer) => answer !== null)
    if (own.length !== 1) problems.push(`${key}: ${own.length} sends have this key`)
    if (send && AT_REST.includes(send.status)) decided += 1
    if (send?.status === (taken ? 'accepted' : 'delivered')) delivered += 1
    else problems.push(`${key}: ended as ${send?.status} ${send?.reason ?? ''}`)
    if (mails.length === 0) lost += 1
    if (mails.length > 1) twice += 1
    if (mails.length !== 1) problems.push(`${to}: ${mails.length} mails`)
    if (mails.some((mail) => mail.sendId !== send?.requestId)) problems.push(`${to}: mail of another send`)
    if (new Set(answers.map((answer) => answer.requestId)).size > 1) problems.push(`${key}: two request ids`)
    if (before && before.status !== 'queued') problems.push(`${key}: the first answer was ${before.status}`)
    if (before && after && after.status !== 'duplicate')
      problems.push(`${key}: the answer to the repeat was ${after.status}`)
    if (finals[index]?.status !== 'duplicate')
      problems.push(`${key}: the last answer was ${finals[index]?.status}`)
  }
  const { monthly } = await get<{ monthly: { used: number } }>(at, '/v1/agent/budget')
  if (monthly.used !== asked.length)
    problems.push(`${monthly.used} sends counted for the month, not ${asked.length}`)
  let [resumed, replayed] = [0, 0]
  for (const [index, { trace }] of traces.entries()) {
    const steps = (kind: string) => trace.filter((step) => step.kind === kind)
    const outcomes = steps('delivery').map((step) => step.body.outcome)
    if (outcomes.includes('ambiguous')) replayed += 1
    if (steps('routing').length > 1 || steps('render').length > 1) resumed += 1
    for (const kind of ['decision', 'render']) {
      if (steps(kind).length !== 1)
        problems.push(`${sent[index]?.dedupeKey}: ${steps(kind).length} × ${kind}`)
    }
    const accepted = outcomes.filter((outcome) => outcome === 'accepted').length
    if (accepted !== 1) problems.push(`${sent[index]?.dedupeKey}: accepted ${accepted} times`)
  }
  return { decided, delivered, lost, twice, resumed, replayed, problems }
}

async function request(at: string, { key, to }: Call): Promise<Answer> {
  const response = await fetch(`${at}/v1/agent/request-send`, {
    method: 'POST',
    headers: HEADERS,
    body: JSON.stringify({
      tenantId: DEMO.tenantId,
      mailboxId: DEMO.mailboxId,
      recipientEmail: to,
      templateId: 'onboarding-welcome',
      dedupeKey: key,
      payload: { firstName: 'Alice', trialDays: 14 },
    }),
    signal: AbortSignal.timeout(60_000),
  })
  const body = (await response.json()) as Partial<Answer>
  if (!body.requestId || !body.status) throw new Error(`${response.status} ${JSON.stringify(body)}`)
  return { requestId: body.requestId, status: body.status }
}

async function get<Body>(at: string, path: string): Promise<Body> {
  const response = await fetch(`${at}${path}`, { headers: HEADERS, signal: AbortSignal.timeout(60_000) })
  if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
  return (await response.json()) as Body
}

async function listSends(at: string): Promise<Sent[]> {
  const sent: Sent[] = []
  for (let cursor = ''; ; ) {
    const page = await get<{ items: Sent[]; nextCursor: string | null }>(
      at,
      `/v1/agent/sends?limit=100${cursor}`,
    )
    sent.push(...page.items)
    if (page.nextCursor === null) return sent
    cursor = `&cursor=${page.nextCursor}`
  }
}

/** A random moment for each round, spread evenly over the possible time, in random order. */
function killMoments(): number[] {
  const next = random(seed)
  const drawn = Array.from({ length: rounds }, (_, index) => ((index + next()) / rounds) * (1 + DRAIN))
  return sample(drawn, rounds, next)
}

function sample<Item>(items: Item[], size: number, next: () => number): Item[] {
  return items
    .map((item) => ({ item, order: next() }))
    .sort((one, other) => one.order - other.order)
    .slice(0, size)
    .map(({ item }) => item)
}

/** Random numbers from 0 to 1 (mulberry32). The same seed gives the same numbers. */
function random(from: number): () => number {
  let state = from >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

async function inParallel<Item>(items: Item[], width: number, work: (item: Item) => Promise<void>) {
  const waiting = items.values()
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of waiting) await work(item)
    }),
  )
}

async function mapParallel<Item, Value>(
  items: Item[],
  work: (item: Item) => Promise<Value>,
): Promise<Value[]> {
  const made: Value[] = []
  await inParallel([...items.keys()], calls, async (index) => {
    made[index] = await work(items[index] as Item)
  })
  return made
}

function table(): string {
  const head = [
    'round',
    'answered',
    'retried',
    'decided',
    'delivered',
    'lost',
    'twice',
    'resumed',
    'replayed',
    'rest s',
    'killed',
    'left behind',
  ]
  const rows = results.map((each) => [
    ...[each.round, each.answered, each.retried, each.decided, each.delivered, each.lost, each.twice],
    ...[each.resumed, each.replayed, (each.restMs / 1_000).toFixed(1), each.killed, each.left],
  ])
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => String(row[column]).length)),
  )
  return [head, ...rows]
    .map((row) => row.map((cell, at) => String(cell).padStart(widths[at] ?? 0)).join('  '))
    .join('\n')
}

function closing(): string {
  const sum = (pick: (round: Round) => number) => results.reduce((total, round) => total + pick(round), 0)
  const figures = `${sum((each) => each.decided)} of ${rounds * sends} keys decided, ${sum((each) => each.lost)} lost, ${sum((each) => each.twice)} delivered twice`
  const took = `${rounds} rounds in ${Math.round((Date.now() - startedAt) / 1_000)} s, seed ${seed}`
  const verdict = failed.length === 0 ? 'Holds' : `FAILS in ${failed.length} rounds`
  return `${verdict}: ${figures} (${took}).`
}

function count(name: 'rounds' | 'sends' | 'parallel' | 'calls' | 'seed'): number {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number >= (name === 'seed' ? 0 : 1)) return number
  console.error(`--${name} must be a whole number, not "${values[name]}".`)
  process.exit(2)
}

function note(line: string) {
  process.stderr.write(`${line}\n`)
}
