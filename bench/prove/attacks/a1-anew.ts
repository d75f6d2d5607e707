import type { Attack, Guard } from './attack.ts'
import type { Json, Tenant, World } from './world.ts'

// Attacks of line A1 that leave settings as they are and begin anew: with another mailbox, or an approval of one's own.

const pathOf = (id: string) => `/v1/agent/mailboxes/${id}`

async function open({ agent }: Tenant, world: World, more: Record<string, unknown> = {}): Promise<string> {
  const { body } = await agent.post('/v1/agent/mailboxes', { address: `anew-${world.unique()}`, ...more })
  return body.id
}

const send = ({ agent }: Tenant, world: World, mailboxId: string, to = world.someone()) =>
  agent.post('/v1/agent/request-send', {
    ...{ recipientEmail: to, mailboxId, templateId: 'welcome', dedupeKey: world.unique() },
    ...{ payload: { firstName: 'Ann' } },
  })

/** How many sends of a tenant were accepted without a person. */
function accepted(world: World, tenant: Tenant): number {
  const [row] = world
    .db()
    .prepare(
      `SELECT count(*) AS n FROM sends WHERE tenant_id = ? AND template = 'welcome'
         AND state NOT IN ('blocked', 'judging', 'pending_approval')`,
    )
    .all(tenant.tenantId)
  return Number(row?.n)
}

/** An owner sets this on the mailbox; the agent then opens others, and may so send `atMost` in all. */
const SET: { does: string; setting: Json; atMost: number; isSameContact?: true; before?: number }[] = [
  { does: 'a used up hourly limit', setting: { hourlyLimit: 2 }, atMost: 2, before: 2 },
  { does: 'a daily limit of 0', setting: { dailyLimit: 0 }, atMost: 0 },
  { does: 'a used up monthly limit', setting: { monthlyLimit: 1 }, atMost: 1, before: 1 },
  { does: 'review', setting: { autonomyLevel: 1 }, atMost: 0 },
  { does: 'a pause', setting: { status: 'paused' }, atMost: 0 },
  { does: 'required consent', setting: { requireConsent: true }, atMost: 0 },
  { does: 'a cooldown', setting: { cooldownMinutes: 60 }, atMost: 1, before: 1, isSameContact: true },
  {
    does: 'fatigue',
    setting: { fatigueLimit: 1, cooldownMinutes: 0 },
    atMost: 1,
    before: 1,
    isSameContact: true,
  },
]

const opened: Attack[] = SET.map(({ does, setting, atMost, before = 0, isSameContact }) => ({
  line: 'A1' as const,
  does: `An agent sheds ${does} of its mailbox by opening others, also with settings of its own.`,
  async run(world: World) {
    const tenant = await world.newTenant()
    await tenant.owner.patch('/v1/agent/config/settings', { cooldownMinutes: 0 })
    await tenant.owner.patch(pathOf(tenant.mailboxId), setting)
    const to = () => (isSameContact ? `same-${tenant.tenantId.slice(-12)}@example.com` : world.someone())
    for (let sent = 0; sent < before; sent++) await send(tenant, world, tenant.mailboxId, to())
    if (accepted(world, tenant) !== before) throw new Error('the mailbox could not send as it may')
    const asked = [
      {},
      { hourlyLimit: 500, dailyLimit: 500, monthlyLimit: 500 },
      { config: { autonomyLevel: 3, cooldownMinutes: 0, fatigueLimit: null, requireConsent: false } },
      { agentId: null },
      { status: 'active' },
    ]
    for (const more of asked) {
      const id = await open(tenant, world, more)
      if (!id) continue
      for (let nth = 0; nth < 3; nth++) await send(tenant, world, id, to())
      await tenant.del(pathOf(id))
    }
    const count = accepted(world, tenant)
    return count <= atMost ? null : `${count} sends left instead of ${atMost}`
  },
}))

export const anew: Attack[] = [
  ...opened,
  {
    line: 'A1',
    does: 'An agent deletes its strict mailboxes, all at once, so that the next one begins anew.',
    async run(world) {
      const tenant = await world.newTenant()
      const { owner, agent, agentId } = tenant
      const free = (await owner.post('/v1/agent/mailboxes', { address: `free-${world.unique()}` })).body.id
      await owner.patch(pathOf(free), { agentId: null })
      await owner.patch('/v1/agent/config/settings', { defaultMailboxId: free })
      const second = (
        await owner.post('/v1/agent/mailboxes', { address: `second-${world.unique()}`, agentId })
      ).body.id
      const strict = [tenant.mailboxId, second]
      for (const id of strict) await owner.patch(pathOf(id), { autonomyLevel: 1, hourlyLimit: 1 })
      await Promise.all(strict.map((id) => agent.del(pathOf(id))))
      const id = await open(tenant, world)
      const { config } = (await owner.get(pathOf(id))).body
      return config.autonomyLevel === 1 && config.hourlyLimit === 1 ? null : JSON.stringify(config)
    },
  },
  {
    line: 'A1',
    does: 'An agent gets away from a used up risk budget with another mailbox.',
    async run(world) {
      const tenant = await world.newTenant()
      await tenant.owner.patch(pathOf(tenant.mailboxId), { riskBudget: 1, cooldownMinutes: 0 })
      await tenant.owner.patch('/v1/agent/config/settings', { cooldownMinutes: 0 })
      const second = await open(tenant, world)
      const { requestId } = (await send(tenant, world, second)).body
      world
        .db()
        .prepare("UPDATE send_recipients SET state = 'bounced', updated_at = ? WHERE send_id = ?")
        .run(Date.now(), requestId)
      await tenant.del(pathOf(second))
      await send(tenant, world, await open(tenant, world))
      await send(tenant, world, tenant.mailboxId)
      const count = accepted(world, tenant)
      return count === 1 ? null : `${count} sends left instead of 1`
    },
  },
  {
    line: 'A1',
    does: 'A key without "loosen" makes a laxer mailbox the default one.',
    async run(world) {
      const { owner, mailboxId, patch, agentId } = await world.newTenant()
      const { id } = (await owner.post('/v1/agent/mailboxes', { address: `lax-${world.unique()}`, agentId }))
        .body
      await owner.patch(pathOf(mailboxId), { autonomyLevel: 1 })
      await patch('/v1/agent/config/settings', { defaultMailboxId: id })
      const { body } = await owner.get('/v1/agent/config/settings')
      return body.defaultMailboxId === mailboxId ? null : 'the default mailbox is another'
    },
  },
  {
    line: 'A1',
    does: 'A key that may approve publishes the template that it wrote, itself and by a key that it made.',
    async run(world) {
      const { owner } = await world.newTenant()
      const permissions = ['read', 'send', 'manage', 'approve']
      const key = world.asKey((await owner.post('/v1/agent/keys', { permissions })).body.rawKey)
      const made = world.asKey((await key.post('/v1/agent/keys', { permissions })).body.rawKey)
      const template = { slug: 'legal', name: 'Legal', type: 'transactional', approvalRequired: true }
      const content = { subject: 'Hello', text: 'Hello' }
      await owner.post('/v1/templates', template)
      await key.post('/v1/templates/legal/versions', { subjectTemplate: 'Hi', textTemplate: 'Hi' })
      await made.post('/v1/templates/legal/versions/1/publish')
      const own = await made.post('/v1/templates', { ...template, slug: 'own', content, autoPublish: true })
      const { id } = (await owner.get('/v1/templates/legal')).body
      for (const one of [key, made])
        for (const version of [`${id}:1`, `${own.body.id}:1`])
          await one.patch(`/v1/templates/approvals/${version}`, { decision: 'approved' })
      const rows = await Promise.all(['legal', 'own'].map((slug) => owner.get(`/v1/templates/${slug}`)))
      return rows.every(({ body }) => body.publishedVersion === null) ? null : 'a version is published'
    },
  },
  {
    line: 'A1',
    does: 'A key that may approve releases the send that it asked for, by every door.',
    async run(world) {
      const tenant = await world.newTenant()
      await tenant.owner.patch(pathOf(tenant.mailboxId), { autonomyLevel: 1 })
      const made = await tenant.owner.post('/v1/agent/keys', {
        permissions: ['read', 'send', 'manage', 'approve'],
      })
      const key = world.asKey(made.body.rawKey)
      const { body } = await send({ ...tenant, agent: { ...tenant.agent, ...key } }, world, tenant.mailboxId)
      const id = body.approvalQueueId
      for (let tries = 0; tries < 10; tries++) {
        await key.patch(`/v1/send/approvals/${id}`, { decision: 'approved' })
        await key.post(`/v1/oversight/approvals/${id}/approve`)
        await key.put(`/v1/send/approvals/${id}/message`, { subject: 'Hello', text: 'Hello' })
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
      const count = accepted(world, tenant)
      return count === 0 ? null : 'the held send was released'
    },
  },
]

export const guardsOfAnew: Guard[] = [
  {
    line: 'A1',
    what: 'the strictest settings as the start of a new mailbox',
    file: 'core/accounts/new-mailbox.ts',
    from: 'start: strictest(MAILBOX, [USUAL_MAILBOX, ...rows], around),',
    to: 'start: USUAL_MAILBOX,',
  },
  {
    line: 'A1',
    what: 'the shared windows of new mailboxes',
    file: 'core/accounts/new-mailbox.ts',
    from: 'sharesWith: beside ? (beside.sharesWith ?? beside.id) : null,',
    to: 'sharesWith: null,',
  },
  {
    line: 'A1',
    what: 'the refusal to delete the last mailbox of an agent',
    file: 'core/accounts/mailboxes.ts',
    from: 'mustBeForgettable(ctx, standing, rows)\n',
    to: '\n',
  },
  {
    line: 'A1',
    what: 'the comparison of a new default mailbox with the present one',
    file: 'core/accounts/tenants.ts',
    from: 'const isLaxerMailbox = present !== undefined &&',
    to: 'const isLaxerMailbox = present === undefined &&',
  },
  {
    line: 'A1',
    what: 'the rule that nobody approves what they asked for',
    file: 'core/sending/approvals.ts',
    from: 'const isOfLine = lines.some(',
    to: 'const isOfLine = lines.slice(0, 0).some(',
  },
  {
    line: 'A1',
    what: 'the rule that nobody approves the template that they wrote',
    file: 'core/letters/templates/publish.ts',
    from: 'await mustNotBeAuthor(ctx, standing)',
    to: '',
  },
]
