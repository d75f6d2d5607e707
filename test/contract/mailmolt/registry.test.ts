import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { call, newTenant } from '../../support/tenant.ts'

const DAY_MS = 86_400_000

test('anybody may look up an agent by id or address, and learns nothing about its owner', async () => {
  const tenant = await newTenant()
  const person = `person-${crypto.randomUUID()}@example.com`
  await env.DB.prepare(
    'UPDATE owners SET email = ?2, contact = ?2, name = ?3, x_handle = ?3 WHERE tenant_id = ?1',
  )
    .bind(tenant.id, person, 'Very Private')
    .run()
  const path = `/v1/registry/reputation/${tenant.agentId}`
  const found = await call('GET', path)
  expect(found.status).toBe(200)
  expect(found.body).toEqual({
    agent_id: tenant.agentId,
    email: tenant.address,
    display_name: expect.any(String),
    trust_score: 55,
    permission_level: 'trusted',
    verified_sender: false,
    bond_tier: null,
    claimed: true,
    member_since: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    stats: { sent_30d: 0, bounce_rate: null, complaint_rate: null },
  })
  const shown = JSON.stringify(found.body) + JSON.stringify([...found.headers])
  for (const secret of [person, 'Very Private', tenant.id, tenant.mailboxId])
    expect(shown).not.toContain(secret)
  expect(
    (await call('GET', `/v1/registry/reputation/${encodeURIComponent(tenant.address.toUpperCase())}`)).body,
  ).toEqual(found.body)

  expect(found.headers.get('cache-control')).toBe('public, max-age=60')
  const etag = found.headers.get('etag') ?? ''
  const same = await call('GET', path, { headers: { 'if-none-match': `"old", W/${etag}` } })
  expect({ status: same.status, body: same.body }).toEqual({ status: 304, body: '' })

  await env.DB.prepare(
    `INSERT INTO aliases (tenant_id, mailbox_id, domain_id, address, contact, created_at) VALUES (?1, ?2, 'dom_x', ?3, ?3, 1)`,
  )
    .bind(tenant.id, tenant.mailboxId, `${tenant.agentId}@registry.example.org`)
    .run()
  expect((await call('GET', `/v1/registry/reputation/${tenant.agentId}@registry.example.org`)).body).toEqual(
    found.body,
  )

  for (const unknown of [
    'agent_nobody',
    'nobody@moltpost.test',
    'no-reply@moltpost.test',
    '%00',
    "' OR 1=1 --",
  ]) {
    const answer = await call('GET', `/v1/registry/reputation/${encodeURIComponent(unknown)}`)
    expect({ unknown, status: answer.status, error: answer.body.error }).toEqual({
      unknown,
      status: 404,
      error: 'not_found',
    })
  }
  await env.DB.prepare("UPDATE agents SET status = 'banned' WHERE tenant_id = ?1").bind(tenant.id).run()
  expect((await call('GET', path)).status).toBe(404)
})

test('lookups are limited per network, and a refusal says when to try again', async () => {
  const { agentId } = await newTenant()
  const ask = (from: string) =>
    call('GET', `/v1/registry/reputation/${agentId}`, { headers: { 'cf-connecting-ip': from } })
  const answers: number[] = []
  for (let round = 0; round < 7; round++) {
    const some = await Promise.all(Array.from({ length: 50 }, (_, at) => ask(`198.51.100.${at}`)))
    answers.push(...some.map(({ status }) => status))
  }
  expect(answers.filter((status) => status === 200)).toHaveLength(300)
  expect(answers.filter((status) => status === 429)).toHaveLength(50)
  const refused = await ask('198.51.100.77')
  expect(refused).toMatchObject({ status: 429, body: { error: 'rate_limited' } })
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await ask('198.51.101.1')).status).toBe(200)
})

test('a trust score is the sum of the terms shown, and rates count from twenty sends on', async () => {
  const tenant = await newTenant()
  const trust = async () => (await tenant.get('/v1/agents/me/trust-score')).body
  const points = async () => {
    const { terms } = await trust()
    return Object.fromEntries(
      terms.map(({ term, points }: { term: string; points: number }) => [term, points]),
    )
  }
  const now = Date.now()
  const put = async (states: string[]) => {
    const floor = (await tenant.send('floor@example.com', crypto.randomUUID())).body.requestId as string
    await tenant.settled(floor)
    await env.DB.prepare('DELETE FROM sends WHERE tenant_id = ?1').bind(tenant.id).run()
    await env.DB.batch(
      states.map((state, at) =>
        env.DB.prepare(
          `INSERT INTO sends (tenant_id, id, door, mailbox_id, state, body_hash, recipients, created_at, updated_at)
           VALUES (?1, ?2, 'molted', ?3, ?4, '', '[]', ?5, ?5)`,
        ).bind(tenant.id, `${floor}${at}`, tenant.mailboxId, state, now),
      ),
    )
  }
  await put([...Array<string>(18).fill('delivered'), 'complained'])
  expect(await points()).toMatchObject({
    base: 20,
    claimed: 20,
    email_verified: 15,
    deliveries: 0.38,
    complaints: 0,
  })
  await put([...Array<string>(98).fill('delivered'), 'bounced', 'complained'])
  expect(await points()).toMatchObject({ deliveries: 1.98, bounces: -4, complaints: -60 })
  expect((await call('GET', `/v1/registry/reputation/${tenant.agentId}`)).body.stats).toEqual({
    sent_30d: 100,
    bounce_rate: 0.01,
    complaint_rate: 0.01,
  })
  await env.DB.prepare('UPDATE agents SET registered_at = ?2 WHERE tenant_id = ?1')
    .bind(tenant.id, now - 40 * DAY_MS)
    .run()
  await put(Array<string>(90).fill('delivered'))
  const { trust_score, terms } = await trust()
  const sum = terms.reduce((total: number, each: { points: number }) => total + each.points, 0)
  expect(trust_score).toBe(Math.round(sum))
  expect(await points()).toMatchObject({ age: 10, bounces: 0, complaints: 0 })
  expect((await tenant.get('/v1/agents/me')).body.trust_score).toBe(trust_score)
})
