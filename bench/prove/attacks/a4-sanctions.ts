import type { Attack, Guard } from './attack.ts'
import { eventually, type Tenant, type World } from './world.ts'

const SAME_ORIGIN = { 'sec-fetch-site': 'same-origin' }

const freeze = (world: World, address: string) =>
  world.operator.post(`/admin/email/accounts/${address.split('@')[0]}/freeze`, { reason: 'phishing' })

async function openMailbox(world: World, tenant: Pick<Tenant, 'post'>) {
  const { body } = await tenant.post('/v1/agent/mailboxes', { address: `m${world.unique()}` })
  return { mailboxId: String(body.id), address: String(body.address) }
}

/** Asks for a send as an attacker would, and tells whether the mail left although nobody approved it. */
async function leaves(world: World, tenant: Pick<Tenant, 'post'>, more: Record<string, unknown> = {}) {
  const to = world.someone('victim')
  await tenant.post('/v1/agent/request-send', {
    recipientEmail: to,
    templateId: '_default',
    dedupeKey: world.unique(),
    payload: { subject: 'Hello', text: 'Hello' },
    ...more,
  })
  return await hasLeft(world, to)
}

async function hasLeft(world: World, to: string) {
  const row = world
    .db()
    .prepare("SELECT s.state FROM sends s, json_each(s.recipients) r WHERE r.value ->> 'email' = ?")
  const moving = ['judging', 'queued', 'rendering', 'ready', 'claimed', 'in_flight']
  await eventually(async () => {
    const found = row.get(to) as { state: string } | undefined
    return found && moving.includes(found.state) ? undefined : true
  })
  return (await world.outbox(to)).length > 0 ? 'a mail left without a person' : null
}

/** A tenant one of whose mailboxes, not its first, has been frozen. */
async function sanctioned(world: World) {
  const tenant = await world.newTenant()
  const before = await openMailbox(world, tenant.owner)
  const frozen = await openMailbox(world, tenant.owner)
  await freeze(world, frozen.address)
  return { tenant, before, frozen }
}

/** Another tenant that the same person claims and proves. */
async function claimedAgain(world: World, email: string) {
  const agent = await world.newAgent()
  await world.call('POST', `/v1/claim/${agent.claimToken}`, { body: { email } })
  const letters = new Set<string>()
  const path = await eventually(async () => {
    for (const { text } of await world.outbox(email))
      for (const [link] of String(text ?? '').matchAll(/\/verify\/[A-Za-z0-9_-]+/g)) letters.add(link)
    for (const link of letters) {
      const { body } = await world.call('POST', link, { body: new URLSearchParams(), headers: SAME_ORIGIN })
      if (String(body).includes(agent.address)) return link
    }
    const proved = world
      .db()
      .prepare('SELECT verified_at FROM owners WHERE tenant_id = ? AND verified_at IS NOT NULL')
    return proved.get(agent.tenantId) ? 'proved' : undefined
  })
  return { ...agent, path }
}

export const attacks: Attack[] = [
  {
    line: 'A4',
    does: 'An agent whose mailbox is frozen opens another one and goes on.',
    async run(world) {
      const { tenant } = await sanctioned(world)
      const fresh = await openMailbox(world, tenant)
      return await leaves(world, tenant, { mailboxId: fresh.mailboxId })
    },
  },
  {
    line: 'A4',
    does: 'It uses a mailbox that was opened before.',
    async run(world) {
      const { tenant, before } = await sanctioned(world)
      return (await leaves(world, tenant, { mailboxId: before.mailboxId })) ?? (await leaves(world, tenant))
    },
  },
  {
    line: 'A4',
    does: 'It deletes the frozen mailbox.',
    async run(world) {
      const { tenant, frozen } = await sanctioned(world)
      await tenant.del(`/v1/agent/mailboxes/${frozen.mailboxId}`)
      await tenant.owner.del(`/v1/agent/mailboxes/${frozen.mailboxId}`)
      return await leaves(world, tenant)
    },
  },
  {
    line: 'A4',
    does: 'It sets its other mailbox to send without review again.',
    async run(world) {
      const { tenant, before } = await sanctioned(world)
      for (const by of [tenant, tenant.owner])
        await by.patch(`/v1/agent/mailboxes/${before.mailboxId}`, { autonomyLevel: 3 })
      return await leaves(world, tenant, { mailboxId: before.mailboxId })
    },
  },
  {
    line: 'A4',
    does: 'The agent, and a key with every permission, try to end the review.',
    async run(world) {
      const { tenant } = await sanctioned(world)
      for (const by of [tenant, tenant.owner]) {
        for (const path of ['/portal/review/end', `/admin/tenants/${tenant.tenantId}/clear`])
          await by.post(path)
        await by.patch('/v1/agent/settings', { status: 'active', standing: 'good' })
        await by.post(`/admin/email/accounts/${tenant.address.split('@')[0]}/unfreeze`)
      }
      return await leaves(world, tenant)
    },
  },
  {
    line: 'A4',
    does: 'The owner of a frozen mailbox claims a new agent with the same address.',
    async run(world) {
      const { tenant } = await sanctioned(world)
      return await leaves(world, await claimedAgain(world, tenant.email))
    },
  },
  {
    line: 'A4',
    does: 'The owner spells their address otherwise when they claim the new agent.',
    async run(world) {
      const { tenant } = await sanctioned(world)
      return await leaves(world, await claimedAgain(world, tenant.email.toUpperCase()))
    },
  },
  {
    line: 'A4',
    does: 'A send that was accepted and scheduled before the freeze leaves after it.',
    async run(world) {
      const tenant = await world.newTenant()
      const frozen = await openMailbox(world, tenant.owner)
      const to = world.someone('victim')
      await tenant.post('/v1/agent/request-send', {
        recipientEmail: to,
        templateId: '_default',
        dedupeKey: world.unique(),
        payload: { subject: 'Hello', text: 'Hello' },
        scheduledAt: new Date(Date.now() + 3_000).toISOString(),
      })
      await freeze(world, frozen.address)
      await new Promise((resolve) => setTimeout(resolve, 9_000))
      return await hasLeft(world, to)
    },
  },
  {
    line: 'A4',
    does: 'After a second suspension a person approves the next send all the same.',
    async run(world) {
      const { tenant, before } = await sanctioned(world)
      await freeze(world, before.address)
      const to = world.someone('victim')
      const { body } = await tenant.post('/v1/agent/request-send', {
        recipientEmail: to,
        templateId: '_default',
        dedupeKey: world.unique(),
        payload: { subject: 'Hello', text: 'Hello' },
      })
      await tenant.owner.patch(`/v1/send/approvals/${body.approvalQueueId}`, { decision: 'approved' })
      return await hasLeft(world, to)
    },
  },
  {
    line: 'A4',
    does: 'The owner of a suspended account ends the suspension in the portal.',
    async run(world) {
      const { tenant, before } = await sanctioned(world)
      await freeze(world, before.address)
      await tenant.person.post('/portal/review/end')
      return await leaves(world, tenant)
    },
  },
  {
    line: 'A4',
    does: 'An agent of a tenant that the operator has frozen registers another agent in it and sends with that.',
    async run(world) {
      const tenant = await world.newTenant()
      await world.operator.post(`/admin/tenants/${tenant.tenantId}/freeze`, { reason: 'phishing' })
      await tenant.owner.post('/v1/agent/register', { agentName: 'another' })
      return await leaves(world, tenant.owner, { agentName: 'another' })
    },
  },
  {
    line: 'A4',
    does: 'A stranger claims an agent with the address of somebody else and gets it frozen, to put that person in review.',
    async run(world) {
      const victim = await world.newTenant()
      const agent = await world.newAgent()
      await world.call('POST', `/v1/claim/${agent.claimToken}`, { body: { email: victim.email } })
      await freeze(world, agent.address)
      return (await leaves(world, victim)) === null ? "the victim's mail is held" : null
    },
  },
]

export const guards: Guard[] = [
  {
    line: 'A4',
    what: 'the review of the tenant, when a send is judged',
    file: 'core/policy/judge.ts',
    from: 'if (facts.tenant.sanction) {',
    to: 'if (facts.tenant.sanction && facts.tenant.sanction.weight < 0) {',
  },
  {
    line: 'A4',
    what: 'the suspension of the tenant, when a send is judged and departs',
    file: 'core/policy/standing.ts',
    from: 'export const SUSPENDED_FROM = 2',
    to: 'export const SUSPENDED_FROM = 1_000',
  },
  {
    line: 'A4',
    what: 'the owner who holds what happened to a tenant',
    file: 'core/policy/standing.ts',
    from: 'UNION ALL SELECT o.contact FROM owners o',
    to: "UNION ALL SELECT o.contact || '-' FROM owners o",
  },
  {
    line: 'A4',
    what: 'the statement that ends a review of one sanction only',
    file: 'core/governance/sanctions.ts',
    from: 'AND (:most IS NULL OR',
    to: 'AND (true OR :most IS NULL OR',
  },
]
