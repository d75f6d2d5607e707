import { expect, test } from 'vitest'
import { quiet, sql } from '../../support/matrix-dump.ts'
import { call, grant, newTenant, type Tenant } from '../../support/tenant.ts'

const MINUTE = 60_000
const DAY = 86_400_000

const outbox = async (to: string) => (await call('GET', `/dev/outbox?to=${to}`)).body.items
const at = (ms: number) => new Date(Date.now() + ms).toISOString()
const cancel = (tenant: Tenant, requestId: string) => tenant.del(`/v1/agent/sends/${requestId}`)

/** All pages of a list, until one has no cursor. */
async function pages(tenant: Tenant, path: string): Promise<string[][]> {
  const found: string[][] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { status, body } = await tenant.get(cursor === '' ? path : `${path}&cursor=${cursor}`)
    expect(status).toBe(200)
    found.push(body.items.map((item: { requestId: string }) => item.requestId))
    cursor = body.nextCursor
    expect(found.length).toBeLessThan(100)
  }
  return found
}

test('sends are listed newest first, with filters and pages; paging neither skips nor repeats a send', async () => {
  const tenant = await newTenant({ mailbox: { cooldown_ms: 0, daily_limit: 8, hourly_limit: 100 } })
  const { agentId } = tenant
  const other = (await tenant.owner.post('/v1/agent/mailboxes', { name: 'other', agentId })).body.id
  const made: string[] = []
  for (let index = 0; index < 10; index++) {
    const { body } = await tenant.send(`to${index % 3}@example.com`, `k${index}`)
    made.push(body.requestId)
  }
  const elsewhere = await tenant.send('to0@example.com', 'elsewhere', { mailboxId: other })
  const inline = { templateId: '_default', payload: { subject: 'S', text: 'T' }, mailboxId: other }
  const plain = await tenant.send('to1@example.com', 'plain', inline)
  made.push(elsewhere.body.requestId, plain.body.requestId)
  await quiet()

  for (const limit of [1, 5, 12, 100]) {
    const found = await pages(tenant, `/v1/agent/sends?limit=${limit}`)
    const flat = found.flat()
    expect([...flat].sort()).toEqual([...made].sort())
    expect(flat).toEqual([...flat].sort().reverse())
    expect(found.every((page) => page.length <= limit)).toBe(true)
  }
  const count = async (query: string) => (await pages(tenant, `/v1/agent/sends?${query}`)).flat().length
  expect(await count('status=blocked')).toBe(2)
  expect(await count('status=delivered')).toBe(10)
  expect(await count('status=delivered,blocked')).toBe(12)
  expect(await count('status=unknown')).toBe(0)
  expect(await count('recipientEmail=TO0@example.com')).toBe(5)
  expect(await count(`mailboxId=${other}`)).toBe(2)
  expect(await count('mailboxId=mbx_nobody')).toBe(0)
  expect(await count('templateId=_default')).toBe(1)
  expect(await count('dedupeKey=k3')).toBe(1)
  expect(await count(`recipientEmail=to0@example.com&mailboxId=${other}&status=delivered&limit=1`)).toBe(1)
  const [row] = (await tenant.get('/v1/agent/sends?dedupeKey=plain')).body.items
  expect(row).toMatchObject({
    requestId: plain.body.requestId,
    tenantId: tenant.id,
    mailboxId: other,
    agentId: tenant.agentId,
    status: 'delivered',
    deliveryStatus: 'delivered',
    recipientEmail: 'to1@example.com',
    templateId: '_default',
  })

  const wrong = [
    'limit=0',
    'limit=101',
    'limit=x',
    'status=nonsense',
    'status=',
    'status=queued,',
    'recipientEmail=x',
  ]
  for (const query of wrong) {
    const answer = await tenant.get(`/v1/agent/sends?${query}`)
    expect({ query, status: answer.status }).toEqual({ query, status: 400 })
    expect(answer.body).toMatchObject({ statusCode: 400, error: 'invalid', message: expect.any(String) })
  }
  expect((await tenant.get('/v1/agent/sends/req_nobody')).status).toBe(404)
  expect((await tenant.get('/v1/ops/trace/req_nobody')).status).toBe(404)

  const scoped = tenant.as(await grant(tenant.id, [], [{ mailboxId: other, permissions: ['read'] }]))
  const visible = (await scoped.get('/v1/agent/sends')).body.items
  expect(visible.map((item: { mailboxId: string }) => item.mailboxId)).toEqual([other, other])
})

test('a scheduled, held or queued send can be cancelled: it is never sent, and its window and dedupe key are free again', async () => {
  const scheduled = await newTenant({ mailbox: { hourly_limit: 1 } })
  const later = (await scheduled.send('cancel-1@example.com', 'k1', { scheduledAt: at(MINUTE) })).body
  expect(later.status).toBe('scheduled')
  expect((await cancel(scheduled, later.requestId)).body).toEqual({ cancelled: true })

  const held = await newTenant({ mailbox: { autonomy: 'review' } })
  const waiting = (await held.send('cancel-2@example.com', 'k1')).body
  expect(waiting.status).toBe('pending_approval')
  expect((await cancel(held, waiting.requestId)).body).toEqual({ cancelled: true })
  const approval = await held.get(`/v1/send/approvals/${waiting.approvalQueueId}`)
  expect(approval.body).toMatchObject({ status: 'superseded', sendStatus: 'cancelled' })
  const decided = await held.owner.patch(`/v1/send/approvals/${waiting.approvalQueueId}`, {
    decision: 'approved',
  })
  expect(decided).toMatchObject({ status: 409, body: { error: 'already_decided' } })

  for (const [tenant, requestId, to] of [
    [scheduled, later.requestId, 'cancel-1@example.com'],
    [held, waiting.requestId, 'cancel-2@example.com'],
  ] as const) {
    const polled = (await tenant.get(`/v1/agent/sends/${requestId}`)).body
    expect(polled).toMatchObject({ status: 'cancelled' })
    expect((await cancel(tenant, requestId)).body).toEqual({ cancelled: false, reason: 'not_cancellable' })
    const again = (await tenant.send(to, 'k1')).body
    expect(['queued', 'pending_approval']).toContain(again.status)
    expect(again.requestId).not.toBe(requestId)
  }
})

test('cancelling a queued send gives back its window and its cooldown, however late it is cancelled', async () => {
  let cancelled = 0
  for (let round = 0; round < 12; round++) {
    const tenant = await newTenant({ mailbox: { hourly_limit: 1, cooldown_ms: 10 * MINUTE } })
    const to = `cancel-queued-${round}@example.com`
    const { requestId } = (await tenant.send(to, 'k1')).body
    await new Promise((resolve) => setTimeout(resolve, round * 8))
    const { body } = await cancel(tenant, requestId)
    if (body.cancelled) cancelled++
    else expect(body).toEqual({ cancelled: false, reason: 'not_cancellable' })
    const { status } = await tenant.settled(requestId)
    expect(status).toBe(body.cancelled ? 'cancelled' : 'delivered')
    expect(await outbox(to)).toHaveLength(body.cancelled ? 0 : 1)
    const next = await tenant.send(to, 'k1')
    expect(next.body.status).toBe(body.cancelled ? 'queued' : 'duplicate')
    if (body.cancelled) await tenant.settled(next.body.requestId)
    expect(await outbox(to)).toHaveLength(1)
    const budget = (await tenant.get('/v1/agent/budget')).body
    expect(budget.hourly).toMatchObject({ used: 1, limit: 1, remaining: 0 })
  }
  expect(cancelled).toBeGreaterThan(0)
})

test('a send that has left cannot be cancelled, and an unknown one is not found', async () => {
  const tenant = await newTenant()
  const { requestId } = (await tenant.send('gone@example.com', 'k1')).body
  await tenant.settled(requestId)
  expect(await cancel(tenant, requestId)).toMatchObject({
    status: 200,
    body: { cancelled: false, reason: 'not_cancellable' },
  })
  expect((await tenant.send('gone@example.com', 'k1')).body.status).toBe('duplicate')
  expect((await cancel(tenant, 'req_nobody')).status).toBe(404)
  const stranger = await newTenant()
  expect((await cancel(stranger, requestId)).status).toBe(404)
  const blocked = (await tenant.send('gone@example.com', 'k2', { templateId: 'no-such' })).body
  expect((await cancel(tenant, blocked.requestId)).body.cancelled).toBe(false)
})

test('a send may be scheduled up to 30 days ahead; it leaves when it is due and counts in the windows of that time', async () => {
  const tenant = await newTenant({ mailbox: { hourly_limit: 1 } })
  for (const scheduledAt of [
    at(-1000),
    at(30 * DAY + MINUTE),
    'tomorrow',
    '2026-13-01T00:00:00Z',
    17,
    '2030-01-01',
  ]) {
    const refused = await tenant.send('plan@example.com', 'k1', { scheduledAt })
    expect(refused).toMatchObject({ status: 400, body: { error: 'invalid' } })
    expect(refused.body.message).toContain('scheduledAt')
  }
  const scheduledAt = at(2000)
  const planned = await tenant.send('plan@example.com', 'k1', { scheduledAt })
  expect(planned).toMatchObject({ status: 200, body: { status: 'scheduled', scheduledAt } })
  expect((await tenant.send('plan@example.com', 'k1', { scheduledAt })).body.status).toBe('duplicate')
  expect((await tenant.get('/v1/agent/budget')).body.hourly.used).toBe(0)
  expect(
    (await tenant.send('far@example.com', 'k2', { scheduledAt: at(30 * DAY - MINUTE) })).body.status,
  ).toBe('scheduled')
  const polled = (await tenant.get(`/v1/agent/sends/${planned.body.requestId}`)).body
  expect(polled).toMatchObject({ status: 'scheduled', scheduledAt })
  expect(await outbox('plan@example.com')).toHaveLength(0)

  const trace = await tenant.settled(planned.body.requestId)
  expect(trace).toMatchObject({ status: 'delivered' })
  const left = trace.trace.find((step: { kind: string }) => step.kind === 'delivery')
  expect(Date.parse(left.at)).toBeGreaterThanOrEqual(Date.parse(scheduledAt))
  expect(await outbox('plan@example.com')).toHaveLength(1)
  expect((await tenant.get('/v1/agent/budget')).body.hourly.used).toBe(1)

  const refused = await newTenant()
  const doomed = (await refused.send('doomed@example.com', 'k1', { scheduledAt: at(500) })).body
  await refused.owner.post('/v1/suppressions', { recipientEmail: 'doomed@example.com' })
  expect(await refused.settled(doomed.requestId)).toMatchObject({ status: 'blocked', reason: 'suppressed' })
  const zoned = new Date(Date.now() + MINUTE + 2 * 3_600_000).toISOString().replace('Z', '+02:00')
  expect((await refused.send('zone@example.com', 'k2', { scheduledAt: zoned })).body).toMatchObject({
    status: 'scheduled',
    scheduledAt: new Date(zoned).toISOString(),
  })
})

test('the Idempotency-Key is the dedupe key if the body has none, and another body with the same key is 422', async () => {
  const tenant = await newTenant()
  const path = '/v1/agent/request-send'
  const body = { recipientEmail: 'idem@example.com', templateId: 'welcome', payload: { firstName: 'Ann' } }
  const headers = { 'idempotency-key': 'header-1' }
  const first = await tenant.post(path, body, headers)
  expect(first.body.status).toBe('queued')
  expect((await tenant.post(path, body, headers)).body).toMatchObject({
    status: 'duplicate',
    requestId: first.body.requestId,
  })
  expect(await tenant.post(path, { ...body, payload: { firstName: 'Bob' } }, headers)).toMatchObject({
    status: 422,
    body: { statusCode: 422, error: 'idempotency_mismatch' },
  })
  expect((await tenant.send('idem@example.com', 'header-1')).body.status).toBe('duplicate')
  const both = await tenant.post(path, { ...body, dedupeKey: 'body-1' }, headers)
  expect(both.body).toMatchObject({ status: 'queued' })
  expect((await tenant.post(path, { ...body, idempotencyKey: 'body-1' })).body.status).toBe('duplicate')
  expect((await tenant.get(`/v1/agent/sends/${first.body.requestId}`)).body.dedupeKey).toBe('header-1')

  expect(await tenant.post(path, body)).toMatchObject({ status: 400, body: { error: 'dedupe_key_required' } })
  for (const dedupeKey of ['', '   ', '\n']) {
    expect(await tenant.post(path, { ...body, dedupeKey })).toMatchObject({
      status: 400,
      body: { error: 'dedupe_key_required', field: 'dedupeKey' },
    })
  }
  expect((await tenant.post(path, body, { 'idempotency-key': 'x'.repeat(257) })).status).toBe(400)

  const racing = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      tenant.post(path, { ...body, payload: { firstName: `N${index % 2}` } }, { 'idempotency-key': 'race' }),
    ),
  )
  expect(racing.filter((answer) => answer.body.status === 'queued')).toHaveLength(1)
  expect(racing.filter((answer) => answer.body.status === 'duplicate')).toHaveLength(9)
  expect(racing.filter((answer) => answer.status === 422)).toHaveLength(10)
})

test('any other POST repeated with its Idempotency-Key has the first answer again, but a secret is shown only once', async () => {
  const tenant = await newTenant()
  const headers = { 'idempotency-key': 'key-1' }
  const created = await tenant.owner.post('/v1/agent/keys', { label: 'one' }, headers)
  expect(created).toMatchObject({ status: 200, body: { rawKey: expect.stringMatching(/^mm_live_/) } })
  expect(await tenant.owner.post('/v1/agent/keys', { label: 'one' }, headers)).toMatchObject({
    status: 409,
    body: { statusCode: 409, error: 'secret_already_shown' },
  })
  expect(await tenant.owner.post('/v1/agent/keys', { label: 'two' }, headers)).toMatchObject({
    status: 422,
    body: { error: 'idempotency_mismatch' },
  })
  const labels = (await tenant.owner.get('/v1/agent/keys')).body.items.map(
    (key: { label: string }) => key.label,
  )
  expect(labels.filter((label: string) => label === 'one' || label === 'two')).toEqual(['one'])
  expect(created.headers.get('x-secret-shown')).toBeNull()
  expect((await tenant.owner.post('/v1/agent/keys', {})).headers.get('x-secret-shown')).toBeNull()

  const posts: [string, Record<string, unknown>][] = [
    ['/v1/agent/mailboxes', { name: 'replayed' }],
    ['/v1/templates', { slug: 'replayed', name: 'Replayed' }],
    ['/v1/suppressions', { recipientEmail: 'replayed@example.com' }],
    ['/v1/consent', { recipientEmail: 'replayed@example.com', basis: 'contractual' }],
  ]
  for (const [path, body] of posts) {
    const [one, two] = [
      await tenant.owner.post(path, body, headers),
      await tenant.owner.post(path, body, headers),
    ]
    expect({ path, status: one.status }).toEqual({ path, status: 200 })
    expect(two).toMatchObject({ status: 200, body: one.body })
    expect(two.headers.get('idempotency-replayed')).toBe('true')
  }
  const failed = await tenant.owner.post('/v1/agent/mailboxes', { name: '' }, { 'idempotency-key': 'failed' })
  expect(failed.status).toBe(400)
  const mended = await tenant.owner.post(
    '/v1/agent/mailboxes',
    { name: 'mended' },
    { 'idempotency-key': 'failed' },
  )
  expect(mended.status).toBe(200)

  const many = await Promise.all(
    Array.from({ length: 10 }, () =>
      tenant.owner.post('/v1/agent/mailboxes', { name: 'once' }, { 'idempotency-key': 'once' }),
    ),
  )
  const ids = many.filter(({ status }) => status === 200).map(({ body }) => body.id)
  expect(new Set(ids).size).toBe(1)
  expect(many.every(({ status, body }) => status === 200 || body.error === 'idempotency_in_progress')).toBe(
    true,
  )
})

test('sends with unknown outcome are listed, and a person decides what became of them', async () => {
  const tenant = await newTenant()
  const unknown = async (key: string) => {
    const { requestId } = (await tenant.send(`${key}@example.com`, key)).body
    await tenant.settled(requestId)
    await sql(
      `UPDATE sends SET state = 'unknown', reason = 'timeout', ambiguous_at = 1, next_at = NULL,
         pinned_recipients = json_array(?2) WHERE id = ?1`,
      requestId,
      `${key}@example.com`,
    )
    await sql(`UPDATE send_recipients SET state = 'pending' WHERE send_id = ?1`, requestId)
    return requestId as string
  }
  const [delivered, failed, resent] = [await unknown('u1'), await unknown('u2'), await unknown('u3')]
  const listed = (await tenant.get('/v1/agent/sends?status=unknown')).body.items
  expect(listed.map((item: { requestId: string }) => item.requestId)).toEqual(
    [resent, failed, delivered].sort().reverse(),
  )
  expect(listed[0]).toMatchObject({ status: 'unknown', deliveryStatus: 'unknown', reason: 'timeout' })
  expect((await cancel(tenant, delivered)).body.cancelled).toBe(false)

  const resolve = (key: Tenant | ReturnType<Tenant['as']>, requestId: string, outcome: unknown) =>
    key.post(`/v1/agent/sends/${requestId}/resolve`, { outcome })
  expect(
    (await resolve(tenant.as(await grant(tenant.id, ['read', 'send'])), delivered, 'delivered')).status,
  ).toBe(403)
  expect((await resolve(tenant, delivered, 'perhaps')).status).toBe(400)
  expect((await resolve(tenant, 'req_nobody', 'failed')).status).toBe(404)
  expect((await resolve(tenant, delivered, 'delivered')).body).toMatchObject({ status: 'delivered' })
  expect((await resolve(tenant, failed, 'failed')).body).toMatchObject({ status: 'failed' })
  expect(await resolve(tenant, failed, 'delivered')).toMatchObject({
    status: 409,
    body: { error: 'conflict' },
  })
  expect((await resolve(tenant, resent, 'resend')).status).toBe(200)
  expect(await tenant.settled(resent)).toMatchObject({ status: 'delivered' })
  expect((await tenant.get('/v1/agent/sends?status=unknown')).body.items).toEqual([])
  const trace = (await tenant.get(`/v1/agent/sends/${delivered}`)).body
  expect(trace.deliveryEvents.at(-1)).toMatchObject({ eventType: 'resolved_delivered' })
})

test('dead letters are listed and inspected, and each is replayed only once', async () => {
  const tenant = await newTenant()
  const bury = async (key: string, id: string) => {
    const { requestId } = (await tenant.send(`${key}@example.com`, key)).body
    await tenant.settled(requestId)
    await sql(
      `UPDATE sends SET state = 'failed', reason = 'dead_letter', next_at = NULL, locks = 9 WHERE id = ?1`,
      requestId,
    )
    await sql(`UPDATE send_recipients SET state = 'pending' WHERE send_id = ?1`, requestId)
    await sql(`DELETE FROM captured_mail WHERE send_id = ?1`, requestId)
    await sql(
      `INSERT INTO dead_letters (tenant_id, id, queue, ref_id, reason, created_at) VALUES (?1, ?2, 'deliver', ?3, 'stuck', 1)`,
      tenant.id,
      id,
      requestId,
    )
    return requestId as string
  }
  const [first, second] = [await bury('d1', 'dlq_1'), await bury('d2', 'dlq_2')]
  const listed = (await tenant.get('/v1/agent/dead-letters')).body
  expect(listed).toMatchObject({
    items: [
      { id: 'dlq_2', requestId: second, queue: 'deliver', reason: 'stuck', replayedAt: null },
      { id: 'dlq_1', requestId: first },
    ],
    nextCursor: null,
  })
  const page = (await tenant.get('/v1/agent/dead-letters?limit=1')).body
  expect(page).toMatchObject({ items: [{ id: 'dlq_2' }], nextCursor: 'dlq_2' })
  expect((await tenant.get('/v1/agent/dead-letters/dlq_1')).body).toMatchObject({
    id: 'dlq_1',
    requestId: first,
  })
  expect((await tenant.get('/v1/agent/dead-letters/dlq_x')).status).toBe(404)
  expect((await tenant.post('/v1/agent/dead-letters/dlq_x/replay')).status).toBe(404)

  const replays = await Promise.all([1, 2, 3].map(() => tenant.post('/v1/agent/dead-letters/dlq_1/replay')))
  for (const replay of replays)
    expect(replay).toMatchObject({ status: 200, body: { replayedAt: expect.any(String) } })
  expect(await tenant.settled(first)).toMatchObject({ status: 'delivered' })
  expect(await outbox('d1@example.com')).toHaveLength(1)
  const open = (await tenant.get('/v1/agent/dead-letters')).body.items
  expect(open.map((item: { id: string }) => item.id)).toEqual(['dlq_2'])
  expect((await tenant.get('/v1/agent/dead-letters?open=false')).body.items).toHaveLength(2)

  await sql(`UPDATE sends SET state = 'unknown' WHERE id = ?1`, second)
  expect(await tenant.post('/v1/agent/dead-letters/dlq_2/replay')).toMatchObject({
    status: 409,
    body: { error: 'conflict' },
  })
  expect(await outbox('d2@example.com')).toHaveLength(0)
})
