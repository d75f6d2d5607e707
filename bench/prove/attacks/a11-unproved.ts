import { sleep } from '../../../test/support/program.ts'
import type { Attack, Guard } from './attack.ts'
import type { World } from './world.ts'

type Agent = Awaited<ReturnType<World['newAgent']>>

const SAME_ORIGIN = { 'sec-fetch-site': 'same-origin' }

/** An agent that a stranger registered and claimed with an address that is not theirs. */
async function squat(world: World, email = world.someone('invented')) {
  const agent = await world.newAgent()
  await claim(world, agent, email)
  return { ...agent, email }
}

const claim = (world: World, { claimToken }: Agent, email: string) =>
  world.call('POST', `/v1/claim/${claimToken}`, { body: { email } })

async function prove(world: World, email: string) {
  const path = await world.mailedLink(email, /\/verify\/[A-Za-z0-9_-]+/)
  await world.call('POST', path, { body: new URLSearchParams(), headers: SAME_ORIGIN })
}

/** What arrived in a mailbox within a second, as one text; null if nothing did. */
async function arrived(world: World, { mailboxId }: Pick<Agent, 'mailboxId'>): Promise<string | null> {
  await sleep(1_000)
  const [row] = world
    .db()
    .prepare(
      `SELECT group_concat(m.subject, ', ') AS subjects FROM views v
       JOIN messages m ON m.tenant_id = v.tenant_id AND m.id = v.message_id
       WHERE v.mailbox_id = ? AND v.folder = 'inbox'`,
    )
    .all(mailboxId)
  return row?.subjects ? `the neighbour received: ${row.subjects}` : null
}

const letter = (to: string) => ({ to: [to], subject: 'From a stranger', body_text: 'Hello' })

/** Attacks that send in one way from an agent whose claim is not proved, to a neighbour of this service. */
function sending(does: string, send: (agent: Agent, to: string, world: World) => Promise<unknown>): Attack {
  return {
    line: 'A11',
    does,
    async run(world) {
      const [agent, neighbour] = [await squat(world), await world.newAgent()]
      await send(agent, neighbour.address, world)
      return await arrived(world, neighbour)
    },
  }
}

/** The owner and the level of a tenant, as its own row says. */
function standing(world: World, tenantId: string) {
  const [row] = world
    .db()
    .prepare(
      `SELECT t.level, (SELECT group_concat(o.email || iif(o.verified_at IS NULL, ' unproved', '')) FROM owners o
         WHERE o.tenant_id = t.id) AS owners FROM tenants t WHERE t.id = ?`,
    )
    .all(tenantId)
  return { level: String(row?.level), owners: String(row?.owners) }
}

export const attacks: Attack[] = [
  sending('A stranger claims with an invented address and writes to another tenant.', (agent, to) =>
    agent.post('/email/send', letter(to)),
  ),
  sending('A stranger with an unproved claim writes through /v1/messages.', (agent, to) =>
    agent.post('/v1/messages', { to, subject: 'From a stranger', text: 'Hello' }),
  ),
  sending('A stranger with an unproved claim schedules a send.', async (agent, to, world) => {
    await agent.post('/v1/agent/request-send', {
      ...{ recipientEmail: to, templateId: '_inline', dedupeKey: world.unique() },
      ...{ payload: { subject: 'From a stranger', text: 'Hello' } },
      scheduledAt: new Date(Date.now() + 500).toISOString(),
    })
    await sleep(600)
    await world.call('POST', '/cdn-cgi/local/scheduled')
  }),
  sending('A stranger with an unproved claim sends a batch.', (agent, to, world) =>
    agent.post('/v1/agent/batch/request-send', {
      templateId: '_inline',
      sends: [
        {
          ...{ recipientEmail: to, dedupeKey: world.unique() },
          payload: { subject: 'From a stranger', text: 'Hello' },
        },
      ],
    }),
  ),
  sending('A stranger with an unproved claim lets an automatic reply write.', async (agent, to, world) => {
    await agent.patch(`/v1/inbox`, {
      auto_reply: { enabled: true, subject: 'From a stranger', text: 'Hello' },
    })
    const outside = `From: <${to}>\nTo: <${agent.address}>\nSubject: Hi\nMessage-ID: <${world.unique()}@x.example>\n\nHi\n`
    await world.arrive(to, agent.address, outside)
    await sleep(1_500)
  }),
  sending(
    'A stranger approves the held send of an unproved claim with a key they made.',
    async (agent, to, world) => {
      await agent.post('/email/send', letter(to))
      const made = await agent.post('/v1/agent/keys', { label: 'x', permissions: ['read', 'approve'] })
      const { body } = await agent.get('/v1/send/approvals')
      const rows: { id: string }[] = body.data ?? body.items ?? []
      for (const key of [made.body.rawKey, agent.key])
        for (const { id } of rows) {
          const { post } = world.asKey(key)
          await post(`/v1/send/approvals/${id}`, { decision: 'approved' })
          await post(`/v1/oversight/approvals/${id}/approve`)
        }
    },
  ),
  {
    line: 'A11',
    does: 'A stranger claims first, so that the true owner finds the agent taken.',
    async run(world) {
      const agent = await squat(world)
      const owner = world.someone('owner')
      await claim(world, agent, owner)
      await prove(world, owner).catch(() => undefined)
      const { owners, level } = standing(world, agent.tenantId)
      return owners === owner && level === 'trusted'
        ? null
        : `the owners are ${owners}, the level is ${level}`
    },
  },
  {
    line: 'A11',
    does: 'A stranger who claimed first proves their own address after the true owner has.',
    async run(world) {
      const [agent, owner] = [await squat(world), world.someone('owner')]
      const link = await world.mailedLink(agent.email, /\/verify\/[A-Za-z0-9_-]+/)
      await claim(world, agent, owner)
      await prove(world, owner)
      await world.call('POST', link, { body: new URLSearchParams(), headers: SAME_ORIGIN })
      await claim(world, agent, agent.email)
      const { owners } = standing(world, agent.tenantId)
      return owners === owner ? null : `the owners are ${owners}`
    },
  },
  {
    line: 'A11',
    does: 'Two strangers prove their addresses at the same time, so that both own the agent.',
    async run(world) {
      for (let round = 0; round < 20; round++) {
        const agent = await squat(world)
        const other = world.someone('other')
        await claim(world, agent, other)
        await Promise.all([prove(world, agent.email), prove(world, other)])
        const { owners } = standing(world, agent.tenantId)
        if (owners.includes(',')) return `the owners are ${owners}`
      }
      return null
    },
  },
  {
    line: 'A11',
    does: 'A person with an unproved claim signs in to the portal.',
    async run(world) {
      const agent = await squat(world)
      const body = new URLSearchParams({ email: agent.email })
      await world.call('POST', '/portal/sign-in', { body, headers: SAME_ORIGIN })
      await sleep(1_500)
      const mailed = await world.outbox(agent.email)
      return mailed.some(({ text }) => text?.includes('/portal/enter/'))
        ? 'a link to sign in was mailed'
        : null
    },
  },
  {
    line: 'A11',
    does: 'An unproved claim posts a bond and attaches a domain.',
    async run(world) {
      const agent = await squat(world)
      await agent.post('/v1/bonds', { tier: 'starter' })
      await agent.post('/v1/billing/checkout', { plan_key: 'enterprise' })
      await agent.post('/v1/custom-domains', { domain: `${world.unique()}.example.org`, mode: 'byoc' })
      const count = (table: string) =>
        Number(
          world.db().prepare(`SELECT count(*) AS n FROM ${table} WHERE tenant_id = ?`).get(agent.tenantId)?.n,
        )
      const made = ['bonds', 'checkouts', 'domains'].filter((table) => count(table) > 0)
      const { level } = standing(world, agent.tenantId)
      return made.length === 0 && level === 'supervised' ? null : `${made.join(', ')}; the level is ${level}`
    },
  },
]

export const guards: Guard[] = [
  {
    line: 'A11',
    what: 'the rule that an unproved claim holds every send',
    file: 'core/policy/judge.ts',
    from: 'if (facts.tenant.isUnproved) {',
    to: 'if (facts.tenant.isUnproved && facts.approved) {',
  },
  {
    line: 'A11',
    what: 'the claim that replaces one that is not proved',
    file: 'core/accounts/claims/claim.ts',
    from: 'AND NOT $',
    to: 'AND NOT EXISTS (SELECT 1 FROM owners x WHERE x.tenant_id = c.tenant_id) AND NOT $',
  },
  {
    line: 'A11',
    what: 'the end of all other claims when one is proved',
    file: 'core/accounts/claims/verification.ts',
    from: '...END_OTHER_CLAIMS.map(',
    to: '...END_OTHER_CLAIMS.slice(3).map(',
  },
  {
    line: 'A11',
    what: 'the owner who must have proved their address',
    file: 'core/accounts/people.ts',
    from: 'if (owner?.verifiedAt) return owner',
    to: 'if (owner) return owner',
  },
]
