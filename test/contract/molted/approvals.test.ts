import { expect, test } from 'vitest'
import { sql } from '../../support/matrix-dump.ts'
import { call, eventually, grant, newTenant, type Tenant } from '../../support/tenant.ts'

const DAY = 86_400_000

const outbox = async (to: string) => (await call('GET', `/dev/outbox?to=${to}`)).body.items

/** Waits until the message of an approval is rendered, and returns the approval. */
const shown = async (tenant: Tenant, approvalId: string) =>
  await eventually(async () => {
    const { status, body } = await tenant.get(`/v1/send/approvals/${approvalId}`)
    expect(status).toBe(200)
    return body.message === null ? undefined : body
  })

const hold = async (tenant: Tenant, to: string, dedupeKey: string) => {
  const { body } = await tenant.send(to, dedupeKey, { sendReason: 'because' })
  expect(body).toMatchObject({ status: 'pending_approval', approvalQueueId: expect.stringMatching(/^apq_/) })
  return body as { requestId: string; approvalQueueId: string }
}

const decide = (tenant: Tenant, approvalId: string, body: Record<string, unknown>) =>
  tenant.owner.patch(`/v1/send/approvals/${approvalId}`, body)

test('a held send is rendered and shown with its hash; once another person approves it, exactly those bytes are delivered', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const { requestId, approvalQueueId } = await hold(tenant, 'approve-me@example.com', 'k1')
  const approval = await shown(tenant, approvalQueueId)
  expect(approval).toMatchObject({
    id: approvalQueueId,
    approvalQueueId,
    requestId,
    mailboxId: tenant.mailboxId,
    agentId: tenant.agentId,
    status: 'pending',
    holdReason: expect.stringContaining('review'),
    recipients: [{ kind: 'to', email: 'approve-me@example.com' }],
    sendReason: 'because',
    sendStatus: 'pending_approval',
    decidedAt: null,
    message: { subject: 'Hello Ann', text: 'Hello Ann', from: { email: tenant.address } },
  })
  expect(approval.sha256).toMatch(/^[0-9a-f]{64}$/)
  expect(approval.message.sha256).toBe(approval.sha256)
  expect(Date.parse(approval.expiresAt) - Date.parse(approval.createdAt)).toBe(DAY)
  expect(await outbox('approve-me@example.com')).toHaveLength(0)
  const listed = await tenant.get('/v1/send/approvals?status=pending')
  expect(listed.body).toMatchObject({ items: [{ id: approvalQueueId }], nextCursor: null })

  const refusals: [ReturnType<Tenant['as']>, string][] = [
    [tenant, 'insufficient_scope'],
    [tenant.as(await grant(tenant.id, ['read', 'send', 'manage'])), 'insufficient_scope'],
    [
      tenant.as(await grant(tenant.id, [], [{ mailboxId: tenant.mailboxId, permissions: ['manage'] }])),
      'insufficient_scope',
    ],
    [
      tenant.as(await grant(tenant.id, [], [{ mailboxId: 'mbx_x', permissions: ['approve'] }])),
      'mailbox_scope_denied',
    ],
  ]
  for (const [key, error] of refusals) {
    const refused = await key.patch(`/v1/send/approvals/${approvalQueueId}`, { decision: 'approved' })
    expect(refused).toMatchObject({ status: 403, body: { error } })
  }
  const wrong = await decide(tenant, approvalQueueId, { decision: 'approved', sha256: '0'.repeat(64) })
  expect(wrong).toMatchObject({ status: 409, body: { error: 'approval_stale', sha256: approval.sha256 } })
  for (const body of [{}, { decision: 'maybe' }, { decision: 'approved', sha256: 'abc' }]) {
    expect((await decide(tenant, approvalQueueId, body)).status).toBe(400)
  }

  const reason = 'looks right'
  const approved = await decide(tenant, approvalQueueId, {
    decision: 'approved',
    sha256: approval.sha256,
    reason,
  })
  expect(approved).toMatchObject({
    status: 200,
    body: { status: 'approved', decidedBy: expect.stringMatching(/^key:/), decisionReason: reason },
  })
  const trace = await tenant.settled(requestId)
  expect(trace).toMatchObject({ status: 'delivered', approvalQueueId })
  const mails = await outbox('approve-me@example.com')
  expect(mails).toHaveLength(1)
  expect(mails[0]).toMatchObject({ subject: 'Hello Ann' })

  for (const decision of ['approved', 'rejected']) {
    const again = await decide(tenant, approvalQueueId, { decision })
    expect(again).toMatchObject({ status: 409, body: { error: 'already_decided', status: 'approved' } })
  }
  expect((await tenant.get('/v1/send/approvals?status=pending')).body.items).toEqual([])
})

test('a rejected send is never delivered; the agent sees the rejection by polling and may use the dedupe key again', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const { requestId, approvalQueueId } = await hold(tenant, 'reject-me@example.com', 'k1')
  const rejected = await decide(tenant, approvalQueueId, { decision: 'rejected', reason: 'no' })
  expect(rejected).toMatchObject({
    status: 200,
    body: { status: 'rejected', sendStatus: 'rejected', decisionReason: 'no' },
  })
  const polled = await tenant.get(`/v1/agent/sends/${requestId}`)
  expect(polled.body).toMatchObject({ status: 'rejected', reason: 'rejected', requestId, approvalQueueId })
  expect((await decide(tenant, approvalQueueId, { decision: 'approved' })).status).toBe(409)
  const again = await hold(tenant, 'reject-me@example.com', 'k1')
  expect(again.requestId).not.toBe(requestId)
  await shown(tenant, again.approvalQueueId)
  expect(await outbox('reject-me@example.com')).toHaveLength(0)
})

test('a requester cannot approve its own send, neither with the same key nor as the same agent', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const body = { recipientEmail: 'own@example.com', templateId: 'welcome', payload: { firstName: 'Ann' } }
  const own = (await tenant.owner.post('/v1/agent/request-send', { ...body, dedupeKey: 'k1' })).body
  await shown(tenant, own.approvalQueueId)
  for (const decision of ['approved', 'rejected']) {
    expect(await decide(tenant, own.approvalQueueId, { decision })).toMatchObject({
      status: 403,
      body: { error: 'human_decision_required' },
    })
  }
  expect(
    await tenant.owner.put(`/v1/send/approvals/${own.approvalQueueId}/message`, { subject: 'S', text: 'T' }),
  ).toMatchObject({ status: 403, body: { error: 'human_decision_required' } })

  const { approvalQueueId } = await hold(tenant, 'own@example.com', 'k2')
  await shown(tenant, approvalQueueId)
  const agents = await grant(tenant.id, ['read', 'approve'])
  await sql(
    `UPDATE keys SET agent_id = ?2 WHERE tenant_id = ?1 AND label = 'test' AND permissions = '["read","approve"]'`,
    tenant.id,
    tenant.agentId,
  )
  expect(
    await tenant.as(agents).patch(`/v1/send/approvals/${approvalQueueId}`, { decision: 'approved' }),
  ).toMatchObject({ status: 403, body: { error: 'human_decision_required' } })

  for (const more of [{ permissions: ['approve'], agentId: tenant.agentId }, { permissions: ['approve'] }]) {
    expect((await tenant.post('/v1/agent/keys', more)).status).toBe(403)
  }
  // A key that the requester made is of its line, and a key that a person made is not.
  const child = (await tenant.owner.post('/v1/agent/keys', { permissions: ['read', 'approve'] })).body
  expect(
    await tenant
      .as(child.rawKey)
      .patch(`/v1/send/approvals/${own.approvalQueueId}`, { decision: 'approved' }),
  ).toMatchObject({ status: 403, body: { error: 'human_decision_required' } })
  const approved = await tenant
    .as(await grant(tenant.id, ['read', 'approve', 'send']))
    .patch(`/v1/send/approvals/${own.approvalQueueId}`, { decision: 'approved' })
  expect(approved.status).toBe(200)
  expect(await tenant.settled(own.requestId)).toMatchObject({ status: 'delivered' })
})

test('an edit replaces the approval: nothing is sent until the new bytes are rendered, shown and approved', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const { requestId, approvalQueueId } = await hold(tenant, 'edit-me@example.com', 'k1')
  // Who edited the message cannot approve it as well.
  const other = { ...tenant, owner: tenant.as(await grant(tenant.id, ['read', 'approve'])) }
  const first = await shown(tenant, approvalQueueId)

  for (const body of [{ subject: 'S' }, { text: 'T' }, { subject: '', text: 'T' }]) {
    expect((await tenant.owner.put(`/v1/send/approvals/${approvalQueueId}/message`, body)).status).toBe(400)
  }
  expect(
    (await tenant.put(`/v1/send/approvals/${approvalQueueId}/message`, { subject: 'S', text: 'T' })).status,
  ).toBe(403)
  const edited = await tenant.owner.put(`/v1/send/approvals/${approvalQueueId}/message`, {
    subject: 'Edited {{ firstName }}',
    text: 'By a person',
  })
  expect(edited.status).toBe(200)
  const newId = edited.body.id
  expect(newId).not.toBe(approvalQueueId)
  expect(edited.body).toMatchObject({ status: 'pending', requestId })
  if (edited.body.message === null) {
    const early = await decide(other, newId, { decision: 'approved' })
    expect([200, 409]).toContain(early.status)
    if (early.status === 409) expect(early.body.error).toBe('not_rendered')
  }
  expect(await decide(other, approvalQueueId, { decision: 'approved', sha256: first.sha256 })).toMatchObject({
    status: 409,
    body: { error: 'already_decided', status: 'superseded' },
  })
  expect(
    (await tenant.owner.put(`/v1/send/approvals/${approvalQueueId}/message`, { subject: 'S', text: 'T' }))
      .status,
  ).toBe(409)

  const second = await shown(tenant, newId)
  if (second.status === 'pending') {
    expect((await decide(tenant, newId, { decision: 'approved', sha256: second.sha256 })).status).toBe(403)
  }
  expect(second.sha256).not.toBe(first.sha256)
  expect(second.message).toMatchObject({ subject: 'Edited {{ firstName }}', text: 'By a person', html: null })
  if (second.status === 'pending') {
    expect((await decide(other, newId, { decision: 'approved', sha256: first.sha256 })).status).toBe(409)
    expect((await decide(other, newId, { decision: 'approved', sha256: second.sha256 })).status).toBe(200)
  }
  expect(await tenant.settled(requestId)).toMatchObject({ status: 'delivered', approvalQueueId: newId })
  const mails = await outbox('edit-me@example.com')
  expect(mails).toHaveLength(1)
  expect(mails[0]).toMatchObject({ subject: 'Edited {{ firstName }}' })
})

test('approving before the message is rendered is 409 not_rendered; rejecting is allowed', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const early = await Promise.all(
    ['k1', 'k2'].map(async (key) => {
      const held = await hold(tenant, 'early@example.com', key)
      await shown(tenant, held.approvalQueueId)
      await sql(
        'UPDATE approvals SET sha256 = NULL WHERE tenant_id = ?1 AND id = ?2',
        tenant.id,
        held.approvalQueueId,
      )
      await sql(
        'UPDATE sends SET rendered_key = NULL, rendered_sha256 = NULL WHERE tenant_id = ?1 AND id = ?2',
        tenant.id,
        held.requestId,
      )
      return held
    }),
  )
  const [approved, rejected] = early
  if (!approved || !rejected) throw new Error('two held sends expected')
  const { body } = await tenant.get(`/v1/send/approvals/${approved.approvalQueueId}`)
  expect(body).toMatchObject({ status: 'pending', sha256: null, message: null })
  expect(await decide(tenant, approved.approvalQueueId, { decision: 'approved' })).toMatchObject({
    status: 409,
    body: { error: 'not_rendered' },
  })
  expect((await tenant.get(`/v1/agent/sends/${approved.requestId}`)).body.status).toBe('pending_approval')
  expect((await decide(tenant, rejected.approvalQueueId, { decision: 'rejected' })).status).toBe(200)
  expect(await outbox('early@example.com')).toHaveLength(0)
})

test('the policy judges an approved send again when it is released', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review', hourly_limit: 1 } })
  const suppressed = await hold(tenant, 'later-suppressed@example.com', 'k1')
  const first = await hold(tenant, 'first@example.com', 'k2')
  const second = await hold(tenant, 'second@example.com', 'k3')
  for (const { approvalQueueId } of [suppressed, first, second]) await shown(tenant, approvalQueueId)
  const listed = { recipientEmail: 'later-suppressed@example.com' }
  expect((await tenant.owner.post('/v1/suppressions', listed)).status).toBe(200)

  const blocked = await decide(tenant, suppressed.approvalQueueId, { decision: 'approved' })
  expect(blocked).toMatchObject({ status: 200, body: { status: 'approved', sendStatus: 'blocked' } })
  expect(await tenant.settled(suppressed.requestId)).toMatchObject({
    status: 'blocked',
    reason: 'suppressed',
  })
  expect(await outbox('later-suppressed@example.com')).toHaveLength(0)

  expect((await decide(tenant, first.approvalQueueId, { decision: 'approved' })).status).toBe(200)
  expect(await tenant.settled(first.requestId)).toMatchObject({ status: 'delivered' })
  const waits = await decide(tenant, second.approvalQueueId, { decision: 'approved' })
  expect(waits).toMatchObject({ status: 200, body: { status: 'approved', sendStatus: 'scheduled' } })
  const polled = (await tenant.get(`/v1/agent/sends/${second.requestId}`)).body
  expect(polled).toMatchObject({ status: 'scheduled', reason: 'rate_limited' })
  expect(await outbox('second@example.com')).toHaveLength(0)

  await sql('UPDATE mailboxes SET hourly_limit = 2 WHERE tenant_id = ?1', tenant.id)
  await sql('UPDATE sends SET next_at = 1 WHERE tenant_id = ?1 AND id = ?2', tenant.id, second.requestId)
  expect(await tenant.settled(second.requestId)).toMatchObject({ status: 'delivered' })
  expect(await outbox('second@example.com')).toHaveLength(1)

  const banned = await newTenant({ mailbox: { autonomy: 'review' } })
  const held = await hold(banned, 'paused@example.com', 'k1')
  await shown(banned, held.approvalQueueId)
  await sql(`UPDATE tenants SET status = 'paused' WHERE id = ?1`, banned.id)
  expect((await decide(banned, held.approvalQueueId, { decision: 'approved' })).body.sendStatus).toBe(
    'blocked',
  )
})

test('an approval expires after 24 hours: the send is rejected, and the agent can poll for that', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const held = await hold(tenant, 'expire@example.com', 'k1')
  await shown(tenant, held.approvalQueueId)
  const asked = await hold(tenant, 'expire@example.com', 'k2')
  await shown(tenant, asked.approvalQueueId)
  const past = Date.now() - 1
  await sql('UPDATE approvals SET expires_at = ?2 WHERE tenant_id = ?1', tenant.id, past)

  expect(await decide(tenant, asked.approvalQueueId, { decision: 'approved' })).toMatchObject({
    status: 409,
    body: { error: 'already_decided', status: 'expired' },
  })
  await sql(
    `UPDATE sends SET next_at = ?2 WHERE tenant_id = ?1 AND state = 'pending_approval'`,
    tenant.id,
    past,
  )
  for (const { requestId, approvalQueueId } of [held, asked]) {
    expect(await tenant.settled(requestId)).toMatchObject({
      status: 'rejected',
      reason: 'approval_expired',
      approvalQueueId,
    })
    expect((await tenant.get(`/v1/send/approvals/${approvalQueueId}`)).body.status).toBe('expired')
  }
  expect((await decide(tenant, held.approvalQueueId, { decision: 'approved' })).status).toBe(409)
  expect(await outbox('expire@example.com')).toHaveLength(0)
  await hold(tenant, 'expire@example.com', 'k1')
})

test('concurrent decisions have one outcome, and two concurrent approvals send once', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review', hourly_limit: 100 } })
  const second = tenant.as(await grant(tenant.id, ['read', 'approve']))
  for (let round = 0; round < 8; round++) {
    const to = `race${round}@example.com`
    const { requestId, approvalQueueId } = await hold(tenant, to, `k${round}`)
    await shown(tenant, approvalQueueId)
    const decisions = round % 2 === 0 ? ['approved', 'approved'] : ['approved', 'rejected']
    const path = `/v1/send/approvals/${approvalQueueId}`
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, index) =>
        (index % 2 === 0 ? tenant.owner : second).patch(path, { decision: decisions[index % 2] }),
      ),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(5)
    const { status } = await tenant.settled(requestId)
    const winner = answers.findIndex((answer) => answer.status === 200)
    expect(status).toBe(decisions[winner % 2] === 'approved' ? 'delivered' : 'rejected')
    expect(await outbox(to)).toHaveLength(status === 'delivered' ? 1 : 0)
  }
})

test('approvals are listed with filters and pages; unknown approvals and those of other tenants are 404', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const held = []
  for (let index = 0; index < 5; index++) held.push(await hold(tenant, 'list@example.com', `k${index}`))
  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await tenant.get(`/v1/send/approvals?limit=2${cursor}`)
    seen.push(...body.items.map((item: { id: string }) => item.id))
    cursor = body.nextCursor === null ? '' : `&cursor=${body.nextCursor}`
  } while (cursor !== '')
  const newestFirst = held.map((each) => each.approvalQueueId).reverse()
  expect([...seen].sort()).toEqual([...newestFirst].sort())
  expect(seen).toEqual([...seen].sort().reverse())

  expect((await tenant.get('/v1/send/approvals?status=approved')).body.items).toEqual([])
  expect((await tenant.get(`/v1/send/approvals?mailboxId=${tenant.mailboxId}`)).body.items).toHaveLength(5)
  expect((await tenant.get('/v1/send/approvals?status=nonsense')).status).toBe(400)
  expect((await tenant.get('/v1/send/approvals?limit=0')).status).toBe(400)
  const [first] = held
  const stranger = await newTenant()
  for (const [key, id] of [
    [tenant.owner, 'apq_nobody'],
    [stranger.owner, first?.approvalQueueId],
  ] as const) {
    expect((await key.get(`/v1/send/approvals/${id}`)).status).toBe(404)
    expect((await key.patch(`/v1/send/approvals/${id}`, { decision: 'approved' })).status).toBe(404)
    expect((await key.put(`/v1/send/approvals/${id}/message`, { subject: 'S', text: 'T' })).status).toBe(404)
  }
})
