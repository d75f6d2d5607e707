import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { call, grant, newTenant } from '../../support/tenant.ts'

test('a mailbox is opened, read, changed and removed', async () => {
  const tenant = await newTenant()
  const local = `box-${crypto.randomUUID()}`
  const opened = await tenant.post('/v1/agent/mailboxes', { address: local, displayName: 'Anna of Sales' })
  expect(opened).toMatchObject({
    status: 200,
    body: {
      tenantId: tenant.id,
      address: `${local}@moltpost.test`,
      displayName: 'Anna of Sales',
      status: 'active',
      config: {
        autonomyLevel: 3,
        autonomy: 'auto',
        cooldownMinutes: null,
        hourlyLimit: null,
        dailyLimit: null,
        monthlyLimit: null,
        requireConsent: false,
        fatigueLimit: null,
        fatigueDays: 7,
        riskBudget: null,
        carriers: null,
        onUnknown: 'hold',
        agentId: tenant.agentId,
        isDefault: false,
      },
    },
  })
  const path = `/v1/agent/mailboxes/${opened.body.id}`
  expect((await tenant.get(path)).body).toEqual(opened.body)

  const changed = await tenant.owner.patch(path, {
    displayName: null,
    status: 'paused',
    cooldownMinutes: 30,
    dailyLimit: 0,
    carriers: [{ carrier: 'smtp', weight: 3 }],
    config: { fatigueLimit: 2, onUnknown: 'resend' },
  })
  expect(changed).toMatchObject({
    status: 200,
    body: {
      displayName: null,
      status: 'paused',
      config: {
        cooldownMinutes: 30,
        dailyLimit: 0,
        carriers: [{ carrier: 'smtp', weight: 3 }],
        fatigueLimit: 2,
        onUnknown: 'resend',
        autonomyLevel: 3,
      },
    },
  })
  const reset = await tenant.owner.patch(path, { cooldownMinutes: null, carriers: null })
  expect(reset.body.config).toMatchObject({ cooldownMinutes: null, carriers: null, dailyLimit: 0 })

  expect((await tenant.del(path)).body).toEqual({ id: opened.body.id, deleted: true })
  expect(await tenant.get(path)).toMatchObject({ status: 404, body: { error: 'mailbox_not_found' } })
  expect((await tenant.del(path)).status).toBe(404)
})

test('an address is refused if it is reserved, in a domain that is not ours, malformed, or taken by any tenant', async () => {
  const [one, other] = [await newTenant(), await newTenant()]
  const refused = [
    'postmaster',
    'Abuse',
    'no.reply',
    'mailer_daemon',
    'root@moltpost.test',
    'anna@elsewhere.example',
    'a+b',
    '-a',
    'a..b',
    'two words',
    'ünal',
    '',
  ]
  for (const address of refused) {
    const answer = await one.post('/v1/agent/mailboxes', { address })
    expect([address, answer.status, answer.body.error, answer.body.field]).toEqual([
      address,
      400,
      'invalid',
      'address',
    ])
  }
  expect((await one.post('/v1/agent/mailboxes', {})).body).toMatchObject({
    error: 'invalid',
    field: 'address',
  })
  expect((await one.post('/v1/agent/mailboxes', { name: '***' })).body).toMatchObject({ field: 'address' })
  const unsafe = await one.post('/v1/agent/mailboxes', { address: 'fine', displayName: 'A\r\nBcc: b@c.de' })
  expect(unsafe.body).toMatchObject({ statusCode: 400, error: 'invalid', field: 'displayName' })

  const name = `Søren ${crypto.randomUUID()}`
  const named = await one.post('/v1/agent/mailboxes', { name })
  expect(named.body.displayName).toBe(name)
  expect(named.body.address).toMatch(/^s-ren-[0-9a-f-]{36}@moltpost\.test$/)
  const taken = await other.post('/v1/agent/mailboxes', { address: named.body.address.toUpperCase() })
  expect(taken).toMatchObject({ status: 409, body: { error: 'conflict', field: 'address' } })

  const bounds = [
    { cooldownMinutes: 1441 },
    { cooldownMinutes: 1.5 },
    { hourlyLimit: -1 },
    { autonomyLevel: 4 },
    { fatigueDays: 0 },
    { carriers: [] },
    { carriers: [{ carrier: 'pigeon', weight: 1 }] },
  ]
  for (const wrong of bounds) {
    const answer = await one.patch(`/v1/agent/mailboxes/${one.mailboxId}`, wrong)
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid' } })
    expect(answer.body.field.split('.')[0]).toBe(Object.keys(wrong)[0])
  }
})

test('any managing key may ask for more review; asking for less needs a key that may loosen', async () => {
  const tenant = await newTenant()
  const path = `/v1/agent/mailboxes/${tenant.mailboxId}/autonomy`
  expect((await tenant.get(path)).body).toEqual({
    mailboxId: tenant.mailboxId,
    autonomyLevel: 3,
    autonomy: 'auto',
  })
  expect((await tenant.patch(path, { autonomyLevel: 1 })).body).toMatchObject({ autonomyLevel: 1 })

  const raised = await tenant.patch(path, { autonomyLevel: 2 })
  expect(raised).toMatchObject({ status: 403, body: { error: 'human_decision_required' } })
  const aside = await tenant.patch(`/v1/agent/mailboxes/${tenant.mailboxId}`, {
    config: { autonomyLevel: 3 },
  })
  expect(aside.body).toMatchObject({ error: 'human_decision_required', loosens: ['autonomyLevel'] })
  const around = { address: `free-${crypto.randomUUID()}` }
  expect(await tenant.post('/v1/agent/mailboxes', { ...around, autonomyLevel: 3 })).toMatchObject({
    status: 403,
  })
  const opened = await tenant.post('/v1/agent/mailboxes', around)
  expect(opened.body.config).toMatchObject({ autonomyLevel: 1, autonomy: 'review' })
  expect((await tenant.get(path)).body.autonomyLevel).toBe(1)

  expect((await tenant.send('ann@example.com', 'held')).body.status).toBe('pending_approval')
  expect((await tenant.owner.patch(path, { autonomyLevel: 3 })).body.autonomyLevel).toBe(3)
  expect((await tenant.send('ann@example.com', 'free')).body.status).toBe('queued')
  expect((await tenant.patch(path, { autonomyLevel: 0 })).body).toMatchObject({ field: 'autonomyLevel' })
})

test('the default mailbox and a mailbox with unfinished sends cannot be removed', async () => {
  const tenant = await newTenant()
  const standard = await tenant.del(`/v1/agent/mailboxes/${tenant.mailboxId}`)
  expect(standard).toMatchObject({ status: 409, body: { error: 'conflict' } })

  const { body: second } = await tenant.post('/v1/agent/mailboxes', { address: `b-${crypto.randomUUID()}` })
  const path = `/v1/agent/mailboxes/${second.id}`
  await tenant.patch(`${path}/autonomy`, { autonomyLevel: 1 })
  const held = await tenant.send('ann@example.com', 'held', { mailboxId: second.id })
  expect(held.body.status).toBe('pending_approval')
  const busy = await tenant.del(path)
  expect(busy).toMatchObject({ status: 409, body: { error: 'conflict' } })
  expect(busy.body.message).toContain('not finished')

  const cancelled = await tenant.del(`/v1/agent/sends/${held.body.requestId}`)
  expect(cancelled.body.cancelled).toBe(true)
  expect((await tenant.del(path)).status).toBe(200)
  expect((await tenant.send('ann@example.com', 'late', { mailboxId: second.id })).status).toBe(404)

  const { body: third } = await tenant.post('/v1/agent/mailboxes', { address: `c-${crypto.randomUUID()}` })
  await tenant.patch('/v1/agent/config/settings', { defaultMailboxId: third.id })
  expect((await tenant.get(`/v1/agent/mailboxes/${third.id}`)).body.config.isDefault).toBe(true)
  expect((await tenant.del(`/v1/agent/mailboxes/${tenant.mailboxId}`)).status).toBe(200)
})

test('a mailbox is visible to its own tenant only, and to scoped keys only within their scope', async () => {
  const [tenant, stranger] = [await newTenant(), await newTenant()]
  const { body: second } = await tenant.post('/v1/agent/mailboxes', { address: `s-${crypto.randomUUID()}` })

  const foreign = await stranger.get(`/v1/agent/mailboxes/${second.id}`)
  const unknown = await stranger.get('/v1/agent/mailboxes/mbx_nowhere')
  expect(foreign.status).toBe(404)
  expect(foreign.body).toEqual(unknown.body)
  expect((await stranger.patch(`/v1/agent/mailboxes/${second.id}`, { dailyLimit: 1 })).status).toBe(404)
  expect((await stranger.del(`/v1/agent/mailboxes/${second.id}`)).status).toBe(404)

  const list = await tenant.get('/v1/agent/mailboxes?limit=1')
  expect(list.body.items).toMatchObject([{ id: second.id }])
  const rest = await tenant.get(`/v1/agent/mailboxes?limit=1&cursor=${list.body.nextCursor}`)
  expect(rest.body.items).toMatchObject([{ id: tenant.mailboxId, config: { isDefault: true } }])

  const scoped = tenant.as(await grant(tenant.id, [], [{ mailboxId: second.id, permissions: ['manage'] }]))
  expect((await scoped.get('/v1/agent/mailboxes')).body.items).toHaveLength(1)
  expect((await scoped.patch(`/v1/agent/mailboxes/${second.id}`, { dailyLimit: 5 })).status).toBe(200)
  const outside = await scoped.get(`/v1/agent/mailboxes/${tenant.mailboxId}`)
  expect(outside).toMatchObject({ status: 403, body: { error: 'mailbox_scope_denied' } })
  expect((await scoped.post('/v1/agent/mailboxes', { address: 'x-1' })).body.error).toBe('insufficient_scope')

  const reader = tenant.as(await grant(tenant.id, ['read']))
  expect((await reader.get(`/v1/agent/mailboxes/${second.id}`)).status).toBe(200)
  expect((await reader.patch(`/v1/agent/mailboxes/${second.id}`, {})).body.error).toBe('insufficient_scope')
})

test('an address that was given out once stays with its tenant, also after its mailbox is deleted', async () => {
  const [tenant, stranger] = await Promise.all([newTenant(), newTenant()])
  const local = `given-${Date.now().toString(36)}`
  const open = (by: typeof tenant, address: string) => by.owner.post('/v1/agent/mailboxes', { address })
  const opened = await open(tenant, local)
  expect(opened.status).toBe(200)
  expect((await tenant.owner.del(`/v1/agent/mailboxes/${opened.body.id}`)).status).toBe(200)
  for (const address of [local, local.toUpperCase(), opened.body.address])
    expect(await open(stranger, address)).toMatchObject({ status: 409, body: { error: 'conflict' } })
  expect(
    await call('POST', '/agents/register', { body: { agent_id: local, name: 'Stranger' } }),
  ).toMatchObject({ status: 409 })
  const named = await call('POST', '/v1/agents/register', { body: { name: local.replace('-', ' ') } })
  expect(named.body.agent.email).not.toBe(opened.body.address)

  // Its own tenant may open it again, and delete it again.
  const again = await open(tenant, local)
  expect(again).toMatchObject({ status: 200, body: { address: opened.body.address } })
  const round = Array.from({ length: 10 }, () => open(stranger, local))
  await Promise.all([tenant.owner.del(`/v1/agent/mailboxes/${again.body.id}`), ...round])
  const { results } = await env.DB.prepare('SELECT tenant_id FROM mailboxes WHERE contact = ?1')
    .bind(opened.body.address)
    .all()
  expect(results).toEqual([])
})
