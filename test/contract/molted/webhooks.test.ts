import { expect, test } from 'vitest'
import { call, eventually, grant, newTenant } from '../../support/tenant.ts'
import { BELIEVED, newEndpoint } from '../../support/webhooks.ts'

test('a webhook is created, listed, tested, changed, rotated and deleted, in the field names of this API', async () => {
  const tenant = await newTenant()
  const endpoint = await newEndpoint()
  const created = await tenant.owner.post('/v1/agent/webhooks', { tenantId: tenant.id, url: endpoint.url })
  expect(created).toMatchObject({
    status: 200,
    body: { tenantId: tenant.id, agentId: null, url: endpoint.url, events: [], enabled: true },
  })
  const { id, secret, secretPrefix } = created.body
  expect(secret.startsWith(secretPrefix)).toBe(true)
  expect(await tenant.owner.get('/v1/agent/webhooks')).toMatchObject({
    body: { items: [{ id, secretPrefix }], nextCursor: null },
  })
  expect(JSON.stringify((await tenant.owner.get('/v1/agent/webhooks')).body)).not.toContain(secret)
  expect(await tenant.owner.post(`/v1/agent/webhooks/${id}/test`)).toMatchObject({
    status: 200,
    body: { delivered: true, statusCode: 200, error: null },
  })
  const { body: fetched } = await tenant.owner.get(`/v1/agent/webhooks/${id}`)
  expect(fetched.lastDelivery).toMatchObject({ event: 'ping', state: 'delivered', attempts: 1 })
  const { body: one } = await tenant.owner.get(
    `/v1/agent/webhooks/${id}/deliveries/${fetched.lastDelivery.id}`,
  )
  expect(one.attemptLog).toMatchObject([{ attempt: 1, statusCode: 200, response: 'thank you' }])

  const { body: rotated } = await tenant.owner.post(`/v1/agent/webhooks/${id}/rotate-secret`)
  expect(rotated.secret).not.toBe(secret)
  const off = await tenant.owner.patch(`/v1/agent/webhooks/${id}`, { enabled: false, events: ['ping'] })
  expect(off).toMatchObject({ status: 200, body: { enabled: false, events: ['ping'] } })
  expect(off.body.secret).toBeUndefined()

  expect(await tenant.owner.post('/v1/agent/webhooks', { url: 'https://127.0.0.1/' })).toMatchObject({
    status: 400,
    body: { statusCode: 400, error: 'invalid', field: 'url' },
  })
  const stranger = await newTenant()
  expect((await stranger.owner.get(`/v1/agent/webhooks/${id}`)).status).toBe(404)
  // The key of one agent reaches only the webhooks of that agent.
  expect((await tenant.get(`/v1/agent/webhooks/${id}`)).status).toBe(404)
  expect((await tenant.get('/v1/agent/webhooks')).body.items).toEqual([])
  expect(await tenant.owner.del(`/v1/agent/webhooks/${id}`)).toMatchObject({ body: { deleted: true } })
  expect((await tenant.owner.get(`/v1/agent/webhooks/${id}`)).status).toBe(404)
})

test('leases, decisions, suppressions and approvals each publish one event, in order, and the history keeps them', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const endpoint = await newEndpoint()
  const { body: hook } = await tenant.owner.post('/v1/agent/webhooks', { url: endpoint.url })
  const { body: agent } = await tenant.owner.post('/v1/agent/register', { agentName: 'outreach' })
  const lease = await tenant.owner.post('/v1/agent/coordination/lease', {
    ...{ agentId: agent.id, contactEmail: 'Ann@example.com', intent: 'follow_up' },
  })
  await tenant.owner.post('/v1/agent/coordination/lease', {
    agentId: agent.id,
    contactEmail: 'ann@example.com',
  })
  await tenant.owner.del(`/v1/agent/coordination/lease/${lease.body.id}`)
  await tenant.owner.del(`/v1/agent/coordination/lease/${lease.body.id}`)
  const { body: asked } = await tenant.owner.post('/v1/agent/coordination/consensus', {
    ...{ requestingAgentId: agent.id, action: 'send', contactEmail: 'ann@example.com', reason: 'why not' },
  })
  for (const agentId of [agent.id, tenant.agentId]) {
    await tenant.owner.post(`/v1/agent/coordination/consensus/${asked.id}/vote`, {
      ...{ agentId, vote: 'approve' },
    })
  }
  const { body: held } = await tenant.send('bob@example.com', 'held')
  const rejected = await eventually(async () => {
    const decision = { decision: 'rejected', reason: 'no' }
    const answer = await tenant.owner.patch(`/v1/send/approvals/${held.approvalQueueId}`, decision)
    return answer.status === 200 ? answer : undefined
  })
  expect(rejected.status).toBe(200)
  const wanted = [
    'lease.acquired',
    'lease.released',
    'consensus.created',
    'consensus.decided',
    'approval.decided',
  ]
  const history = await eventually(async () => {
    const { body } = await tenant.owner.get(`/v1/agent/events?type=${wanted.join(',')}`)
    return body.items.length >= wanted.length ? body : undefined
  })
  expect(history.items.map(({ type }: { type: string }) => type).reverse()).toEqual(wanted)
  const [decided, agreed, put, released, acquired] = history.items
  expect(acquired.data.lease).toMatchObject({ id: lease.body.id, agent_id: agent.id })
  expect(released.data.lease).toMatchObject({
    id: lease.body.id,
    contact_email: expect.stringMatching(/^ann@/i),
  })
  expect(put.data.consensus).toMatchObject({ id: asked.id, status: 'pending', votes: [] })
  expect(agreed.data.consensus).toMatchObject({ id: asked.id, status: 'approved' })
  expect(decided).toMatchObject({ mailbox_id: tenant.mailboxId, agent_id: tenant.agentId })
  expect(decided.data).toMatchObject({
    ...{
      request_id: held.requestId,
      approval_queue_id: held.approvalQueueId,
      status: 'rejected',
      reason: 'no',
    },
    decided_by: 'key',
  })
  const heard = await eventually(async () => {
    const all = await endpoint.heard()
    const bodies = all.map(({ body }) => JSON.parse(body))
    return wanted.every((type) => bodies.some((each) => each.type === type)) ? all : undefined
  })
  const [first] = heard
  if (first) expect(await endpoint.believed(hook.secret, first)).toEqual(BELIEVED)
  const told = new Map(heard.map(({ body }) => [JSON.parse(body).id, JSON.parse(body)]))
  for (const event of history.items) expect(told.get(event.id)).toEqual(event)

  const { body: page } = await tenant.owner.get(`/v1/agent/events?type=${wanted.join(',')}&limit=2`)
  const { body: rest } = await tenant.owner.get(
    `/v1/agent/events?type=${wanted.join(',')}&limit=9&cursor=${page.nextCursor}`,
  )
  expect([...page.items, ...rest.items]).toEqual(history.items)
  expect(rest.nextCursor).toBeNull()
  const { body: ofAgent } = await tenant.owner.get(`/v1/agent/events?agentId=${agent.id}&limit=100`)
  expect(ofAgent.items.every((each: { agent_id: string }) => each.agent_id === agent.id)).toBe(true)
  expect((await tenant.owner.get('/v1/agent/events?since=2100-01-01T00:00:00Z')).body.items).toEqual([])
  expect(await tenant.owner.get('/v1/agent/events?type=nonsense')).toMatchObject({ status: 400 })

  const scoped = await grant(tenant.id, ['read'], [{ mailboxId: tenant.mailboxId, permissions: ['read'] }])
  const seen = await call('GET', '/v1/agent/events?limit=100', { key: scoped })
  expect(seen.body.items.every((each: { mailbox_id: string }) => each.mailbox_id === tenant.mailboxId)).toBe(
    true,
  )
  expect(seen.body.items.length).toBeGreaterThan(0)
})
