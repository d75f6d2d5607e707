import { expect, test } from 'vitest'
import { newUnclaimed, post, someone } from '../../support/claim.ts'
import { sql } from '../../support/matrix-dump.ts'
import { call, eventually, grant, newTenant } from '../../support/tenant.ts'

/** The schema `Heartbeat` of the published document. */
const PUBLISHED = {
  access: {
    level: expect.stringMatching(/^(sandbox|supervised|trusted|autonomous)$/),
    claimed: expect.any(Boolean),
  },
  limits: {
    daily_limit: expect.any(Number),
    sent_today: expect.any(Number),
    remaining_today: expect.any(Number),
    monthly_remaining: expect.any(Number),
  },
  activity: {
    unread_count: expect.any(Number),
    pending_approvals: expect.any(Number),
    memory_keys: expect.any(Number),
  },
  dlp: {
    mode: expect.stringMatching(/^(monitor|redact|block)$/),
    rules_version: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
  },
  bond: { status: 'none', tier: null, next_reauth_at: null },
  network: { score: 0, level: 'newcomer' },
}

type Item = { priority: string; action: string }
const items = ({ body }: { body: { action_items: Item[] } }) =>
  body.action_items.map(({ priority, action }) => `${priority} ${action}`)

test('each heartbeat of an unclaimed agent has its claim link, until a person has claimed it', async () => {
  const agent = await newUnclaimed()
  const beat = () => agent.get('/v1/agents/heartbeat')
  const first = await beat()
  expect(first).toMatchObject({ status: 200, body: PUBLISHED })
  expect(first.body).toMatchObject({
    access: { level: 'sandbox', claimed: false, claim_url: agent.url, verify_url: null },
    limits: { daily_limit: 0, sent_today: 0, remaining_today: 0, monthly_remaining: 0 },
  })
  expect(first.body.human_owner).toBeUndefined()
  expect(items(first)).toEqual(['high claim_agent', 'medium introduce_yourself', 'low start_networking'])
  for (const item of first.body.action_items) expect(item.description).toMatch(/\w/)
  expect((await beat()).body.access.claim_url).toBe(agent.url)

  const email = someone()
  await agent.claim(email)
  const claimed = await beat()
  expect(claimed.body).toMatchObject({
    human_owner: { email, email_verified: false, plan_key: 'free' },
    access: { level: 'supervised', claimed: true, claim_url: null },
    limits: { daily_limit: 100, sent_today: 0, remaining_today: 100, monthly_remaining: 3_000 },
  })
  expect(items(claimed)).toEqual(['medium verify_email', 'medium introduce_yourself', 'low start_networking'])
  // The agent gets the address of the page that mails the link again, but never the link itself.
  const { pathname } = new URL(claimed.body.access.verify_url)
  expect(pathname).toMatch(/^\/claim\//)
  const page = await call('GET', pathname)
  expect(page.status).toBe(200)
  expect(page.body).toContain('Send the link again')
  expect((await post(pathname, { again: '1' })).body).toContain('Check your mail')

  await sql('UPDATE owners SET verified_at = 1 WHERE tenant_id = ?1', agent.id)
  const verified = await beat()
  expect(verified.body.access).toMatchObject({ claimed: true, claim_url: null, verify_url: null })
  expect(items(verified)).toEqual(['medium introduce_yourself', 'low start_networking'])
})

test('the heartbeat reports unread messages, held sends, memory entries and plan usage', async () => {
  const [tenant, writer] = await Promise.all([newTenant(), newTenant()])
  const beat = () => tenant.get('/v1/agents/heartbeat')
  const mail = (from: typeof tenant, to: string) =>
    from.post('/email/send', { to: [to], subject: 'Hello', body_text: 'Hello' })
  expect(items(await beat())).toEqual(['medium introduce_yourself', 'low start_networking'])

  for (let count = 0; count < 2; count++)
    expect((await mail(writer, tenant.address)).body.status).toBe('delivered')
  expect((await mail(tenant, 'reader@example.com')).status).toBe(200)
  await sql(`UPDATE mailboxes SET autonomy = 'review' WHERE tenant_id = ?1`, tenant.id)
  expect((await mail(tenant, 'reader@example.com')).body.status).toBe('queued')
  for (const [key, expiresAt] of [
    ['lasting', null],
    ['later', Date.now() + 60_000],
    ['over', Date.now() - 1],
  ] as const) {
    await sql(
      `INSERT INTO memories (tenant_id, agent_id, key, value, expires_at, created_at, updated_at)
       VALUES (?1, ?2, ?3, 'v', ?4, 1, 1)`,
      tenant.id,
      tenant.agentId,
      key,
      expiresAt,
    )
  }
  const full = await beat()
  expect(full.body).toMatchObject({
    ...PUBLISHED,
    human_owner: { email_verified: true, plan_key: 'free' },
    limits: { daily_limit: 100, sent_today: 1, remaining_today: 99, monthly_remaining: 2_999 },
    activity: { unread_count: 2, pending_approvals: 1, memory_keys: 2 },
  })
  expect(items(full)).toEqual(['high check_inbox', 'high review_approvals', 'low start_networking'])

  const { messages } = (await tenant.get('/email/inbox')).body
  for (const { message_id } of messages) await tenant.post(`/email/message/${message_id}/read`)
  await sql(`UPDATE approvals SET expires_at = ?2 WHERE tenant_id = ?1`, tenant.id, Date.now())
  await sql('UPDATE mailboxes SET daily_limit = 1 WHERE tenant_id = ?1', tenant.id)
  const spent = await beat()
  expect(spent.body).toMatchObject({
    limits: { daily_limit: 1, sent_today: 1, remaining_today: 0 },
    activity: { unread_count: 0, pending_approvals: 0 },
  })
  expect(items(spent)).toEqual(['medium upgrade_plan', 'low start_networking'])
})

test('calls of me and heartbeat keep an agent active; after five minutes without one it loses its leases', async () => {
  const tenant = await newTenant()
  const other = await tenant.owner.post('/v1/agent/register', { agentName: 'other' })
  const isActive = async () => {
    const { body } = await tenant.owner.get('/v1/agent/agents?active=true')
    return body.items.some(({ id }: { id: string }) => id === tenant.agentId)
  }
  const silent = () =>
    sql(
      'UPDATE agents SET last_heartbeat_at = ?3 WHERE tenant_id = ?1 AND id = ?2',
      tenant.id,
      tenant.agentId,
      Date.now() - 301_000,
    )
  for (const path of ['/v1/agents/me', '/v1/agents/heartbeat']) {
    const contactEmail = `${crypto.randomUUID()}@example.com`
    const lease = { contactEmail, agentId: tenant.agentId }
    expect((await tenant.post('/v1/agent/coordination/lease', lease)).body.conflict).toBeUndefined()
    await silent()
    expect(await isActive()).toBe(false)
    const reader = await grant(tenant.id, ['read'])
    const headers = { 'x-agent-id': tenant.agentId }
    expect((await call('GET', path, { key: reader, headers })).status).toBe(200)
    expect(await isActive()).toBe(false)
    expect((await tenant.get(path)).status).toBe(200)
    expect(await isActive()).toBe(true)
    const taken = await tenant.owner.post('/v1/agent/coordination/lease', {
      contactEmail,
      agentId: other.body.id,
    })
    expect(taken.body).toMatchObject({ agentId: other.body.id })
    expect(taken.body.conflict).toBeUndefined()
  }
  expect(await call('GET', '/v1/agents/heartbeat')).toMatchObject({ status: 401 })
  await eventually(async () => ((await isActive()) ? true : undefined))
})
