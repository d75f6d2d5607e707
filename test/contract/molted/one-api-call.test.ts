import { expect, test } from 'vitest'
import { differences, dumpEverything, quiet, sql } from '../../support/matrix-dump.ts'
import { call, eventually, grant, newTenant, type Tenant } from '../../support/tenant.ts'

const MINUTE = 60_000
const REQUEST_ID = /^req_[0-9a-z]{36}$/

/** The demo tenant of local development has the names of the published examples. */
const DEMO_KEY = 'mm_live_DemoKeyForLocalDevelopmentOnlyDoNotDeployIt43KvlP'
const DEMO_TENANT = 'tenant_abc123'

const SIX = [
  { rule: 'deduplication', passed: true },
  { rule: 'suppression', passed: true },
  { rule: 'cooldown', passed: true },
  { rule: 'rate_limit_hourly', passed: true },
  { rule: 'rate_limit_daily', passed: true },
  { rule: 'consent', passed: true },
]

/** What all blocked answers share: HTTP 200, the reason in two places, and a trace that ends at the failing rule. */
function expectBlocked(
  answer: { status: number; body: Record<string, unknown> },
  rule: string,
  reason: string,
) {
  expect(answer).toMatchObject({
    status: 200,
    body: {
      requestId: expect.stringMatching(REQUEST_ID),
      status: 'blocked',
      reason,
      policyTrace: { decision: { allow: false, reason } },
    },
  })
  const { auditEvents } = answer.body.policyTrace as { auditEvents: { rule: string; passed: boolean }[] }
  const last = auditEvents.at(-1)
  expect(last).toMatchObject({ rule, passed: false, detail: expect.any(String) })
  expect(auditEvents.slice(0, -1).every((event) => event.passed)).toBe(true)
}

const outbox = async (to: string) =>
  (await call('GET', `/dev/outbox?to=${encodeURIComponent(to)}`)).body.items as {
    subject: string
    text: string
  }[]

test('the published request has the published answer, is delivered, and can be read by its request id', async () => {
  const published = {
    tenantId: DEMO_TENANT,
    mailboxId: 'mbx_abc123',
    recipientEmail: 'alice@example.com',
    templateId: 'onboarding-welcome',
    dedupeKey: 'onboarding-alice-step1',
    payload: { firstName: 'Alice', trialDays: 14 },
    sendReason: 'onboarding sequence step 1',
  }
  const send = (more: Record<string, unknown> = {}) =>
    call('POST', '/v1/agent/request-send', { key: DEMO_KEY, body: { ...published, ...more } })

  const queued = await send()
  expect(queued.status).toBe(200)
  expect(queued.body).toEqual({
    requestId: expect.stringMatching(REQUEST_ID),
    status: 'queued',
    policyTrace: { decision: { allow: true }, auditEvents: SIX },
  })

  const again = await send()
  expect(again).toMatchObject({
    status: 200,
    body: { status: 'duplicate', reason: 'duplicate', requestId: queued.body.requestId },
  })
  expect(again.body.policyTrace.auditEvents).toMatchObject([{ rule: 'deduplication', passed: false }])

  const before = Date.now()
  const blocked = await send({ dedupeKey: 'onboarding-alice-step2' })
  expect(blocked.status).toBe(200)
  expect(blocked.body).toMatchObject({
    requestId: expect.stringMatching(REQUEST_ID),
    status: 'blocked',
    reason: 'cooldown',
  })
  expect(blocked.body.policyTrace).toEqual({
    decision: { allow: false, reason: 'cooldown' },
    cooldownExpiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    auditEvents: [
      { rule: 'deduplication', passed: true },
      { rule: 'suppression', passed: true },
      { rule: 'cooldown', passed: false, detail: 'contact in cooldown window' },
    ],
  })
  expect(blocked.body.cooldownExpiresAt).toBe(blocked.body.policyTrace.cooldownExpiresAt)
  const expires = Date.parse(blocked.body.cooldownExpiresAt)
  expect(expires).toBeLessThanOrEqual(before + 10 * MINUTE)
  expect(expires).toBeGreaterThan(before + 9 * MINUTE)
  expect(blocked.body.requestId).not.toBe(queued.body.requestId)

  const { requestId } = queued.body
  const paths = [`/v1/agent/sends/${requestId}`, `/v1/ops/trace/${requestId}?tenantId=${DEMO_TENANT}`]
  for (const path of paths) {
    const body = await eventually(async () => {
      const polled = await call('GET', path, { key: DEMO_KEY })
      expect(polled.status).toBe(200)
      return polled.body.status === 'queued' || polled.body.deliveryEvents.length === 0
        ? undefined
        : polled.body
    })
    expect(body).toMatchObject({
      requestId,
      status: 'delivered',
      recipientEmail: 'alice@example.com',
      templateId: 'onboarding-welcome',
      dedupeKey: 'onboarding-alice-step1',
      sendReason: 'onboarding sequence step 1',
      request: { id: requestId, recipientEmail: 'alice@example.com', status: 'delivered' },
      policyDecision: { allow: true, auditEvents: SIX },
    })
  }
  const mails = await outbox('alice@example.com')
  expect(mails).toHaveLength(1)
  expect(mails[0]).toMatchObject({ subject: 'Welcome, Alice' })
  expect(mails[0]?.text).toContain('14 days')

  const refused = await call('GET', `/v1/agent/sends/${blocked.body.requestId}`, { key: DEMO_KEY })
  expect(refused.body).toMatchObject({
    status: 'blocked',
    reason: 'cooldown',
    policyDecision: { allow: false, reason: 'cooldown', auditEvents: blocked.body.policyTrace.auditEvents },
  })
})

test('concurrent requests with one dedupeKey make one send, and every answer names it', async () => {
  const tenant = await newTenant({ mailbox: { cooldown_ms: 0 } })
  const answers = await Promise.all(Array.from({ length: 40 }, () => tenant.send('many@example.com', 'same')))
  const statuses = answers.map((answer) => answer.body.status)
  expect(statuses.filter((status) => status === 'queued')).toHaveLength(1)
  expect(statuses.filter((status) => status === 'duplicate')).toHaveLength(39)
  const ids = new Set(answers.map((answer) => answer.body.requestId))
  expect(ids.size).toBe(1)
  await tenant.settled([...ids][0])
  expect(await outbox('many@example.com')).toHaveLength(1)

  const later = await tenant.send('another@example.com', 'same', { payload: { firstName: 'Bob' } })
  expect(later.body).toMatchObject({ status: 'duplicate', requestId: [...ids][0] })
  expect(await outbox('another@example.com')).toHaveLength(0)

  const stranger = await newTenant()
  expect((await stranger.send('many@example.com', 'same')).body.status).toBe('queued')
})

test('the cooldown is per contact and mailbox, for all templates together, and a blocked send does not take its dedupe key', async () => {
  const tenant = await newTenant({ mailbox: { cooldown_ms: 10 * MINUTE } })
  const second = await tenant.owner.post('/v1/agent/mailboxes', {
    name: 'second',
    agentId: tenant.agentId,
    cooldownMinutes: 10,
  })
  expect((await tenant.send('ann@example.com', 'k1')).body.status).toBe('queued')

  expectBlocked(await tenant.send('ANN@Example.com', 'k2'), 'cooldown', 'cooldown')
  const inline = { templateId: '_default', payload: { subject: 'Hi', text: 'Hello' } }
  expectBlocked(await tenant.send('ann@example.com', 'k2', inline), 'cooldown', 'cooldown')
  expect((await tenant.send('bea@example.com', 'k3')).body.status).toBe('queued')
  const elsewhere = await tenant.send('ann@example.com', 'k4', { mailboxId: second.body.id })
  expect(elsewhere.body.status).toBe('queued')

  await sql('UPDATE mailboxes SET cooldown_ms = 0 WHERE id = ?1', tenant.mailboxId)
  expect((await tenant.send('ann@example.com', 'k2')).body.status).toBe('queued')
})

test('a send that needs approval is pending_approval, and its dedupe key is taken', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const held = await tenant.send('alice@example.com', 'k1')
  expect(held.status).toBe(200)
  expect(held.body).toMatchObject({
    requestId: expect.stringMatching(REQUEST_ID),
    status: 'pending_approval',
    approvalQueueId: expect.stringMatching(/^apq_/),
    policyTrace: { decision: { allow: true }, auditEvents: SIX },
  })
  const polled = await tenant.get(`/v1/agent/sends/${held.body.requestId}`)
  expect(polled.body).toMatchObject({
    status: 'pending_approval',
    approvalQueueId: held.body.approvalQueueId,
  })
  expect((await tenant.send('alice@example.com', 'k1')).body).toMatchObject({
    status: 'duplicate',
    requestId: held.body.requestId,
  })

  const first = await newTenant({ mailbox: { autonomy: 'first_contact' } })
  expect((await first.send('new@example.com', 'k1')).body.status).toBe('pending_approval')
  const supervised = await newTenant({ tenant: { level: 'supervised' } })
  expect((await supervised.send('new@example.com', 'k1')).body.status).toBe('pending_approval')
  expect((await supervised.send(tenant.address, 'k2')).body.status).toBe('queued')
})

test('a key scoped to mailbox A cannot send from mailbox B, and the attempt writes nothing', async () => {
  const tenant = await newTenant()
  const other = (await tenant.owner.post('/v1/agent/mailboxes', { name: 'mailbox b' })).body.id
  const scoped = await grant(
    tenant.id,
    ['read', 'send'],
    [{ mailboxId: tenant.mailboxId, permissions: ['send'] }],
  )
  const body = (mailboxId?: string) => ({
    mailboxId,
    recipientEmail: 'alice@example.com',
    templateId: 'welcome',
    dedupeKey: 'k1',
    payload: { firstName: 'Ann' },
  })
  await quiet()
  const before = await dumpEverything()
  for (const path of ['/v1/agent/request-send', '/v1/agent/simulate-send']) {
    expect(await call('POST', path, { key: scoped, body: body(other) })).toMatchObject({
      status: 403,
      body: { statusCode: 403, error: 'mailbox_scope_denied' },
    })
    expect(await call('POST', path, { key: scoped, body: body('mbx_nobody') })).toMatchObject({
      status: 404,
      body: { error: 'mailbox_not_found' },
    })
    const wrong = { ...body(tenant.mailboxId), tenantId: DEMO_TENANT }
    expect(await call('POST', path, { key: scoped, body: wrong })).toMatchObject({
      status: 403,
      body: { error: 'tenant_mismatch' },
    })
  }
  expect(differences(before, await dumpEverything())).toEqual([])
  const own = await call('POST', '/v1/agent/request-send', { key: scoped, body: body(tenant.mailboxId) })
  expect(own.body.status).toBe('queued')
  await tenant.settled(own.body.requestId)

  const readOnly = await grant(tenant.id, ['read'])
  const refused = await call('POST', '/v1/agent/request-send', { key: readOnly, body: body() })
  expect(refused).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } })
})

test('a template variable missing from the payload is an error, nothing is sent, and the dedupe key can be used again', async () => {
  const tenant = await newTenant({ mailbox: { hourly_limit: 1 } })
  const failed = await tenant.send('lacking@example.com', 'k1', { payload: { lastName: 'Ann' } })
  expect(failed).toMatchObject({
    status: 400,
    body: { statusCode: 400, error: 'template_render_failed', missing: ['firstName'] },
  })
  expect(failed.body.message).toContain('firstName')
  for (const payload of [{}, undefined, { firstName: undefined }]) {
    expect((await tenant.send('lacking@example.com', 'k1', { payload })).status).toBe(400)
  }
  await quiet()
  expect(await outbox('lacking@example.com')).toHaveLength(0)
  const sent = await tenant.send('lacking@example.com', 'k1')
  expect(sent.body.status).toBe('queued')
  await tenant.settled(sent.body.requestId)
  expect(await outbox('lacking@example.com')).toHaveLength(1)
  const escaped = await newTenant()
  const hostile = await escaped.send('markup@example.com', 'k1', {
    payload: { firstName: '<script>{{ secret }}</script>' },
  })
  await escaped.settled(hostile.body.requestId)
  const [mail] = (await call('GET', '/dev/outbox?to=markup@example.com')).body.items
  expect(mail.html).not.toContain('<script>')
  expect(mail.text).toContain('{{ secret }}')
})

test('a simulation has the structure of the real answer, with simulation: true', async () => {
  const tenant = await newTenant({ mailbox: { cooldown_ms: 10 * MINUTE } })
  const published = {
    tenantId: tenant.id,
    mailboxId: tenant.mailboxId,
    recipientEmail: 'alice@example.com',
    templateId: 'welcome',
    dedupeKey: 'onboarding-alice-step1',
  }
  const simulate = (more: Record<string, unknown> = {}) =>
    tenant.post('/v1/agent/simulate-send', { ...published, ...more })
  const real = (more: Record<string, unknown> = {}) =>
    tenant.post('/v1/agent/request-send', { ...published, payload: { firstName: 'Ann' }, ...more })
  const same = (simulated: Record<string, unknown>, answered: Record<string, unknown>) => {
    expect(simulated).toMatchObject({ ...answered, requestId: expect.stringMatching(REQUEST_ID) })
    expect(simulated.simulation).toBe(true)
  }

  const allowed = await simulate()
  expect(allowed.body).toMatchObject({ wouldAllow: true, policyContext: { needsApproval: false } })
  same(allowed.body, (await real()).body)
  same((await simulate()).body, (await real()).body)
  const cooling = await simulate({ dedupeKey: 'k2' })
  expect(cooling.body).toMatchObject({ wouldAllow: false, policyContext: { isCooldownHit: true } })
  same(cooling.body, (await real({ dedupeKey: 'k2' })).body)
  const lacking = await simulate({ dedupeKey: 'k3', recipientEmail: 'bea@example.com', payload: {} })
  expect(lacking.body).toMatchObject({ wouldAllow: false, missingVariables: ['firstName'] })
  const unknown = { dedupeKey: 'k4', recipientEmail: 'bea@example.com', templateId: 'no-such' }
  same((await simulate(unknown)).body, (await real(unknown)).body)

  const held = await newTenant({ mailbox: { autonomy: 'review' } })
  const simulated = await held.post('/v1/agent/simulate-send', {
    recipientEmail: 'alice@example.com',
    templateId: 'welcome',
    dedupeKey: 'k1',
  })
  expect(simulated.body).toMatchObject({ status: 'pending_approval', wouldAllow: true, simulation: true })
})

test('1,000 simulated sends leave the database dump byte-identical', async () => {
  const tenant = await newTenant({ mailbox: { hourly_limit: 2, cooldown_ms: 10 * MINUTE } })
  const first = await tenant.send('taken@example.com', 'taken')
  await tenant.settled(first.body.requestId)
  await sql(
    `INSERT INTO suppressions (tenant_id, contact, scope, id, email, reason_code, created_at)
     VALUES (?1, 'listed@example.com', 'tenant', 'sup_1', 'listed@example.com', 'manual_dnc', 1)`,
    tenant.id,
  )
  const kinds: Record<string, unknown>[] = [
    { recipientEmail: 'free@example.com' },
    { recipientEmail: 'free@example.com', payload: { firstName: 'Ann' } },
    { recipientEmail: 'free@example.com', payload: {} },
    { recipientEmail: 'free@example.com', payload: { firstName: 'A'.repeat(150_000) } },
    { recipientEmail: 'taken@example.com' },
    { recipientEmail: 'free@example.com', dedupeKey: 'taken' },
    { recipientEmail: 'listed@example.com' },
    { recipientEmail: 'free@example.com', templateId: 'no-such' },
    { recipientEmail: 'free@example.com', templateId: '_default', payload: { subject: 'S', text: 'T' } },
    { recipientEmail: 'free@example.com', scheduledAt: new Date(Date.now() + 3_600_000).toISOString() },
  ]
  await quiet()
  const before = await dumpEverything()
  const statuses = new Map<string, number>()
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        tenant.post(
          '/v1/agent/simulate-send',
          { templateId: 'welcome', dedupeKey: `k${round}-${index}`, ...kinds[index % kinds.length] },
          index % 3 === 0 ? { 'idempotency-key': `h${round}-${index}` } : {},
        ),
      ),
    )
    for (const { status, body } of answers) {
      expect(status).toBe(200)
      expect(body.simulation).toBe(true)
      statuses.set(body.status, (statuses.get(body.status) ?? 0) + 1)
    }
  }
  expect(differences(before, await dumpEverything())).toEqual([])
  expect([...statuses.keys()].sort()).toEqual(['blocked', 'duplicate', 'queued'])

  expect((await tenant.send('free@example.com', 'real')).body.status).toBe('queued')
  expect(await outbox('listed@example.com')).toHaveLength(0)
})

test('every scope of suppression blocks sends; a campaign suppression blocks only its campaign, and an expired one nothing', async () => {
  const tenant = await newTenant({ mailbox: { cooldown_ms: 0 } })
  const list = (contact: string, scope: string, campaign = '', expiresAt: number | null = null) =>
    sql(
      `INSERT INTO suppressions (tenant_id, contact, scope, campaign_id, id, email, reason_code, expires_at, created_at)
       VALUES (?1, ?2, ?3, ?4, ?5, ?2, 'hard_bounce', ?6, 1)`,
      tenant.id,
      contact,
      scope,
      campaign,
      `sup_${contact}_${scope}`,
      expiresAt,
    )
  await list('global@example.com', 'global')
  await list('tenant@example.com', 'tenant')
  await list('campaign@example.com', 'campaign', 'march')
  await list('template@example.com', 'campaign', 'welcome')
  await list('past@example.com', 'global', '', Date.now() - 1)
  await list('future@example.com', 'global', '', Date.now() + MINUTE)

  const listed = async (to: string, key: string, more: Record<string, unknown> = {}) =>
    expectBlocked(await tenant.send(to, key, more), 'suppression', 'suppressed')
  await listed('global@example.com', 'k1')
  await listed('GLOBAL@EXAMPLE.COM', 'k1')
  await listed('tenant@example.com', 'k2')
  await listed('campaign@example.com', 'k3', { campaignId: 'march' })
  await listed('template@example.com', 'k4')
  await listed('future@example.com', 'k5')
  expect((await tenant.send('campaign@example.com', 'k3')).body.status).toBe('queued')
  expect((await tenant.send('campaign@example.com', 'k6', { campaignId: 'april' })).body.status).toBe(
    'queued',
  )
  expect((await tenant.send('past@example.com', 'k7')).body.status).toBe('queued')
  expect((await tenant.send('+global@example.com', 'k8')).body.status).toBe('queued')

  const stranger = await newTenant()
  expect((await stranger.send('tenant@example.com', 'k1')).body.status).toBe('queued')
  await quiet()
  expect(await outbox('global@example.com')).toHaveLength(0)
  expect(await outbox('template@example.com')).toHaveLength(0)
  expect(await outbox('tenant@example.com')).toHaveLength(1)
})

test('a mailbox that requires consent sends only to contacts with consent that is not revoked', async () => {
  const tenant = await newTenant({ mailbox: { require_consent: 1 } })
  const consent = (contact: string, grantedAt: number, revokedAt: number | null) =>
    sql(
      `INSERT INTO consents (tenant_id, contact, id, email, basis, granted_at, revoked_at, updated_at)
       VALUES (?1, ?2, 'con_' || ?2, ?2, 'explicit_opt_in', ?3, ?4, 1)`,
      tenant.id,
      contact,
      grantedAt,
      revokedAt,
    )
  const now = Date.now()
  await consent('yes@example.com', now - MINUTE, null)
  await consent('revoked@example.com', now - MINUTE, now - 1)
  await consent('later@example.com', now + MINUTE, null)
  for (const to of ['none@example.com', 'revoked@example.com', 'later@example.com']) {
    const blocked = await tenant.send(to, to)
    expectBlocked(blocked, 'consent', 'no_consent')
    expect(blocked.body.policyTrace.auditEvents).toHaveLength(6)
  }
  const sent = await tenant.send('Yes@Example.com', 'k1')
  expect(sent.body).toMatchObject({ status: 'queued', policyTrace: { auditEvents: SIX } })

  const marketing = await newTenant({ tenant: { require_consent_for_marketing: 1 } })
  expect((await marketing.send('none@example.com', 'k1')).body.status).toBe('queued')
  await sql(`UPDATE templates SET type = 'marketing' WHERE tenant_id = ?1`, marketing.id)
  expectBlocked(await marketing.send('none@example.com', 'k2'), 'consent', 'no_consent')
})

test('the hour, day and month limits count independently, and blocked, duplicate and failed requests use none of them', async () => {
  const cases = [
    { column: 'hourly_limit', rule: 'rate_limit_hourly', events: 4 },
    { column: 'daily_limit', rule: 'rate_limit_daily', events: 5 },
    { column: 'monthly_limit', rule: 'rate_limit_monthly', events: 6 },
  ]
  for (const { column, rule, events } of cases) {
    const tenant = await newTenant({ mailbox: { [column]: 2 } })
    await sql(
      `INSERT INTO suppressions (tenant_id, contact, scope, id, email, reason_code, created_at)
       VALUES (?1, 'listed@example.com', 'tenant', 'sup_1', 'listed@example.com', 'manual_dnc', 1)`,
      tenant.id,
    )
    expect((await tenant.send('a@example.com', 'k1')).body.status).toBe('queued')
    expect((await tenant.send('listed@example.com', 'k2')).body.status).toBe('blocked')
    expect((await tenant.send('a@example.com', 'k1')).body.status).toBe('duplicate')
    expect((await tenant.send('b@example.com', 'k3', { payload: {} })).status).toBe(400)
    const [one, two] = await Promise.all([
      tenant.send('b@example.com', 'k4'),
      tenant.send('c@example.com', 'k5'),
    ])
    const outcomes = [one, two].sort((x, y) => (x?.body.status < y?.body.status ? -1 : 1))
    const [blocked, queued] = outcomes
    if (!blocked) throw new Error('two answers expected')
    expect(queued?.body.status).toBe('queued')
    expectBlocked(blocked, rule, 'rate_limited')
    expect(blocked.body.policyTrace.auditEvents).toHaveLength(events)
    expect(Date.parse(blocked.body.retryAt)).toBeGreaterThan(Date.now())
    expect(new Date(blocked.body.retryAt).getUTCMinutes()).toBe(0)
    expect(blocked.body.cooldownExpiresAt).toBeUndefined()
    if (rule === 'rate_limit_monthly') {
      expect(new Date(blocked.body.retryAt).getUTCDate()).toBe(1)
      expect(queued?.body.policyTrace.auditEvents.map((event: { rule: string }) => event.rule)).toEqual([
        ...SIX.slice(0, 5).map((event) => event.rule),
        'rate_limit_monthly',
        'consent',
      ])
    }
  }
})

test('each further setting of the owner blocks sends under the name of its own rule', async () => {
  const now = Date.now()
  const history = (tenant: Tenant, contact: string, state: string, at: number, index: number) =>
    sql(
      `INSERT INTO send_recipients (tenant_id, contact, send_id, mailbox_id, email, state, created_at, updated_at)
       VALUES (?1, ?2, ?3, ?4, ?2, ?5, ?6, ?6)`,
      tenant.id,
      contact,
      `req_old${index}`,
      tenant.mailboxId,
      state,
      at,
    )

  const risky = await newTenant({ mailbox: { risk_budget: 2 } })
  await history(risky, 'x@example.com', 'bounced', now - MINUTE, 1)
  await history(risky, 'y@example.com', 'complained', now - 25 * 60 * MINUTE, 2)
  const passing = await risky.send('a@example.com', 'k1')
  expect(passing.body.status).toBe('queued')
  expect(passing.body.policyTrace.auditEvents.at(-1)).toEqual({ rule: 'risk_budget', passed: true })
  await history(risky, 'z@example.com', 'complained', now - MINUTE, 3)
  expectBlocked(await risky.send('b@example.com', 'k2'), 'risk_budget', 'risk_budget_exceeded')

  const tiring = await newTenant({ mailbox: { fatigue_limit: 2, fatigue_days: 7 } })
  await history(tiring, 'x@example.com', 'delivered', now - 8 * 86_400_000, 1)
  await history(tiring, 'x@example.com', 'delivered', now - 3 * 86_400_000, 2)
  expect((await tiring.send('x@example.com', 'k1')).body.status).toBe('queued')
  const tired = await tiring.send('x@example.com', 'k2')
  expectBlocked(tired, 'fatigue', 'fatigue_limit')
  expect(Date.parse(tired.body.cooldownExpiresAt)).toBe(now + 4 * 86_400_000)
  expect((await tiring.send('y@example.com', 'k3')).body.status).toBe('queued')

  const blocks: [Parameters<typeof newTenant>[0], string, string][] = [
    [{ tenant: { status: 'paused' } }, 'tenant', 'tenant_paused'],
    [{ tenant: { status: 'frozen' } }, 'tenant', 'tenant_frozen'],
    [{ tenant: { level: 'sandbox' } }, 'standing', 'trust_required'],
    [{ mailbox: { status: 'paused' } }, 'standing', 'mailbox_paused'],
    [{ mailbox: { reputation: 499 } }, 'standing', 'mailbox_suspended'],
  ]
  for (const [options, rule, reason] of blocks) {
    const tenant = await newTenant(options)
    expectBlocked(await tenant.send('a@example.com', 'k1'), rule, reason)
    expect(
      (
        await tenant.post('/v1/agent/simulate-send', {
          recipientEmail: 'a@example.com',
          templateId: 'welcome',
          dedupeKey: 'k1',
        })
      ).body,
    ).toMatchObject({ wouldAllow: false, reason })
  }
  const edge = await newTenant({ mailbox: { reputation: 500 } })
  expect((await edge.send('a@example.com', 'k1')).body.status).toBe('queued')
  expectBlocked(
    await edge.send('a@example.com', 'k2', { templateId: 'no-such' }),
    'template',
    'template_not_found',
  )
  await sql('UPDATE templates SET published_version = NULL WHERE tenant_id = ?1', edge.id)
  expectBlocked(await edge.send('a@example.com', 'k2'), 'template', 'template_not_approved')
  await sql(`UPDATE agents SET status = 'suspended' WHERE tenant_id = ?1`, edge.id)
  expectBlocked(
    await edge.send('a@example.com', 'k2', { templateId: '_default', payload: { subject: 'S', text: 'T' } }),
    'standing',
    'agent_suspended',
  )
})

test('a send to a contact that another agent has leased is blocked, and the answer names the holder', async () => {
  const tenant = await newTenant()
  const now = Date.now()
  await sql(
    `INSERT INTO agents (tenant_id, id, name, role, status, last_heartbeat_at, registered_at)
     VALUES (?1, 'agent_holder', 'holder', 'general', 'active', ?2, ?2)`,
    tenant.id,
    now,
  )
  const expiresAt = now + 30 * MINUTE
  await sql(
    `INSERT INTO leases (tenant_id, contact, id, agent_id, contact_email, intent, epoch, created_at, expires_at)
     VALUES (?1, 'held@example.com', 'lease_1', 'agent_holder', 'held@example.com', 'general', 1, ?2, ?3)`,
    tenant.id,
    now,
    expiresAt,
  )
  const blocked = await tenant.send('Held@example.com', 'k1')
  expectBlocked(blocked, 'lease', 'lease_conflict')
  expect(blocked.body.leaseHolder).toEqual({
    agentId: 'agent_holder',
    agentName: 'holder',
    expiresAt: new Date(expiresAt).toISOString(),
  })
  expect((await tenant.send('free@example.com', 'k2')).body.status).toBe('queued')

  const body = {
    recipientEmail: 'held@example.com',
    templateId: 'welcome',
    dedupeKey: 'k1',
    payload: { firstName: 'Ann' },
  }
  const path = '/v1/agent/request-send'
  expectBlocked(await tenant.owner.post(path, body), 'lease', 'lease_conflict')
  expect(await tenant.post(path, body, { 'x-agent-id': 'agent_holder' })).toMatchObject({
    status: 403,
    body: { error: 'agent_mismatch' },
  })
  expect(await tenant.owner.post(path, body, { 'x-agent-id': 'agent_nobody' })).toMatchObject({
    status: 404,
    body: { error: 'agent_not_found' },
  })
  const own = await tenant.owner.post(path, body, { 'x-agent-id': 'agent_holder' })
  expect(own.body.status).toBe('queued')
  const byName = await tenant.owner.post(path, { ...body, agentName: 'holder', dedupeKey: 'k3' })
  expect(byName.body.status).toBe('queued')

  await sql(`UPDATE agents SET last_heartbeat_at = ?1 WHERE id = 'agent_holder'`, now - 5 * MINUTE - 1000)
  expect((await tenant.send('held@example.com', 'k4')).body.status).toBe('queued')
  await sql(`UPDATE agents SET last_heartbeat_at = ?1 WHERE id = 'agent_holder'`, now)
  expectBlocked(await tenant.send('held@example.com', 'k5'), 'lease', 'lease_conflict')
  await sql(`UPDATE leases SET expires_at = ?1 WHERE id = 'lease_1'`, now - 1)
  expect((await tenant.send('held@example.com', 'k5')).body.status).toBe('queued')
  await sql(`UPDATE leases SET expires_at = ?1, ended_at = ?2 WHERE id = 'lease_1'`, expiresAt, now)
  expect((await tenant.send('held@example.com', 'k6')).body.status).toBe('queued')
})
