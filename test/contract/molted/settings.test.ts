import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { call, grant, newTenant } from '../../support/tenant.ts'

const PATH = '/v1/agent/config/settings'

test('settings are read and changed one by one, and invalid values are refused', async () => {
  const [tenant, stranger] = [await newTenant(), await newTenant()]
  const standing = await tenant.get(PATH)
  expect(standing).toMatchObject({
    status: 200,
    body: {
      tenantId: tenant.id,
      plan: 'free',
      status: 'active',
      cooldownMinutes: 10,
      physicalAddress: null,
      requireConsentForMarketing: false,
      defaultMailboxId: tenant.mailboxId,
      dedupeWindowDays: 30,
    },
  })
  expect((await tenant.patch(PATH, {})).body).toEqual(standing.body)
  const change = {
    cooldownMinutes: 0,
    physicalAddress: '1 Main St, Springfield',
    requireConsentForMarketing: true,
    dedupeWindowDays: 365,
  }
  expect((await tenant.owner.patch(PATH, change)).body).toEqual({ ...standing.body, ...change })
  expect((await tenant.owner.patch(PATH, { physicalAddress: null })).body.physicalAddress).toBeNull()
  expect((await stranger.get(PATH)).body.cooldownMinutes).toBe(10)

  const wrong = [
    { cooldownMinutes: -1 },
    { cooldownMinutes: 1441 },
    { dedupeWindowDays: 0 },
    { dedupeWindowDays: 366 },
    { status: 'frozen' },
    { physicalAddress: ' ' },
    { requireConsentForMarketing: 'yes' },
  ]
  for (const body of wrong) {
    const answer = await tenant.patch(PATH, body)
    expect([answer.status, answer.body.error, answer.body.field]).toEqual([
      400,
      'invalid',
      Object.keys(body)[0],
    ])
  }
  const foreign = await tenant.patch(PATH, { defaultMailboxId: stranger.mailboxId, cooldownMinutes: 5 })
  expect(foreign).toMatchObject({
    status: 404,
    body: { error: 'mailbox_not_found', field: 'defaultMailboxId' },
  })
  expect((await tenant.get(PATH)).body).toMatchObject({
    cooldownMinutes: 0,
    defaultMailboxId: tenant.mailboxId,
  })
  const mismatch = await tenant.patch(PATH, { tenantId: stranger.id, cooldownMinutes: 5 })
  expect(mismatch).toMatchObject({ status: 403, body: { error: 'tenant_mismatch' } })
  const reader = tenant.as(await grant(tenant.id, ['read']))
  expect((await reader.patch(PATH, { cooldownMinutes: 5 })).status).toBe(403)
})

test('a paused tenant sends nothing until it is active again; a frozen tenant cannot unfreeze itself', async () => {
  const tenant = await newTenant()
  expect((await tenant.patch(PATH, { status: 'paused' })).body.status).toBe('paused')
  expect((await tenant.send('ann@example.com', 'k')).body).toMatchObject({
    status: 'blocked',
    reason: 'tenant_paused',
  })
  await tenant.owner.patch(PATH, { status: 'active' })
  expect((await tenant.send('ann@example.com', 'k')).body.status).toBe('queued')

  const frozen = await newTenant({ tenant: { status: 'frozen' } })
  expect((await frozen.get(PATH)).body.status).toBe('frozen')
  const freed = await frozen.owner.patch(PATH, { status: 'active' })
  expect(freed).toMatchObject({ status: 409, body: { error: 'conflict', field: 'status' } })
  expect((await frozen.owner.patch(PATH, { cooldownMinutes: 1 })).body).toMatchObject({
    status: 'frozen',
    cooldownMinutes: 1,
  })
})

test('the cooldown of a tenant applies to mailboxes without their own', async () => {
  const tenant = await newTenant()
  const { body: mailbox } = await tenant.post('/v1/agent/mailboxes', { address: `m-${crypto.randomUUID()}` })
  const from = { mailboxId: mailbox.id }
  expect((await tenant.send('ann@example.com', 'k1', from)).body.status).toBe('queued')
  expect((await tenant.send('ann@example.com', 'k2', from)).body).toMatchObject({ reason: 'cooldown' })
  await tenant.owner.patch(PATH, { cooldownMinutes: 0 })
  expect((await tenant.send('ann@example.com', 'k2', from)).body.status).toBe('queued')
})

test('whoami names the tenant, agent, permissions and scopes of the key', async () => {
  const tenant = await newTenant()
  const { body } = await tenant.post('/v1/agent/whoami')
  expect(body).toMatchObject({
    tenant_id: tenant.id,
    tenantId: tenant.id,
    agentId: tenant.agentId,
    permissions: ['read', 'send', 'manage'],
    scopeAllMailboxes: true,
    mailboxScopes: [],
  })
  expect(body.keyId).toMatch(/^key_/)
  expect((await call('POST', '/v1/agent/whoami', { key: tenant.key })).body).toEqual(body)
  const scopes = [{ mailboxId: tenant.mailboxId, permissions: ['send'] }]
  const scoped = tenant.as(await grant(tenant.id, [], scopes))
  expect((await scoped.post('/v1/agent/whoami')).body).toMatchObject({
    agentId: null,
    scopeAllMailboxes: false,
    mailboxScopes: scopes,
  })
  expect((await call('POST', '/v1/agent/whoami')).body).toMatchObject({
    statusCode: 401,
    error: 'unauthorized',
  })
})

test('the budget counts sends, and what remains is the smaller of the limits of mailbox and plan', async () => {
  const tenant = await newTenant({ mailbox: { hourly_limit: 3, risk_budget: 4 } })
  const { body: second } = await tenant.owner.post('/v1/agent/mailboxes', {
    address: `m-${crypto.randomUUID()}`,
  })
  const fresh = await tenant.get('/v1/agent/budget')
  expect(fresh).toMatchObject({
    status: 200,
    body: {
      tenantId: tenant.id,
      mailboxId: tenant.mailboxId,
      hourly: { used: 0, limit: 3, remaining: 3 },
      daily: { used: 0, limit: 100, remaining: 100 },
      monthly: { used: 0, limit: 3000, remaining: 3000 },
      plan: { daily: { used: 0, limit: 100 }, monthly: { used: 0, limit: 3000 } },
      negativeSignals: { count: 0, budget: 4, remaining: 4 },
    },
  })
  const at = new Date(fresh.body.timestamp)
  const midnight = Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() + 1)
  expect(fresh.body.daily.resetsAt).toBe(new Date(midnight).toISOString())

  const sent = await tenant.send('ann@example.com', 'k1')
  expect((await tenant.settled(sent.body.requestId)).status).not.toBe('failed')
  await tenant.owner.post('/v1/agent/request-send', {
    ...{ recipientEmail: 'bea@example.com', templateId: 'welcome', dedupeKey: 'k2', mailboxId: second.id },
    payload: { firstName: 'Bea' },
  })
  await env.DB.prepare("UPDATE send_recipients SET state = 'bounced' WHERE tenant_id = ?1 AND send_id = ?2")
    .bind(tenant.id, sent.body.requestId)
    .run()
  expect((await tenant.get(`/v1/agent/budget?mailboxId=${tenant.mailboxId}`)).body).toMatchObject({
    hourly: { used: 1, limit: 3, remaining: 2 },
    daily: { used: 1, limit: 100, remaining: 98 },
    monthly: { used: 1, limit: 3000, remaining: 2998 },
    plan: { daily: { used: 2, remaining: 98 }, monthly: { used: 2, remaining: 2998 } },
    negativeSignals: { count: 1, budget: 4, remaining: 3 },
  })
  expect((await tenant.owner.get(`/v1/agent/budget?mailboxId=${second.id}`)).body).toMatchObject({
    hourly: { used: 1, limit: 20, remaining: 19 },
    negativeSignals: { count: 0, budget: null, remaining: null },
  })
  expect(await tenant.get('/v1/agent/budget?mailboxId=mbx_none')).toMatchObject({
    status: 404,
    body: { error: 'mailbox_not_found', field: 'mailboxId' },
  })
  const scopes = [{ mailboxId: second.id, permissions: ['read'] }]
  const scoped = tenant.as(await grant(tenant.id, [], scopes))
  expect((await scoped.get('/v1/agent/budget')).body.error).toBe('mailbox_scope_denied')
  expect((await scoped.get(`/v1/agent/budget?mailboxId=${second.id}`)).status).toBe(200)
})
