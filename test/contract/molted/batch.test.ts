import { expect, test } from 'vitest'
import { differences, dumpEverything, quiet } from '../../support/matrix-dump.ts'
import { call, eventually, grant, newTenant } from '../../support/tenant.ts'

const MINUTE = 60_000
const REQUEST_ID = /^req_[0-9a-z]{36}$/
const BATCH_ID = /^batch_[0-9a-z]{36}$/
const ROOMY = { mailbox: { hourly_limit: 5_000, daily_limit: 5_000 }, tenant: { plan: 'enterprise' } }

/** The demo tenant of local development has the names of the published examples. */
const DEMO_KEY = 'mm_live_DemoKeyForLocalDevelopmentOnlyDoNotDeployIt43KvlP'
const DEMO_TENANT = 'tenant_abc123'

type Item = Record<string, unknown>
type Result = Record<string, string>

const item = (name: string, more: Item = {}): Item => ({
  recipientEmail: `${name}@example.com`,
  dedupeKey: `key-${name}`,
  payload: { firstName: 'Ann' },
  ...more,
})
const welcome = (sends: unknown[], more: Item = {}) => ({ templateId: 'welcome', sends, ...more })
const statuses = (results: Result[]) => results.map(({ status, reason }) => reason ?? status)

test('the published batch has the published answer (alice queued, bob suppressed), and a repeat sends nothing twice', async () => {
  const published = {
    tenantId: DEMO_TENANT,
    templateId: 'campaign-march',
    sends: [
      { recipientEmail: 'alice@example.com', dedupeKey: 'march-alice', payload: { name: 'Alice' } },
      { recipientEmail: 'bob@example.com', dedupeKey: 'march-bob', payload: { name: 'Bob' } },
    ],
  }
  const post = () => call('POST', '/v1/agent/batch/request-send', { key: DEMO_KEY, body: published })
  const first = await post()
  expect(first.status).toBe(200)
  expect(first.body).toEqual({
    batchId: expect.stringMatching(BATCH_ID),
    total: 2,
    queued: 1,
    blocked: 1,
    pendingApproval: 0,
    duplicates: 0,
    errors: 0,
    results: [
      {
        recipientEmail: 'alice@example.com',
        requestId: expect.stringMatching(REQUEST_ID),
        status: 'queued',
      },
      {
        recipientEmail: 'bob@example.com',
        requestId: expect.stringMatching(REQUEST_ID),
        status: 'blocked',
        reason: 'suppressed',
      },
    ],
  })

  const again = await post()
  expect(again.body).toMatchObject({
    batchId: first.body.batchId,
    queued: 0,
    blocked: 2,
    duplicates: 1,
    results: [
      { requestId: first.body.results[0].requestId, status: 'blocked', reason: 'duplicate' },
      { status: 'blocked', reason: 'suppressed' },
    ],
  })
  await eventually(async () => {
    const { body } = await call('GET', '/dev/outbox?to=alice%40example.com')
    return body.items.length === 1 ? true : undefined
  })
})

test('the published simulation has the published answer and writes nothing', async () => {
  const simulated = await call('POST', '/v1/agent/simulate-batch', {
    key: DEMO_KEY,
    body: {
      tenantId: DEMO_TENANT,
      templateId: 'campaign-march',
      recipientEmails: ['carol@example.com', 'bob@example.com'],
    },
  })
  expect(simulated.status).toBe(200)
  expect(simulated.body).toEqual({
    total: 2,
    wouldAllow: 1,
    wouldBlock: 1,
    results: [
      { recipientEmail: 'carol@example.com', wouldAllow: true },
      { recipientEmail: 'bob@example.com', wouldAllow: false, reason: 'suppressed' },
    ],
  })

  const tired = await newTenant({ mailbox: { cooldown_ms: 0, fatigue_limit: 1 } })
  await tired.settled((await tired.send('bob@example.com', 'one')).body.requestId)
  await quiet()
  const before = await dumpEverything()
  const { body } = await tired.post('/v1/agent/simulate-batch', {
    templateId: 'welcome',
    recipientEmails: ['alice@example.com', 'bob@example.com', 'nobody'],
  })
  expect(body).toMatchObject({
    total: 3,
    wouldAllow: 1,
    wouldBlock: 2,
    results: [
      { recipientEmail: 'alice@example.com', wouldAllow: true },
      {
        recipientEmail: 'bob@example.com',
        wouldAllow: false,
        reason: 'fatigue_limit',
        cooldownExpiresAt: expect.stringMatching(/^\d{4}-.*Z$/),
      },
      { recipientEmail: 'nobody', wouldAllow: false, reason: 'invalid_recipient' },
    ],
  })
  expect(differences(before, await dumpEverything())).toEqual([])
})

test('two identical concurrent batches send each message once, with and without an Idempotency-Key', async () => {
  for (const headers of [undefined, { 'idempotency-key': 'nightly' }]) {
    const tenant = await newTenant(ROOMY)
    const name = headers ? 'twin' : 'pair'
    const body = welcome(Array.from({ length: 40 }, (_, i) => item(`${name}${i}`)))
    const post = () => tenant.post('/v1/agent/batch/request-send', body, headers)
    const answers = await Promise.all([post(), post(), post()])
    expect(new Set(answers.map((answer) => answer.body.batchId)).size).toBe(1)
    for (let i = 0; i < 40; i++) {
      const ofItem = answers.map((answer) => answer.body.results[i])
      expect(new Set(ofItem.map(({ requestId }) => requestId)).size).toBe(1)
      expect(statuses(ofItem).sort()).toEqual(['duplicate', 'duplicate', 'queued'])
    }
    await Promise.all(
      answers[0].body.results.map(({ requestId }: Result) => tenant.settled(String(requestId))),
    )
    for (let i = 0; i < 40; i++) {
      const { body: kept } = await call('GET', `/dev/outbox?to=${name}${i}%40example.com`)
      expect(kept.items).toHaveLength(1)
    }
    const other = await newTenant(ROOMY)
    const elsewhere = await other.post('/v1/agent/batch/request-send', body, headers)
    expect(elsewhere.body.queued).toBe(40)
    expect(elsewhere.body.batchId).not.toBe(answers[0].body.batchId)
  }
})

test('a batch shows the states of its sends during delivery, page by page, and only to keys that may read them', async () => {
  const tenant = await newTenant({ mailbox: { ...ROOMY.mailbox, autonomy: 'review' } })
  const scheduledAt = new Date(Date.now() + 60 * MINUTE).toISOString()
  const { body } = await tenant.post('/v1/agent/batch/request-send', welcome([item('ann'), item('eve')]))
  expect(body).toMatchObject({ queued: 0, blocked: 0, pendingApproval: 2, errors: 0 })
  for (const held of body.results) {
    expect(held).toMatchObject({
      status: 'pending_approval',
      approvalQueueId: expect.stringMatching(/^apq_/),
    })
  }
  expect((await tenant.get(`/v1/agent/batch/${body.batchId}`)).body).toMatchObject({ pendingApproval: 2 })

  const open = await newTenant(ROOMY)
  await open.owner.post('/v1/suppressions', { recipientEmail: 'bob@example.com' })
  const sent = await open.post(
    '/v1/agent/batch/request-send',
    welcome([item('ann'), item('bob'), item('eve', { scheduledAt }), item('nan', { payload: {} }), null]),
  )
  expect(statuses(sent.body.results)).toEqual([
    ...['queued', 'suppressed', 'scheduled', 'template_render_failed', 'invalid'],
  ])
  expect(sent.body).toMatchObject({ total: 5, queued: 1, blocked: 1, scheduled: 1, errors: 2 })
  expect(sent.body.results[2]).toMatchObject({ scheduledAt })

  const path = `/v1/agent/batch/${sent.body.batchId}`
  await open.settled(sent.body.results[0].requestId)
  const standing = await open.get(path)
  expect(standing.body).toMatchObject({
    batchId: sent.body.batchId,
    ...{ total: 4, queued: 1, blocked: 1, pendingApproval: 0, scheduled: 1, cancelled: 0, errors: 1 },
    byStatus: { blocked: 1, scheduled: 1, failed: 1 },
    nextCursor: null,
  })
  const ann = standing.body.results.find((each: Result) => each.dedupeKey === 'key-ann')
  expect(ann).toMatchObject({
    requestId: sent.body.results[0].requestId,
    recipientEmail: 'ann@example.com',
    deliveryStatus: expect.stringMatching(/accepted|delivered/),
  })

  await open.del(`/v1/agent/sends/${sent.body.results[2].requestId}`)
  const pages: Result[] = []
  for (let cursor = ''; pages.length < 9; ) {
    const { body: shown } = await open.get(`${path}?limit=1${cursor}`)
    expect(shown).toMatchObject({ total: 4, cancelled: 1, scheduled: 0 })
    pages.push(...shown.results)
    if (shown.nextCursor === null) break
    cursor = `&cursor=${shown.nextCursor}`
  }
  expect(new Set(pages.map(({ requestId }) => requestId)).size).toBe(4)

  expect((await tenant.get(path)).status).toBe(404)
  const elsewhere = await grant(open.id, ['read'], [{ mailboxId: 'mbx_other', permissions: ['read'] }])
  expect((await call('GET', path, { key: elsewhere })).status).toBe(403)
})

test('a batch is judged as if its items were sent one after the other: of two items with one dedupe key, the first is sent', async () => {
  const tenant = await newTenant({
    mailbox: { cooldown_ms: 10 * MINUTE, hourly_limit: 20, daily_limit: 500 },
  })
  const earlier = await tenant.send('zoe@example.com', 'earlier')
  const { body } = await tenant.post(
    '/v1/agent/batch/request-send',
    welcome([
      item('ann'),
      item('ben', { dedupeKey: 'key-ann' }),
      item('eve', { dedupeKey: 'earlier' }),
      item('ann', { recipientEmail: 'ANN@example.com', dedupeKey: 'other' }),
    ]),
  )
  expect(statuses(body.results)).toEqual(['queued', 'duplicate', 'duplicate', 'cooldown'])
  expect(body).toMatchObject({ queued: 1, blocked: 3, duplicates: 2 })
  expect(body.results[1].requestId).toBe(body.results[0].requestId)
  expect(body.results[2].requestId).toBe(earlier.body.requestId)
  expect(body.results[3].cooldownExpiresAt).toEqual(expect.any(String))

  const emails = [...Array.from({ length: 20 }, (_, i) => `n${i}@example.com`), 'n0@example.com']
  const simulate = async (query: string) =>
    (
      await tenant.post(`/v1/agent/simulate-batch${query}`, {
        templateId: 'welcome',
        recipientEmails: emails,
      })
    ).body
  expect(await simulate('')).toMatchObject({ total: 21, wouldAllow: 21, wouldBlock: 0 })
  const inOrder = await simulate('?sequential=true')
  const more = await tenant.post(
    '/v1/agent/batch/request-send',
    welcome(emails.map((recipientEmail, i) => item('', { recipientEmail, dedupeKey: `n-${i}` }))),
  )
  expect(statuses(more.body.results)).toEqual([
    ...Array.from({ length: 18 }, () => 'queued'),
    ...['rate_limited', 'rate_limited', 'cooldown'],
  ])
  expect(inOrder.results.map(({ reason }: Result) => reason ?? 'queued')).toEqual(statuses(more.body.results))
  expect((await simulate('?sequential=maybe')).error).toBe('invalid')
})

test('in a batch of 500 items, 400 valid ones are sent, 100 invalid ones of ten kinds give their reasons, and the order is kept', async () => {
  const tenant = await newTenant(ROOMY)
  let deep: unknown = 'leaf'
  for (let depth = 0; depth < 200; depth++) deep = { deep }
  const kinds: [spoil: (good: Item) => unknown, reason: string][] = [
    [(good) => ({ ...good, recipientEmail: 'not an address' }), 'invalid_recipient'],
    [(good) => ({ ...good, recipientEmail: undefined }), 'recipient_email_required'],
    [(good) => ({ ...good, recipientEmail: 7 }), 'invalid_recipient'],
    [(good) => ({ ...good, dedupeKey: '  ' }), 'dedupe_key_required'],
    [(good) => ({ ...good, dedupeKey: undefined }), 'dedupe_key_required'],
    [(good) => ({ ...good, dedupeKey: 'k'.repeat(501) }), 'invalid'],
    [(good) => ({ ...good, payload: {} }), 'template_render_failed'],
    [(good) => ({ ...good, payload: deep }), 'invalid'],
    [(good) => ({ ...good, payload: 'Ann' }), 'invalid'],
    [() => null, 'invalid'],
  ]
  const wanted = Array.from({ length: 500 }, (_, i) => {
    const [spoil, reason] = i % 5 === 4 ? (kinds[Math.floor(i / 5) % 10] ?? []) : []
    const good = item(`p${i}`)
    return { sent: spoil ? spoil(good) : good, reason: reason ?? 'queued', email: good.recipientEmail }
  })
  const { status, body } = await tenant.post(
    '/v1/agent/batch/request-send',
    welcome(wanted.map(({ sent }) => sent)),
  )
  expect(status).toBe(200)
  expect(body).toMatchObject({ total: 500, queued: 400, blocked: 0, errors: 100 })
  expect(statuses(body.results)).toEqual(wanted.map(({ reason }) => reason))
  for (const [position, result] of body.results.entries()) {
    if (result.status === 'error') expect(result.message).toEqual(expect.any(String))
    else expect(result.recipientEmail).toBe(wanted[position]?.email)
  }
  const unrendered = body.results.find(({ reason }: Result) => reason === 'template_render_failed')
  expect(unrendered).toMatchObject({ field: 'payload', missingVariables: ['firstName'] })
  expect(body.results[9]).toMatchObject({ recipientEmail: '', requestId: '', field: 'recipientEmail' })

  const bad = wanted.filter(({ reason }) => reason !== 'queued').map(({ sent }) => sent)
  const onlyBad = await tenant.post('/v1/agent/batch/request-send', welcome(bad))
  expect(onlyBad.body).toMatchObject({ total: 100, queued: 0, errors: 100 })
})

test('a batch that is empty or too long is refused as a whole and writes nothing', async () => {
  const tenant = await newTenant(ROOMY)
  const many = Array.from({ length: 501 }, (_, i) => `p${i}@example.com`)
  const asked: [path: string, field: string, body: (list: string[]) => Item][] = [
    [
      '/v1/agent/batch/request-send',
      'sends',
      (list) =>
        welcome(list.map((recipientEmail) => item('', { recipientEmail, dedupeKey: recipientEmail }))),
    ],
    [
      '/v1/agent/simulate-batch',
      'recipientEmails',
      (recipientEmails) => ({ templateId: 'welcome', recipientEmails }),
    ],
    ['/v1/agent/batch/next-best-action', 'contactEmails', (contactEmails) => ({ contactEmails })],
  ]
  for (const [path, field, body] of asked) {
    const long = await tenant.post(path, body(many))
    expect(long).toMatchObject({
      status: 400,
      body: { statusCode: 400, error: 'batch_too_large', field, max: 500, received: 501 },
    })
    expect(await tenant.post(path, body([]))).toMatchObject({
      status: 400,
      body: { error: 'invalid', field },
    })
    expect(await tenant.post(path, { templateId: 'welcome', [field]: 'x' })).toMatchObject({
      status: 400,
      body: { error: 'invalid', field },
    })
    expect((await call('POST', path, { key: 'nobody', body: body(many) })).status).toBe(401)
    expect((await call('POST', path, { key: null, body: body([]) })).status).toBe(401)
    expect((await tenant.post(path, body(many.slice(0, 500)))).status).toBe(200)
  }
  const { body } = await tenant.get('/v1/agent/sends?limit=1&recipientEmail=p500@example.com')
  expect(body.items).toEqual([])

  const readOnly = await grant(tenant.id, ['read'])
  const refused = await call('POST', '/v1/agent/batch/request-send', {
    key: readOnly,
    body: welcome([item('x')]),
  })
  expect(refused).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } })
  const noMailbox = await tenant.post(
    '/v1/agent/batch/request-send',
    welcome([item('x')], { mailboxId: 'mbx_none' }),
  )
  expect(noMailbox).toMatchObject({ status: 404, body: { error: 'mailbox_not_found' } })
})
