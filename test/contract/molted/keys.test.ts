import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { call, eventually, grant, newTenant, type Tenant } from '../../support/tenant.ts'

const KEYS = '/v1/agent/keys'
const HOOK = 'https://93.184.216.34/hook'
const at = (ms: number) => new Date(Date.now() + ms).toISOString()
const MINUTE = 60_000

type Made = ReturnType<Tenant['as']> & { id: string; secret: string; body: Record<string, unknown> }

/** A key that another key makes. */
async function made(tenant: Tenant, by: ReturnType<Tenant['as']>, wanted: object = {}): Promise<Made> {
  const { status, body } = await by.post(KEYS, wanted)
  expect({ status, body }).toMatchObject({ status: 200 })
  return { ...tenant.as(body.rawKey), id: body.id, secret: body.rawKey, body }
}

const shown = async (tenant: Tenant, id: string) =>
  (await tenant.owner.get(`${KEYS}?limit=100`)).body.items.find((key: { id: string }) => key.id === id)

const works = async (key: ReturnType<Tenant['as']>) => (await key.get('/v1/agent/agents')).status !== 401

const smtpWorks = async ({ username, password }: { username: string; password: string }) =>
  (
    await call('GET', '/v1/smtp/session', {
      headers: { authorization: `Basic ${btoa(`${username}:${password}`)}` },
    })
  ).status === 200

test('what a key made ends with it, and every list says who made what', async () => {
  const tenant = await newTenant()
  const maker = await made(tenant, tenant)
  const child = await made(tenant, maker, { permissions: ['read', 'manage'] })
  const grandchild = await made(tenant, child, { permissions: ['read'] })
  const password = (await child.post('/v1/smtp-credentials', {})).body
  const webhook = (await child.post('/v1/webhooks', { url: HOOK, event_types: ['ping'] })).body
  expect(await shown(tenant, child.id)).toMatchObject({ createdBy: `key:${maker.id}`, status: 'active' })
  expect(password.created_by).toBe(`key:${child.id}`)
  expect((await tenant.get('/v1/smtp-credentials')).body.data).toMatchObject([
    { created_by: `key:${child.id}` },
  ])
  expect((await tenant.get('/v1/webhooks')).body.data).toMatchObject([{ created_by: `key:${child.id}` }])
  const other = await made(tenant, tenant)

  expect((await tenant.owner.del(`${KEYS}/${maker.id}`)).body).toMatchObject({ status: 'revoked' })
  for (const key of [maker, child, grandchild]) {
    expect(await works(key)).toBe(false)
    expect(await shown(tenant, key.id)).toMatchObject({ status: 'revoked' })
  }
  expect(await smtpWorks(password)).toBe(false)
  expect((await tenant.get('/v1/smtp-credentials')).body.data).toEqual([])
  expect((await tenant.get(`/v1/webhooks/${webhook.id}`)).body).toMatchObject({
    is_active: false,
    disabled_reason: 'maker_ended',
  })
  expect(await works(other)).toBe(true)
  const entries = (await tenant.owner.get('/v1/compliance/audit-log?limit=100')).body.data
  const revoked = entries.filter(({ action }: { action: string }) => action === 'key.revoked')
  expect(revoked.map(({ target }: { target: string }) => target).sort()).toEqual(
    [maker.id, child.id, grandchild.id].sort(),
  )

  // The key that switches the webhook on again is its maker from now on.
  const again = await tenant.patch(`/v1/webhooks/${webhook.id}`, { is_active: true })
  expect(again.body).toMatchObject({ is_active: true, created_by: expect.not.stringContaining(child.id) })
})

test('a key grants no more than it has: permissions, mailboxes, its agent, and time', async () => {
  const tenant = await newTenant()
  const end = at(10 * MINUTE)
  const brief = await made(tenant, tenant, { expiresAt: end })
  const child = await made(tenant, brief)
  expect(child.body.expiresAt).toBe(end)
  const refusals: [object, string | undefined][] = [
    [{ expiresAt: null }, 'expiresAt'],
    [{ expiresAt: at(20 * MINUTE) }, 'expiresAt'],
    [{ permissions: ['read', 'approve'] }, undefined],
  ]
  for (const [wanted, field] of refusals) {
    const refused = await brief.post(KEYS, wanted)
    expect(refused.status).toBe(403)
    expect(refused.body.field).toBe(field)
    expect((await brief.patch(`${KEYS}/${child.id}`, wanted)).status).toBe(403)
    expect((await brief.patch(`${KEYS}/${brief.id}`, wanted)).status).toBe(403)
  }
  expect((await brief.patch(`${KEYS}/${brief.id}`, { expiresAt: at(5 * MINUTE) })).status).toBe(200)

  // A person may give a key more than its changer has, but never more than the key has that made it.
  const refused = await tenant.owner.patch(`${KEYS}/${child.id}`, { expiresAt: null })
  expect(refused).toMatchObject({ status: 403, body: { message: expect.stringContaining(brief.id) } })

  // An agent's key may narrow another key of its agent, and widens only what it made itself.
  const reader = await made(tenant, tenant.owner, { agentId: tenant.agentId, permissions: ['read', 'send'] })
  expect((await tenant.patch(`${KEYS}/${reader.id}`, { permissions: ['read'] })).status).toBe(200)
  expect(await tenant.patch(`${KEYS}/${reader.id}`, { permissions: ['read', 'send'] })).toMatchObject({
    status: 403,
    body: { error: 'human_decision_required' },
  })
})

test('mailboxScopes alone make a key for these mailboxes; contradictions and half a change are 400', async () => {
  const tenant = await newTenant()
  const scopes = [{ mailboxId: tenant.mailboxId, permissions: ['read'] }]
  const scoped = await made(tenant, tenant.owner, { mailboxScopes: scopes })
  expect(scoped.body).toMatchObject({ scopeAllMailboxes: false, mailboxScopes: scopes })
  expect((await scoped.get('/v1/agent/config/settings')).status).toBe(403)
  const wrong = [
    { scopeAllMailboxes: true, mailboxScopes: scopes },
    { scopeAllMailboxes: false },
    { scopeAllMailboxes: false, mailboxScopes: [] },
    { mailboxScopes: [] },
    { mailboxScopes: [...scopes, ...scopes] },
  ]
  for (const body of wrong) {
    const { status } = await tenant.owner.post(KEYS, body)
    expect({ body, status }).toEqual({ body, status: 400 })
    expect((await tenant.owner.patch(`${KEYS}/${scoped.id}`, body)).status).toBe(400)
  }
  expect((await tenant.owner.patch(`${KEYS}/${scoped.id}`, { scopeAllMailboxes: true })).body).toMatchObject({
    scopeAllMailboxes: true,
    mailboxScopes: [],
  })
})

test('a key that is narrowed takes as much from all that it made', async () => {
  const tenant = await newTenant()
  const { body: second } = await tenant.owner.post('/v1/agent/mailboxes', { name: 'second' })
  const maker = await made(tenant, tenant.owner, { permissions: ['read', 'send', 'manage'] })
  const wide = await made(tenant, maker)
  const narrow = await made(tenant, wide, {
    mailboxScopes: [
      { mailboxId: tenant.mailboxId, permissions: ['read', 'send'] },
      { mailboxId: second.id, permissions: ['read'] },
    ],
  })
  const password = (await maker.post('/v1/smtp-credentials', {}, { 'x-agent-id': tenant.agentId })).body
  expect(await smtpWorks(password)).toBe(true)
  const end = at(5 * MINUTE)
  const change = {
    expiresAt: end,
    mailboxScopes: [{ mailboxId: tenant.mailboxId, permissions: ['read', 'manage'] }],
  }
  expect((await tenant.owner.patch(`${KEYS}/${maker.id}`, change)).status).toBe(200)
  expect(await shown(tenant, wide.id)).toMatchObject({
    ...{ scopeAllMailboxes: false, expiresAt: end },
    mailboxScopes: [{ mailboxId: tenant.mailboxId, permissions: ['read', 'send', 'manage'] }],
  })
  expect(await shown(tenant, narrow.id)).toMatchObject({
    expiresAt: end,
    mailboxScopes: [{ mailboxId: tenant.mailboxId, permissions: ['read', 'send'] }],
  })
  expect(await smtpWorks(password)).toBe(true)
  const toRead = { mailboxScopes: [{ mailboxId: tenant.mailboxId, permissions: ['read'] }] }
  expect((await tenant.owner.patch(`${KEYS}/${maker.id}`, toRead)).status).toBe(200)
  for (const { id } of [wide, narrow]) expect(await shown(tenant, id)).toMatchObject(toRead)
  expect(await smtpWorks(password)).toBe(false)
})

test('a rotated key has a new secret and all else as before; its maker, a person or itself rotates it', async () => {
  const tenant = await newTenant()
  const key = await made(tenant, tenant)
  const child = await made(tenant, key, { permissions: ['read'] })
  const password = (await key.post('/v1/smtp-credentials', {})).body
  const later = await key.post('/v1/agent/request-send', {
    ...{ recipientEmail: 'rotated@example.com', templateId: 'welcome', dedupeKey: 'r1' },
    ...{ payload: { firstName: 'Ann' }, scheduledAt: at(1_500) },
  })
  expect((await child.post(`${KEYS}/${key.id}/rotate`)).status).toBe(403)
  const { status, body } = await key.post(`${KEYS}/${key.id}/rotate`)
  expect({ status, body }).toMatchObject({ status: 200, body: { id: key.id } })
  expect([await works(key), await works(tenant.as(body.rawKey))]).toEqual([false, true])
  expect([await works(child), await smtpWorks(password)]).toEqual([true, true])
  expect(await tenant.settled(later.body.requestId)).toMatchObject({ status: 'delivered' })
  expect((await tenant.owner.post(`${KEYS}/${key.id}/rotate`)).status).toBe(403)
  expect((await tenant.post(`${KEYS}/${key.id}/rotate`)).status).toBe(200)
  expect((await tenant.owner.del(`${KEYS}/${key.id}`)).status).toBe(200)
  expect((await tenant.post(`${KEYS}/${key.id}/rotate`)).status).toBe(409)
})

const request = (to: string, more: object = {}) => ({
  ...{ recipientEmail: to, templateId: 'welcome', dedupeKey: to, payload: { firstName: 'Ann' } },
  ...more,
})

test('a scheduled or held send whose key has ended, or may no longer send, ends blocked and says why', async () => {
  const tenant = await newTenant()
  const doomed = { status: 'blocked', reason: 'requester_not_allowed' }
  const [revoked, narrowed] = [await made(tenant, tenant), await made(tenant, tenant)]
  const soon = { scheduledAt: at(3_000) }
  const sends = await Promise.all([
    revoked.post('/v1/agent/request-send', request('revoked@example.com', soon)),
    narrowed.post('/v1/agent/request-send', request('narrowed@example.com', soon)),
  ])
  expect((await tenant.owner.del(`${KEYS}/${revoked.id}`)).status).toBe(200)
  expect((await tenant.owner.patch(`${KEYS}/${narrowed.id}`, { permissions: ['read'] })).status).toBe(200)
  for (const { body } of sends) {
    expect(body.status).toBe('scheduled')
    expect(await tenant.settled(body.requestId)).toMatchObject(doomed)
  }
  const brief = await made(tenant, tenant, { expiresAt: at(MINUTE) })
  const tooLate = request('too-late@example.com', { scheduledAt: at(2 * MINUTE) })
  expect((await brief.post('/v1/agent/request-send', tooLate)).body).toMatchObject(doomed)

  const reviewed = await newTenant({ mailbox: { autonomy: 'review' } })
  const asker = await made(reviewed, reviewed)
  const held = (await asker.post('/v1/agent/request-send', request('held@example.com'))).body
  await eventually(async () => {
    const { body } = await reviewed.owner.get(`/v1/send/approvals/${held.approvalQueueId}`)
    return body.message ? true : undefined
  })
  expect((await reviewed.owner.del(`${KEYS}/${asker.id}`)).status).toBe(200)
  const path = `/v1/send/approvals/${held.approvalQueueId}`
  expect((await reviewed.owner.patch(path, { decision: 'approved' })).status).toBe(200)
  expect(await reviewed.settled(held.requestId)).toMatchObject(doomed)
})

test('a key cannot approve the sends of its own line: of its maker, of what it made, of keys with the same maker', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const judge = tenant.as(await grant(tenant.id, ['read', 'send', 'manage', 'approve']))
  const asks = await made(tenant, judge, { permissions: ['read', 'send'] })
  const decides = await made(tenant, judge, { permissions: ['read', 'approve'] })
  const password = (await judge.post('/v1/smtp-credentials', {}, { 'x-agent-id': tenant.agentId })).body
  const held = (await asks.post('/v1/agent/request-send', request('line@example.com'))).body
  const mail = await call('POST', '/v1/smtp/submissions', {
    body: [`From: ${password.username}`, 'To: mail@example.com', 'Subject: S', '', 'T', ''].join('\r\n'),
    headers: {
      ...{ authorization: `Basic ${btoa(`${password.username}:${password.password}`)}` },
      ...{ 'content-type': 'message/rfc822', 'x-envelope-from': encodeURIComponent(password.username) },
      'x-envelope-to': encodeURIComponent('mail@example.com'),
    },
  })
  expect(mail.body.message.status).toBe('pending_approval')
  for (const id of [held.approvalQueueId, mail.body.approval_queue_id]) {
    for (const key of [judge, decides]) {
      expect(await key.patch(`/v1/send/approvals/${id}`, { decision: 'rejected' })).toMatchObject({
        status: 403,
        body: { error: 'human_decision_required' },
      })
    }
    const rejected = await tenant.owner.patch(`/v1/send/approvals/${id}`, { decision: 'rejected' })
    expect(rejected.status).toBe(200)
  }
})

test('of a revocation and twenty grants at once, no grant survives; a key takes back nothing that is taken at once', async () => {
  const tenant = await newTenant()
  for (let round = 0; round < 5; round++) {
    const maker = await made(tenant, tenant.owner, { permissions: ['read', 'send', 'manage'] })
    const [revoked, ...answers] = await Promise.all([
      tenant.owner.del(`${KEYS}/${maker.id}`),
      ...Array.from({ length: 10 }, () => maker.post(KEYS, {})),
      ...Array.from({ length: 10 }, () => maker.post('/v1/agent/webhooks', { url: HOOK })),
    ])
    expect(revoked.status).toBe(200)
    const keys = answers.flatMap(({ body }) => body.rawKey ?? [])
    for (const key of keys) expect(await works(tenant.as(key))).toBe(false)
    const left = await env.DB.prepare(
      'SELECT count(*) AS count FROM webhooks WHERE tenant_id = ?1 AND maker_key_id = ?2 AND is_active = 1',
    )
      .bind(tenant.id, maker.id)
      .first()
    expect(left).toEqual({ count: 0 })
  }
})
