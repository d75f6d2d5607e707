import { parseArgs } from 'node:util'
import { sleep } from '../../test/support/program.ts'
import { eventually, openWorld, type Tenant, type World } from './attacks/world.ts'

const HELP = `Usage: npm run prove -- authority [options]

Starts a development server and lets changes of rights race against their use, with real concurrency. What begins after a
change was answered must be refused. What runs at the same time may win or lose, and is counted: both must be seen.

  --rounds N     rounds of each race (default 200)
  --only NAMES   only these races, for example "revocation and sends,claims and claims"
  --json         print one JSON object
  --help         print this`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}

/** What one round came to: who was first, and what went wrong. */
type Round = { outcome: string; wrong: string | null }
type Race = { name: string; run: (world: World, tenant: Tenant, round: number) => Promise<Round> }

/** Starts both at nearly the same time. Over the rounds, now one and now the other begins a little earlier. */
async function race<One, Other>(
  round: number,
  one: () => Promise<One>,
  other: () => Promise<Other>,
  stepMs = 8,
) {
  const ahead = (round % 9) - 4
  const later = async <Value>(ms: number, act: () => Promise<Value>) => {
    if (ms > 0) await sleep(ms)
    return await act()
  }
  return await Promise.all([later(ahead * stepMs, one), later(-ahead * stepMs, other)])
}

async function newKey({ owner }: Tenant, permissions: string[]) {
  const { body } = await owner.post('/v1/agent/keys', { label: 'of a race', permissions })
  return { id: body.id as string, secret: body.rawKey as string }
}

function send(world: World, { mailboxId }: Tenant, secret: string, to = world.someone('reader')) {
  return world.asKey(secret).post('/v1/agent/request-send', {
    ...{ mailboxId, recipientEmail: to, templateId: '_default', dedupeKey: world.unique() },
    payload: { subject: 'Hello', text: 'Hello.' },
  })
}

const isAccepted = ({ body }: { body: { status?: string } }) =>
  ['queued', 'delivered', 'pending_approval'].includes(body.status ?? '')

/** A change of a key against a send with it, and a send after the change. */
const sending = (name: string, change: (tenant: Tenant, keyId: string) => Promise<unknown>): Race => ({
  name,
  async run(world, tenant, round) {
    const key = await newKey(tenant, ['read', 'send'])
    const [meanwhile] = await race(
      round,
      () => send(world, tenant, key.secret),
      () => change(tenant, key.id),
    )
    const after = await send(world, tenant, key.secret)
    return {
      outcome: isAccepted(meanwhile) ? 'the use was first' : 'the change was first',
      wrong: isAccepted(after) ? 'a send after the change was accepted' : null,
    }
  },
})

const RACES: Race[] = [
  sending('revocation and sends', ({ owner }, id) => owner.del(`/v1/agent/keys/${id}`)),
  sending('narrowing and use', ({ owner }, id) =>
    owner.patch(`/v1/agent/keys/${id}`, { permissions: ['read'] }),
  ),
  {
    name: 'revocation and streams',
    async run(world, tenant, round) {
      const key = await newKey(tenant, ['read'])
      const stop = new AbortController()
      let heard = ''
      const response = await fetch(`${world.address}/v1/agent/events/stream?types=lease.acquired`, {
        headers: { authorization: `Bearer ${key.secret}` },
        signal: stop.signal,
      })
      const follow = async () => {
        const decoder = new TextDecoder()
        for await (const chunk of response.body ?? []) heard += decoder.decode(chunk, { stream: true })
      }
      follow().catch(() => {})
      const happen = async () => {
        const contactEmail = world.someone('contact')
        await tenant.owner.post('/v1/agent/coordination/lease', { agentId: tenant.agentId, contactEmail })
        return contactEmail
      }
      const [meanwhile] = await race(round, happen, () => tenant.owner.del(`/v1/agent/keys/${key.id}`))
      const after = await happen()
      await eventually(async () => (isPublished(world, after) ? true : undefined))
      await sleep(100)
      stop.abort()
      return {
        outcome: heard.includes(meanwhile) ? 'the use was first' : 'the change was first',
        wrong: heard.includes(after) ? 'an event after the revocation was told' : null,
      }
    },
  },
  {
    name: 'revocation and releases',
    async run(world, tenant, round) {
      const key = await newKey(tenant, ['read', 'send'])
      await review(tenant, true)
      const [first, second] = [world.someone('reader'), world.someone('reader')]
      const held = [
        await send(world, tenant, key.secret, first),
        await send(world, tenant, key.secret, second),
      ]
      await review(tenant, false)
      const approvals = held.map(({ body }) => `/v1/send/approvals/${body.approvalQueueId}`)
      for (const path of approvals)
        await eventually(async () => ((await tenant.owner.get(path)).body.sha256 ? true : undefined))
      const decide = async (path = '') => {
        const { body } = await tenant.owner.get(path)
        return await tenant.person.post(`${path.replace('/v1/send', '/portal')}/decide`, {
          ...{ decision: 'approve', sha256: body.sha256 },
        })
      }
      await race(
        round,
        () => decide(approvals[0]),
        () => tenant.owner.del(`/v1/agent/keys/${key.id}`),
        // A release goes through a queue before the message leaves.
        200,
      )
      await decide(approvals[1])
      const ends = ['delivered', 'blocked', 'failed', 'cancelled', 'rejected']
      const ended = async (at: number) =>
        await eventually(async () => {
          const { body } = await tenant.owner.get(`/v1/agent/sends/${held[at]?.body.requestId}`)
          return ends.includes(body.status) ? (body.status as string) : undefined
        })
      const outcome = (await ended(0)) === 'delivered' ? 'the use was first' : 'the change was first'
      await ended(1)
      const isGone = (await world.outbox(second)).length > 0
      return { outcome, wrong: isGone ? 'a send of a revoked key was released after the revocation' : null }
    },
  },
  {
    name: 'revocation and grants',
    async run(world, tenant, round) {
      const key = await newKey(tenant, ['read', 'manage'])
      const [made] = await race(
        round,
        () => world.asKey(key.secret).post('/v1/agent/keys', { label: 'made', permissions: ['read'] }),
        () => tenant.owner.del(`/v1/agent/keys/${key.id}`),
      )
      const secret: string | undefined = made.body.rawKey
      const lives = secret !== undefined && (await world.asKey(secret).get('/v1/agent/events')).status === 200
      return {
        outcome: secret === undefined ? 'the change was first' : 'the use was first',
        wrong: lives ? 'a key outlived the key that made it' : null,
      }
    },
  },
  {
    name: 'claims and claims',
    async run(world, _, round) {
      const agent = await world.newAgent()
      const people = [world.someone('one'), world.someone('other')]
      const claim = async (email = '') =>
        await world.call('POST', `/v1/claim/${agent.claimToken}`, { body: { email } })
      const answers = await race(
        round,
        () => claim(people[0]),
        () => claim(people[1]),
      )
      const prove = async (email: string) => {
        const link = await world.mailedLink(email, /\/verify\/[A-Za-z0-9_-]+/).catch(() => null)
        const headers = { 'sec-fetch-site': 'same-origin' }
        if (link) await world.call('POST', link, { body: new URLSearchParams(), headers })
      }
      const claimed = people.filter((_email, at) => (answers[at]?.status ?? 500) < 300)
      await Promise.all(claimed.map(prove))
      const rows = world
        .db()
        .prepare('SELECT email FROM owners WHERE tenant_id = ? AND verified_at IS NOT NULL')
        .all(agent.tenantId)
      const wrong = rows.length === 1 ? null : `${rows.length} people own the agent`
      return { outcome: rows[0]?.email === people[0] ? 'the first was first' : 'the second was first', wrong }
    },
  },
]

function review({ owner, mailboxId }: Tenant, isHeld: boolean) {
  return owner.patch(`/v1/agent/mailboxes/${mailboxId}/autonomy`, { autonomyLevel: isHeld ? 1 : 3 })
}

function isPublished(world: World, text: string): boolean {
  const row = world
    .db()
    .prepare("SELECT 1 FROM events WHERE type = 'lease.acquired' AND payload LIKE '%' || ? || '%'")
    .get(text)
  return row !== undefined
}

const chosen = RACES.filter(({ name }) => values.only === undefined || values.only.split(',').includes(name))
const rounds = Number(values.rounds)
const world = await openWorld()
const results: { race: string; outcomes: Record<string, number>; wrong: string[] }[] = []
try {
  const tenant = await world.newTenant()
  world.db().prepare("UPDATE tenants SET plan = 'enterprise' WHERE id = ?").run(tenant.tenantId)
  await tenant.owner.patch(`/v1/agent/mailboxes/${tenant.mailboxId}`, {
    hourlyLimit: 40_000,
    dailyLimit: 40_000,
  })
  for (const { name, run } of chosen) {
    const outcomes: Record<string, number> = {}
    const wrong: string[] = []
    for (let round = 0; round < rounds; round++) {
      const ended = await run(world, tenant, round)
      outcomes[ended.outcome] = (outcomes[ended.outcome] ?? 0) + 1
      if (ended.wrong) wrong.push(ended.wrong)
    }
    results.push({ race: name, outcomes, wrong })
    const counts = Object.entries(outcomes).map(([outcome, count]) => `${outcome} ${count} times`)
    if (!values.json)
      console.log(`${name}: ${counts.join(', ')}; ${wrong.length} wrong${wrong[0] ? ` (${wrong[0]})` : ''}`)
  }
} finally {
  await world.close()
}
if (values.json) console.log(JSON.stringify(results, null, 2))
const isOneSided = results.some(({ outcomes }) => Object.keys(outcomes).length < 2)
if (isOneSided)
  console.error('In one of the races one side always won, so it shows nothing. Run more rounds.')
process.exitCode =
  results.length > 0 && !isOneSided && results.every(({ wrong }) => wrong.length === 0) ? 0 : 1
