import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { newUnclaimed } from '../../support/claim.ts'
import { call, newTenant, type Tenant } from '../../support/tenant.ts'

const operator = (method: string, path: string, body?: unknown) =>
  call(method, `/admin${path}`, { body, headers: { authorization: `Bearer ${env.OPERATOR_KEY}` } })

const subscription = async (tenant: Tenant) => (await tenant.get('/v1/billing/subscription')).body
const bonds = async (tenant: Tenant) => (await tenant.get('/v1/bonds')).body
const pathOf = (url: string) => new URL(url).pathname

test('"Current plan + 24h usage": a plan is paid for on a page marked as local, and then its limits apply', async () => {
  const ann = await newTenant()
  expect(await subscription(ann)).toEqual({
    plan_key: 'free',
    status: 'active',
    provider: 'local',
    limits: { daily: 100, monthly: 3_000 },
    usage_24h: { sent: 0 },
    daily: { used: 0, remaining: 100 },
    monthly: { used: 0, remaining: 3_000 },
    current_period_end: null,
    cancel_at_period_end: false,
  })
  expect((await ann.send('someone@example.com', 'one')).body.status).toBe('queued')
  expect((await ann.send('someone@example.com', 'one')).body.status).toBe('duplicate')
  expect(await subscription(ann)).toMatchObject({
    usage_24h: { sent: 1 },
    daily: { used: 1, remaining: 99 },
    monthly: { used: 1, remaining: 2_999 },
  })

  const opened = await ann.post('/v1/billing/checkout', { plan_key: 'growth' })
  expect(opened).toMatchObject({
    status: 200,
    body: {
      provider: 'local',
      status: 'open',
      plan_key: 'growth',
      session_id: expect.stringMatching(/^cs_local_/),
    },
  })
  const page = pathOf(opened.body.url)
  expect(page).toBe(`/dev/checkout/${opened.body.session_id}`)
  expect((await call('GET', page)).body).toContain('Pay for the plan growth')
  expect(await subscription(ann)).toMatchObject({ plan_key: 'free' })
  const paid = await Promise.all(Array.from({ length: 5 }, () => call('POST', page)))
  expect(paid.every(({ body }) => String(body).includes('You have the plan growth'))).toBe(true)
  const held = await subscription(ann)
  expect(held).toMatchObject({
    ...{ plan_key: 'growth', status: 'active', provider: 'local', limits: { daily: 2_000, monthly: 50_000 } },
    current_period_end: expect.stringMatching(/^\d{4}-.*Z$/),
  })
  const sent = await ann.post('/v1/messages', { to: 'b@example.com', subject: 'Hello', text: 'Hello' })
  expect(sent.headers.get('x-mailmolt-plan-daily-limit')).toBe('2000')
  expect(await ann.post('/v1/billing/checkout', { plan_key: 'growth' })).toMatchObject({
    status: 200,
    body: { status: 'complete', effective_at: null },
  })

  const portal = await ann.post('/v1/billing/portal')
  expect(portal).toMatchObject({ status: 200, body: { provider: 'local' } })
  expect((await call('GET', pathOf(portal.body.url))).body).toContain('The plan is growth')

  // A downgrade applies at once, since nothing was paid; opening the used page again does not undo it.
  expect((await ann.post('/v1/billing/checkout', { plan_key: 'free' })).body).toMatchObject({
    ...{ status: 'complete', session_id: null, effective_at: expect.any(String) },
  })
  expect(await subscription(ann)).toMatchObject({ plan_key: 'free', status: 'canceled' })
  await call('POST', page)
  expect(await subscription(ann)).toMatchObject({ plan_key: 'free' })
  for (const path of ['/dev/checkout/cs_local_nobodys', '/dev/billing/cus_local_nobodys'])
    expect((await call('GET', path)).status).toBe(404)
})

test('an invalid order is refused in the error shape of this API', async () => {
  const [ann, unclaimed] = [await newTenant(), await newUnclaimed()]
  for (const [path, bodies] of [
    ['/v1/billing/checkout', [{}, { plan_key: 'golden' }, { plan_key: null }, []]],
    ['/v1/bonds', [{}, { tier: 'team' }, { tier: 1 }, 'x']],
  ] as const) {
    for (const body of bodies)
      expect((await ann.post(path, body)).status, JSON.stringify(body)).toBeOneOf([400, 422])
    const valid = path.endsWith('bonds') ? { tier: 'starter' } : { plan_key: 'team' }
    expect(await call('POST', path, { key: unclaimed.key, body: valid })).toMatchObject({
      status: 403,
      body: { error: 'not_claimed', message: expect.stringContaining('claim_url') },
    })
  }
  expect(await call('POST', '/v1/billing/portal', { key: unclaimed.key })).toMatchObject({ status: 403 })
  expect((await call('GET', '/v1/bonds', { key: unclaimed.key })).body).toMatchObject({ data: [], total: 0 })
  expect(await ann.get('/v1/bonds?limit=0')).toMatchObject({ status: 422 })
})

test('a bond of the local ledger is posted, captured and released, and an agent has one at a time', async () => {
  const ann = await newTenant()
  const posted = await ann.post('/v1/bonds', { tier: 'starter' })
  expect(posted).toMatchObject({
    status: 201,
    body: {
      ...{ tier: 'starter', amount_usd_cents: 9_900, status: 'posted', pending: false, provider: 'local' },
      ...{ client_secret: expect.any(String), next_reauth_at: expect.any(String), ended_at: null },
    },
  })
  expect(await ann.post('/v1/bonds', { tier: 'growth' })).toMatchObject({
    status: 409,
    body: { error: 'conflict', message: expect.stringContaining('starter') },
  })
  const racers = await newTenant()
  const answers = await Promise.all(
    ['starter', 'growth', 'enterprise', 'starter'].map((tier) => racers.post('/v1/bonds', { tier })),
  )
  expect(answers.every(({ status }) => [201, 409].includes(status))).toBe(true)
  expect((await bonds(racers)).total).toBe(1)

  const level = async () => (await ann.get('/v1/agents/me')).body.permission_level
  expect(await level()).toBe('autonomous')
  const { id } = posted.body
  expect((await operator('POST', `/bonds/${id}/capture`, { reason: 'spam' })).body).toMatchObject({
    ...{ tenant_id: ann.id, status: 'captured', reason: 'spam' },
  })
  expect(await level()).toBe('trusted')
  expect((await ann.get('/v1/agents/heartbeat')).body.bond).toEqual({
    ...{ status: 'captured', tier: 'starter', next_reauth_at: null },
  })
  const again = await ann.post('/v1/bonds', { tier: 'enterprise' })
  expect(again).toMatchObject({ status: 201, body: { amount_usd_cents: 200_000 } })
  expect((await operator('POST', `/bonds/${again.body.id}/release`, { reason: 'left' })).status).toBe(200)
  expect(await level()).toBe('trusted')

  const first = (await ann.get('/v1/bonds?limit=1')).body
  expect(first).toMatchObject({ data: [{ id: again.body.id, status: 'released' }], total: 2, has_more: true })
  const second = (await ann.get(`/v1/bonds?limit=1&cursor=${first.next_cursor}`)).body
  expect(second).toMatchObject({ data: [{ id, status: 'captured' }], has_more: false, next_cursor: null })
  expect(first.data[0]).not.toHaveProperty('client_secret')

  const all = await operator('GET', '/bonds?status=captured&limit=100')
  expect(all.body.data.every(({ status }: { status: string }) => status === 'captured')).toBe(true)
  expect(all.body.data.map((each: { id: string }) => each.id)).toContain(id)
  expect((await call('GET', '/admin/bonds', { key: ann.ownerKey })).status).toBe(401)
  expect((await operator('GET', '/bonds?limit=101')).status).toBe(422)
  expect((await operator('DELETE', `/bonds/${id}`)).status).toBe(404)
})
