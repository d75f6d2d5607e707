import { expect, test } from 'vitest'
import { newUnclaimed } from '../../support/claim.ts'
import { sql } from '../../support/matrix-dump.ts'
import { call, grant, newTenant } from '../../support/tenant.ts'

const DOORS = ['/v1/agents/register', '/agents/register']

/** A network used by one test only, with as many addresses as needed. */
function network(kind: 4 | 6) {
  const [a = 0, b = 0, c = 0] = crypto.getRandomValues(new Uint8Array(3))
  const prefix = kind === 4 ? `${60 + (a % 60)}.${b}.${c}.` : `2a00:${(a * 256 + b).toString(16)}:${c}:`
  return (host: number) => (kind === 4 ? `${prefix}${host}` : `${prefix}${host.toString(16)}::${host}`)
}

function register(door: string, address: string | null, name = 'Counted Bot') {
  return call('POST', door, {
    body: { name },
    headers: address ? { 'cf-connecting-ip': address } : undefined,
  })
}

test('registrations from one network are limited per hour, over all APIs together and for concurrent requests', async () => {
  for (const kind of [4, 6] as const) {
    const address = network(kind)
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, host) => register(DOORS[host % 2] ?? '', address(host + 1))),
    )
    const statuses = answers.map(({ status }) => status).sort()
    expect({ kind, statuses }).toEqual({ kind, statuses: [...Array(10).fill(201), ...Array(14).fill(429)] })
    const toNextHour = 3_600 - Math.floor((Date.now() / 1000) % 3_600)
    for (const { status, headers } of answers) {
      if (status !== 429) continue
      const wait = Number(headers.get('retry-after'))
      expect(wait).toBeGreaterThan(0)
      expect(wait).toBeLessThanOrEqual(toNextHour + 2)
    }
    expect(await register('/v1/agents/register', address(77))).toMatchObject({
      status: 429,
      body: { error: 'too_many_registrations', message: expect.any(String) },
    })
    expect(await register('/agents/register', address(78))).toMatchObject({
      status: 429,
      body: { error: { code: 'too_many_registrations', retry_after: expect.any(Number) } },
    })
    // An IPv4-mapped IPv6 address belongs to the same network; the next network has its own count.
    if (kind === 4) expect((await register('/v1/agents/register', `::ffff:${address(9)}`)).status).toBe(429)
    expect((await register('/v1/agents/register', network(kind)(1))).status).toBe(201)
  }
  // In local development, requests from the same machine are not counted.
  const own = await Promise.all(Array.from({ length: 12 }, () => register('/v1/agents/register', null)))
  expect(own.every(({ status }) => status === 201)).toBe(true)
})

test('invalid registrations and those that ask for a taken address are not counted', async () => {
  const address = network(4)
  const { agent } = (await register('/v1/agents/register', null)).body
  const others = agent.email.split('@')[0]
  for (let host = 1; host <= 15; host++) {
    expect((await register('/v1/agents/register', address(host), 'x')).status).toBe(422)
    expect((await register('/v1/agents/register', address(host), 'Bad\nBot')).status).toBe(422)
  }
  const taken = (host: number) =>
    call('POST', '/agents/register', {
      body: { agent_id: host % 2 ? 'postmaster' : others },
      headers: { 'cf-connecting-ip': address(host) },
    })
  for (let host = 1; host <= 12; host++) expect((await taken(host)).status).toBe(409)
  for (let host = 1; host <= 10; host++)
    expect((await register('/v1/agents/register', address(host))).status).toBe(201)
  expect((await register('/v1/agents/register', address(1))).status).toBe(429)
})

test('GET /agents/me is the published Agent, with its owner once it has one', async () => {
  const agent = await newUnclaimed({ description: 'Reads papers' })
  expect(await call('GET', '/v1/agents/me')).toMatchObject({
    status: 401,
    body: { error: 'unauthorized', message: expect.any(String) },
  })
  const before = await agent.get('/v1/agents/me')
  expect(before).toMatchObject({ status: 200 })
  expect(before.body).toEqual({
    id: agent.agentId,
    email: agent.address,
    display_name: agent.name,
    api_key_prefix: agent.key.slice(0, 14),
    status: 'pending_claim',
    permission_level: 'sandbox',
    trust_score: 20,
  })
  const tenant = await newTenant()
  const { body } = await tenant.get('/v1/agents/me')
  expect(body).toMatchObject({
    id: tenant.agentId,
    status: 'active',
    permission_level: 'trusted',
    trust_score: 55,
    owner: { email: expect.stringContaining('@'), email_verified: true, plan_key: 'free' },
  })
  expect(body.owner).not.toHaveProperty('x_handle')
})

test('the trust score falls with bounces and complaints once there are enough sends, and rises with age', async () => {
  const tenant = await newTenant()
  const score = async () => (await tenant.get('/v1/agents/me')).body.trust_score
  const sends = (state: string, many: number) =>
    sql(
      `INSERT INTO sends (tenant_id, id, door, mailbox_id, state, body_hash, recipients, created_at, updated_at)
       SELECT ?1, 'req_' || ?4 || lower(hex(randomblob(13))), 'molted', ?2, ?3, '', '[]', ?5, ?5
       FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?6) SELECT i FROM n)`,
      tenant.id,
      tenant.mailboxId,
      state,
      timeOfId(tenant.id),
      Date.now(),
      many,
    )
  await sends('bounced', 2)
  await sends('delivered', 17)
  expect(await score()).toBe(55)
  await sends('delivered', 1)
  // 2 of 20 bounced: 400 · 0.1 = 40; 18 delivered add 0.36.
  expect(await score()).toBe(15)
  await sends('delivered', 480)
  // 2 of 500 bounced: 1.6; 498 delivered add 9.96.
  expect(await score()).toBe(63)
  await sends('complained', 5)
  // 5 of 505 complained: 59.4.
  expect(await score()).toBe(4)
  await sql('DELETE FROM sends WHERE tenant_id = ?1', tenant.id)
  await sql(
    'UPDATE agents SET registered_at = ?2 WHERE tenant_id = ?1',
    tenant.id,
    Date.now() - 15 * 86_400_000,
  )
  expect(await score()).toBe(60)
})

test('an agent that is paused or suspended gets 403 on sends only; a banned one gets 401 on everything', async () => {
  const tenant = await newTenant()
  const send = () =>
    tenant.post('/email/send', { to: ['reader@example.com'], subject: 'Hello', body_text: 'Hello' })
  for (const status of ['paused', 'suspended']) {
    await sql('UPDATE agents SET status = ?2 WHERE tenant_id = ?1', tenant.id, status)
    expect(await send()).toMatchObject({ status: 403, body: { error: { code: 'agent_suspended' } } })
    expect((await tenant.send('reader@example.com', `k-${status}`)).body).toMatchObject({
      status: 'blocked',
      reason: 'agent_suspended',
    })
    expect(await tenant.get('/v1/agents/me')).toMatchObject({ status: 200, body: { status } })
  }
  await sql(`UPDATE agents SET status = 'banned' WHERE tenant_id = ?1`, tenant.id)
  for (const path of ['/v1/agents/me', '/v1/agents/heartbeat', '/email/inbox', '/v1/agent/sends'])
    expect({ path, status: (await tenant.get(path)).status }).toEqual({ path, status: 401 })
  expect((await send()).status).toBe(401)
  expect((await tenant.send('reader@example.com', 'k-banned')).status).toBe(401)
  // The ban does not touch the key of its owner.
  expect((await tenant.owner.get('/v1/agent/agents')).status).toBe(200)
  await sql(`UPDATE agents SET status = 'active' WHERE tenant_id = ?1`, tenant.id)
  expect((await tenant.get('/v1/agents/me')).status).toBe(200)
})

test('"me" is the agent of the key, or the agent that a key of the whole tenant names', async () => {
  const [tenant, stranger] = await Promise.all([newTenant(), newTenant()])
  const as = (id: string) => ({ 'x-agent-id': id })
  expect((await tenant.get('/v1/agents/me', as(tenant.agentId))).body.id).toBe(tenant.agentId)
  expect((await tenant.owner.get('/v1/agents/me', as(tenant.agentId))).body.id).toBe(tenant.agentId)
  for (const id of [stranger.agentId, 'agent_none'])
    expect(await tenant.owner.get('/v1/agents/me', as(id))).toMatchObject({
      status: 404,
      body: { error: 'agent_not_found' },
    })
  const second = await tenant.owner.post('/v1/agent/register', { agentName: 'second' })
  expect(await tenant.get('/v1/agents/me', as(second.body.id))).toMatchObject({
    status: 403,
    body: { error: 'agent_mismatch' },
  })
  expect(await tenant.owner.get('/v1/agents/me', as(second.body.id))).toMatchObject({
    status: 403,
    body: { error: 'agent_required' },
  })
  const sender = await grant(tenant.id, ['send'], [{ mailboxId: tenant.mailboxId, permissions: ['send'] }])
  expect((await call('GET', '/v1/agents/me', { key: sender })).status).toBe(403)
})

/** The ten characters of an id that encode its time. */
const timeOfId = (id: string) => id.slice(id.indexOf('_') + 1, id.indexOf('_') + 11)
