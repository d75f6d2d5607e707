import { expect, test } from 'vitest'
import { call, eventually, grant, newTenant } from '../../support/tenant.ts'
import { BELIEVED, newEndpoint } from '../../support/webhooks.ts'

const SECRET = /^whsec_[A-Za-z0-9+/]{43}=$/
const types = [
  'message.received',
  'message.sent',
  'message.delivered',
  'message.bounced',
  'message.failed',
  'ping',
]

test('a webhook is registered, read with its last delivery, changed and deleted, and its secret is shown once', async () => {
  const tenant = await newTenant()
  const endpoint = await newEndpoint()
  const created = await tenant.post('/v1/webhooks', { url: endpoint.url, event_types: [...types, 'ping'] })
  expect(created).toMatchObject({
    status: 201,
    body: { url: endpoint.url, event_types: types, is_active: true, disabled_reason: null },
  })
  expect(created.body.secret).toMatch(SECRET)
  const { id, secret } = created.body

  const listed = await tenant.get('/v1/webhooks')
  expect(listed).toMatchObject({ status: 200, body: { data: [{ id }], total: 1, has_more: false } })
  expect((await tenant.get(`/v1/webhooks/${id}`)).body).toMatchObject({ id, last_delivery: null })

  const tested = await tenant.post(`/v1/webhooks/${id}/test`)
  expect(tested).toMatchObject({ status: 200, body: { delivered: true, status_code: 200 } })
  const [ping] = await endpoint.heard()
  if (!ping) throw new Error('no ping was heard')
  expect(await endpoint.believed(secret, ping)).toEqual(BELIEVED)
  expect(JSON.parse(ping.body)).toMatchObject({
    type: 'ping',
    agent_id: tenant.agentId,
    data: { webhook_id: id },
  })

  const fetched = await tenant.get(`/v1/webhooks/${id}`)
  expect(fetched.body.last_delivery).toMatchObject({
    ...{ event: 'ping', ok: true, status_code: 200, attempts: 1, error: null },
    attempted_at: expect.stringMatching(/Z$/),
  })

  const changed = await tenant.patch(`/v1/webhooks/${id}`, {
    event_types: ['ping'],
    is_active: false,
    description: 'off',
  })
  expect(changed).toMatchObject({
    status: 200,
    body: { event_types: ['ping'], is_active: false, description: 'off' },
  })
  const rotated = await tenant.post(`/v1/webhooks/${id}/rotate-secret`)
  expect(rotated).toMatchObject({ status: 200, body: { id, secret: expect.stringMatching(SECRET) } })

  const shown = [
    listed,
    tested,
    fetched,
    changed,
    await tenant.get('/v1/webhooks'),
    await tenant.get('/v1/agent/events'),
  ]
  for (const each of [secret, rotated.body.secret]) expect(JSON.stringify(shown)).not.toContain(each)

  expect(await tenant.del(`/v1/webhooks/${id}`)).toMatchObject({ status: 204, body: '' })
  expect((await tenant.get(`/v1/webhooks/${id}`)).status).toBe(404)
  expect((await tenant.del(`/v1/webhooks/${id}`)).status).toBe(404)
})

test('concurrent changes of a webhook are all kept, and its last delivery is the one attempted last', async () => {
  const tenant = await newTenant()
  const [before, after] = [await newEndpoint(), await newEndpoint()]
  for (let round = 0; round < 3; round++) {
    const { body: hook } = await tenant.post('/v1/webhooks', { url: before.url, event_types: types })
    const wanted = { url: after.url, event_types: ['ping'], is_active: false, description: 'changed' }
    const changes = Object.entries(wanted).map(([name, value]) => ({ [name]: value }))
    const answers = await Promise.all(
      changes.map((change) => tenant.patch(`/v1/webhooks/${hook.id}`, change)),
    )
    for (const [at, answer] of answers.entries()) {
      expect(answer).toMatchObject({ status: 200, body: changes[at] })
    }
    expect((await tenant.get(`/v1/webhooks/${hook.id}`)).body).toMatchObject(wanted)
  }

  const { body: hook } = await tenant.post('/v1/webhooks', { url: before.url, event_types: types })
  for (let count = 0; count < 2; count++) await tenant.post(`/v1/webhooks/${hook.id}/test`)
  const { body: deliveries } = await tenant.get(`/v1/webhooks/${hook.id}/deliveries`)
  const [newer, older] = deliveries.data.map(({ id }: { id: string }) => id)
  const last = async () => (await tenant.get(`/v1/webhooks/${hook.id}`)).body.last_delivery.id
  expect(await last()).toBe(newer)
  await tenant.post(`/v1/webhooks/${hook.id}/deliveries/${older}/replay`)
  await eventually(async () => ((await last()) === older ? true : undefined))
})

test('an invalid webhook is refused with the field and the rule, when it is created and when it is changed', async () => {
  const tenant = await newTenant()
  const { url } = await newEndpoint()
  const refusals: [string, RegExp][] = [
    ['http://hooks.example.com/', /https/],
    ['https://metadata.google.internal/', /not public/],
    ['https://10.0.0.8/', /not public/],
    ['https://169.254.169.254/latest/meta-data', /not public/],
    ['https://2130706433/', /not public/],
    ['https://[::ffff:7f00:1]/', /not public/],
    ['https://user:word@hooks.example.com/', /password/],
    ['nonsense', /URL/],
  ]
  const { body: hook } = await tenant.post('/v1/webhooks', { url, event_types: ['ping'] })
  for (const [bad, rule] of refusals) {
    const refused = {
      status: 422,
      body: { error: 'invalid', field: 'url', message: expect.stringMatching(rule) },
    }
    expect(await tenant.post('/v1/webhooks', { url: bad, event_types: ['ping'] })).toMatchObject(refused)
    expect(await tenant.patch(`/v1/webhooks/${hook.id}`, { url: bad })).toMatchObject(refused)
  }
  for (const event_types of [[], ['message.opened'], 'ping', undefined]) {
    const answer = await tenant.post('/v1/webhooks', { url, event_types })
    expect(answer).toMatchObject({ status: 422, body: { error: 'invalid' } })
  }
  const own = ['approval.decided', 'lease.acquired', 'consensus.created', 'suppression.created']
  expect(await tenant.post('/v1/webhooks', { url, event_types: own })).toMatchObject({ status: 201 })
  expect(await call('POST', '/v1/webhooks', { body: { url, event_types: ['ping'] } })).toMatchObject({
    status: 401,
  })
  expect(
    await call('POST', '/v1/webhooks', {
      key: await grant(tenant.id, ['read']),
      body: { url, event_types: ['ping'] },
    }),
  ).toMatchObject({
    status: 403,
    body: { error: 'insufficient_scope' },
  })
})

test('an agent can have at most a hundred webhooks, even with concurrent requests', async () => {
  const tenant = await newTenant()
  const { url } = await newEndpoint()
  const answers = await Promise.all(
    Array.from({ length: 102 }, () => tenant.post('/v1/webhooks', { url, event_types: ['ping'] })),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([...Array(100).fill(201), 409, 409])
  expect((await tenant.get('/v1/webhooks')).body.total).toBe(100)
})

test('a repeated call that shows a secret is not answered from the stored answer', async () => {
  const tenant = await newTenant()
  const { url } = await newEndpoint()
  const headers = { 'idempotency-key': 'once' }
  const body = { url, event_types: ['ping'] }
  expect(await tenant.post('/v1/webhooks', body, headers)).toMatchObject({ status: 201 })
  expect(await tenant.post('/v1/webhooks', body, headers)).toMatchObject({
    status: 409,
    body: { error: 'secret_already_shown' },
  })
  expect((await tenant.get('/v1/webhooks')).body.total).toBe(1)
})

test('a failing webhook test is 200, and the answer says that it failed', async () => {
  const tenant = await newTenant()
  const endpoint = await newEndpoint([500], { body: 'not today' })
  const { body: hook } = await tenant.post('/v1/webhooks', { url: endpoint.url, event_types: ['ping'] })
  expect(await tenant.post(`/v1/webhooks/${hook.id}/test`)).toMatchObject({
    status: 200,
    body: { delivered: false, status_code: 500 },
  })
  const { body: dead } = await tenant.get(`/v1/webhooks/${hook.id}/deliveries?state=dead`)
  expect(dead).toMatchObject({ data: [{ event: 'ping', attempts: 1, error: 'http_500' }], has_more: false })
  const one = await tenant.get(`/v1/webhooks/${hook.id}/deliveries/${dead.data[0].id}`)
  expect(one.body.attempt_log).toMatchObject([{ attempt: 1, status_code: 500, response: 'not today' }])
  expect(JSON.parse(one.body.attempt_log[0].request)).toMatchObject({
    type: 'ping',
    data: { webhook_id: hook.id },
  })
  expect((await tenant.get(`/v1/webhooks/${hook.id}`)).body).toMatchObject({
    is_active: true,
    failing_since: null,
  })
})

test('delivery events name each visible recipient of a message, and never the address of a blind copy', async () => {
  const [sender, reader] = [await newTenant(), await newTenant()]
  const unknown = () => `nobody-${crypto.randomUUID()}@moltpost.test`
  const [named, blind] = [unknown(), unknown()]
  const { status } = await sender.post('/v1/messages', {
    ...{ to: reader.address, cc: [named], bcc: [blind], subject: 'Who got it?', text: 'Hello' },
  })
  expect(status).toBe(202)
  const events = await eventually(async () => {
    const { body } = await sender.get('/v1/agent/events?type=message.delivered,message.bounced')
    return body.items.length === 3
      ? (body.items as { type: string; data: { recipient: unknown } }[])
      : undefined
  })
  const told = events.map(({ type, data }) => [type, data.recipient])
  expect(told).toContainEqual(['message.delivered', reader.address])
  expect(told).toContainEqual(['message.bounced', named])
  expect(told).toContainEqual(['message.bounced', null])
  expect(JSON.stringify(events)).not.toContain(blind)
})

test('a message publishes events for its sender and its recipient, without blind copies, and they can be replayed', async () => {
  const [sender, reader, hidden] = [await newTenant(), await newTenant(), await newTenant()]
  const [sent, received] = [await newEndpoint(), await newEndpoint([410])]
  await sender.post('/v1/webhooks', { url: sent.url, event_types: types })
  const { body: hook } = await reader.post('/v1/webhooks', {
    url: received.url,
    event_types: ['message.received'],
  })
  const answer = await sender.post('/email/send', {
    to: [reader.address],
    bcc: [hidden.address],
    subject: 'Lobster 🦞',
    body_text: `Hello\n${'ü'.repeat(40_000)}`,
  })
  expect(answer.status).toBe(200)
  const [arrived] = await eventually(async () =>
    ((all) => (all.length > 0 ? all : undefined))(await received.heard()),
  )
  const event = JSON.parse(arrived?.body ?? '{}')
  expect(event).toMatchObject({
    type: 'message.received',
    tenant_id: reader.id,
    mailbox_id: reader.mailboxId,
    data: {
      message: {
        ...{
          from_addr: sender.address,
          to: [reader.address],
          cc: [],
          subject: 'Lobster 🦞',
          attachments: [],
        },
        ...{ direction: 'inbound', status: 'received', truncated: true },
      },
      authentication: { spf: 'none', dkim: 'none', dmarc: 'none', from_authenticated: true },
      ambiguities: [],
    },
  })
  expect(new TextEncoder().encode(event.data.message.text_body).length).toBeLessThanOrEqual(65_536)
  expect(event.data.message.preview.length).toBe(200)
  const told = await eventually(async () => ((all) => (all.length > 0 ? all : undefined))(await sent.heard()))
  expect(JSON.parse(told[0]?.body ?? '{}').data.message).toMatchObject({
    direction: 'outbound',
    to: [reader.address],
  })
  for (const { body } of [...told, ...(await received.heard())]) expect(body).not.toContain(hidden.address)

  await eventually(async () =>
    (await reader.get(`/v1/webhooks/${hook.id}`)).body.is_active ? undefined : true,
  )
  expect(
    await reader.post(`/v1/webhooks/${hook.id}/replay`, { since: '2026-01-01T00:00:00Z' }),
  ).toMatchObject({ status: 409 })
  await received.answer([200])
  await reader.patch(`/v1/webhooks/${hook.id}`, { is_active: true })
  const { body: deliveries } = await reader.get(`/v1/webhooks/${hook.id}/deliveries`)
  const path = `/v1/webhooks/${hook.id}/deliveries/${deliveries.data[0].id}`
  expect(await reader.post(`${path}/replay`)).toMatchObject({ status: 200 })
  const delivered = await eventually(async () => {
    const { body } = await reader.get(path)
    return body.state === 'delivered' ? body : undefined
  })
  expect(delivered.event_id).toBe(event.id)
  expect(new Set((await received.heard()).map(({ body }) => body)).size).toBe(1)
})
