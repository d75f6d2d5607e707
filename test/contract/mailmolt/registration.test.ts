import { expect, test } from 'vitest'
import { sql } from '../../support/matrix-dump.ts'
import { call } from '../../support/tenant.ts'

const register = (body: unknown) => call('POST', '/v1/agents/register', { body })

/** The schema `Agent` of the published document, and the answer that contains it. */
const PUBLISHED = {
  agent: {
    id: expect.any(String),
    email: expect.stringMatching(/^[a-z0-9-]+@[a-z0-9.-]+$/),
    display_name: expect.any(String),
    api_key_prefix: expect.stringMatching(/^mm_live_/),
    status: expect.stringMatching(/^(pending_claim|active|paused|suspended|banned)$/),
    permission_level: expect.stringMatching(/^(sandbox|supervised|trusted|autonomous)$/),
    trust_score: expect.any(Number),
  },
  api_key: expect.stringMatching(/^mm_live_[0-9A-Za-z]{49}$/),
  claim_url: expect.stringMatching(/^https?:\/\//),
  claim_token: expect.any(String),
}

test('an agent registers as published: 201 with its record and a working key that is shown once', async () => {
  const { status, body } = await register({
    name: 'Research Bot',
    description: 'Reads papers',
    owner_hint: 'owner@example.com',
  })
  expect(status).toBe(201)
  expect(body).toMatchObject(PUBLISHED)
  expect(body.agent).toMatchObject({ display_name: 'Research Bot', trust_score: 55 })
  expect(body.agent.email).toMatch(/^research-bot/)
  expect(Number.isInteger(body.agent.trust_score)).toBe(true)
  expect(body.api_key.startsWith(body.agent.api_key_prefix)).toBe(true)
  expect(body.agent.api_key_prefix.length).toBeLessThan(20)
  expect(body.claim_url).toContain(body.claim_token)
  expect(body.claim_token.length).toBeGreaterThanOrEqual(43)

  const key = body.api_key
  const whoami = (await call('POST', '/v1/agent/whoami', { key })).body
  expect(whoami).toMatchObject({
    tenantId: body.tenant_id,
    agentId: body.agent.id,
    scopeAllMailboxes: true,
    permissions: ['read', 'send', 'manage'],
  })
  expect((await call('GET', '/v1/agent/sends', { key })).body).toEqual({ items: [], nextCursor: null })
  const listed = (await call('GET', '/v1/agent/keys', { key })).body
  expect(JSON.stringify(listed)).not.toContain(key)
  expect(listed.items).toHaveLength(1)

  const sent = await call('POST', '/v1/agent/request-send', {
    key,
    body: {
      recipientEmail: 'reader@example.com',
      templateId: '_default',
      dedupeKey: 'k1',
      payload: { subject: 'Paper', text: 'Read this' },
    },
  })
  expect(sent.body.status).toBe('queued')
  await sql(`UPDATE tenants SET level = 'sandbox' WHERE id = ?1`, body.tenant_id)
  const blocked = await call('POST', '/v1/agent/request-send', {
    key,
    body: {
      recipientEmail: 'reader@example.com',
      templateId: '_default',
      dedupeKey: 'k2',
      payload: { subject: 'S', text: 'T' },
    },
  })
  expect(blocked.body).toMatchObject({ status: 'blocked', reason: 'trust_required' })
})

test('the key of a registration can neither approve nor create a key that can', async () => {
  const { body } = await register({ name: 'Ambitious Bot' })
  const { api_key: key, mailbox_id: mailboxId, agent } = body
  await sql(`UPDATE mailboxes SET autonomy = 'review' WHERE id = ?1`, mailboxId)
  const held = (
    await call('POST', '/v1/agent/request-send', {
      key,
      body: {
        recipientEmail: 'a@example.com',
        templateId: '_default',
        dedupeKey: 'k1',
        payload: { subject: 'S', text: 'T' },
      },
    })
  ).body
  expect(held.status).toBe('pending_approval')
  const decide = (by: string) =>
    call('PATCH', `/v1/send/approvals/${held.approvalQueueId}`, { key: by, body: { decision: 'approved' } })
  expect((await decide(key)).status).toBe(403)

  const scopes = [{ mailboxId, permissions: ['approve'] }]
  const grants = [
    { permissions: ['approve'] },
    { permissions: ['read', 'send', 'manage', 'approve'] },
    { permissions: ['read'], scopeAllMailboxes: false, mailboxScopes: scopes },
    { permissions: ['approve'], agentId: agent.id },
  ]
  for (const grant of grants) {
    const refused = await call('POST', '/v1/agent/keys', { key, body: grant })
    expect(refused.status).toBe(403)
    expect(['insufficient_scope', 'human_decision_required']).toContain(refused.body.error)
  }
  const plain = (await call('POST', '/v1/agent/keys', { key, body: {} })).body
  for (const change of [{ permissions: ['approve'] }, { scopeAllMailboxes: false, mailboxScopes: scopes }]) {
    expect((await call('PATCH', `/v1/agent/keys/${plain.id}`, { key, body: change })).status).toBe(403)
  }
  expect((await decide(plain.rawKey)).status).toBe(403)
  const raised = await call('PATCH', `/v1/agent/mailboxes/${mailboxId}/autonomy`, {
    key,
    body: { autonomyLevel: 3 },
  })
  expect(raised).toMatchObject({ status: 403, body: { error: 'human_decision_required' } })
  const opened = await call('POST', '/v1/agent/mailboxes', { key, body: { name: 'free', autonomyLevel: 3 } })
  expect(opened).toMatchObject({ status: 403, body: { error: 'human_decision_required' } })
  expect((await call('GET', `/v1/agent/sends/${held.requestId}`, { key })).body.status).toBe(
    'pending_approval',
  )
})

test('a body outside the published bounds is 422 in the published error shape', async () => {
  const wrong: unknown[] = [
    {},
    { name: 'ab' },
    { name: '  ab  ' },
    { name: 'x'.repeat(65) },
    { name: null },
    { name: 17 },
    { name: ['Bot'] },
    { name: '\u200b'.repeat(2) },
    [],
    'text',
    { name: 'Fine Bot', description: 7 },
    { name: 'Fine Bot', owner_hint: {} },
    { name: 'Bad\r\nBcc: all@example.com' },
    { name: 'Bad\nSubject: x' },
    { name: 'Bad\u0000Bot' },
    { name: 'Bad\u2028Bot' },
    { name: 'Bad\u202eBot' },
    { name: 'Bad\ud800Bot' },
  ]
  for (const body of wrong) {
    const answer = await call('POST', '/v1/agents/register', { body: JSON.stringify(body) })
    expect({ body, status: answer.status }).toEqual({ body, status: 422 })
    expect(answer.body).toMatchObject({ error: 'invalid', message: expect.any(String) })
    expect(answer.body.statusCode).toBeUndefined()
  }
  const missing = await register({})
  expect(missing.body.message).toContain('name')
  const malformed = await call('POST', '/v1/agents/register', { body: '{"name":' })
  expect(malformed).toMatchObject({
    status: 400,
    body: { error: 'malformed_json', message: expect.any(String) },
  })
  for (const name of [
    'abc',
    'x'.repeat(64),
    'Émilie & Söhne',
    '研究ロボット',
    '🤖🤖🤖',
    "O'Brien <x@example.com>",
  ]) {
    const { status, body } = await register({ name })
    expect({ name, status }).toEqual({ name, status: 201 })
    expect(body.agent.display_name).toBe(name)
    expect(body.agent.email).toMatch(/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?@/)
  }
})

test('if the wanted address is taken or reserved, the agent gets another; every agent has its own tenant', async () => {
  const same = await Promise.all(Array.from({ length: 12 }, () => register({ name: 'Crowded Name' })))
  expect(same.every(({ status }) => status === 201)).toBe(true)
  for (const field of ['api_key', 'claim_token', 'tenant_id', 'mailbox_id'] as const) {
    expect(new Set(same.map(({ body }) => body[field])).size).toBe(12)
  }
  const addresses = same.map(({ body }) => body.agent.email)
  expect(new Set(addresses).size).toBe(12)
  expect(addresses.every((address) => address.startsWith('crowded-name'))).toBe(true)

  for (const name of ['support', 'info', 'Sales', 'Help', ' news ', 'ssl admin bot', 'Approvals bot']) {
    const { status, body } = await register({ name })
    expect({ name, status }).toEqual({ name, status: 201 })
    const local = body.agent.email.split('@')[0]
    expect(local).not.toMatch(/^(support|info|sales|help|news|approvals)/)
  }
  // Names that readers would take for the service's own are refused.
  const posing = 'abuse admin postmaster hostmaster webmaster security noreply no-reply root'.split(' ')
  posing.push(
    'Mailer Daemon',
    'POSTMASTER',
    ' abuse ',
    'No.Reply',
    'postmaster!',
    'Moltpost',
    'M0ltpost Team',
  )
  for (const name of posing)
    expect(await register({ name })).toMatchObject({ status: 422, body: { error: 'invalid', field: 'name' } })
})
