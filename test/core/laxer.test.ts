import { expect, test } from 'vitest'
import { ACTS, MAILBOX, TENANT } from '../../src/core/policy/laxer.ts'
import { bodyFields, writingOperations } from '../support/laxer-fields.ts'
import { CHANGES } from '../support/laxer-routes.ts'
import { call, newTenant, type Tenant } from '../support/tenant.ts'

/** Every entry of the table: the columns of a mailbox and of the tenant, and the acts. */
const ENTRIES = {
  ...Object.fromEntries(Object.entries(MAILBOX).map(([column, entry]) => [`mailbox.${column}`, entry])),
  ...Object.fromEntries(Object.entries(TENANT).map(([column, entry]) => [`tenant.${column}`, entry])),
  ...Object.fromEntries(Object.entries(ACTS).map(([act, entry]) => [`act.${act}`, entry])),
}

test('every field of every route that writes has an entry that says which way it gets laxer, or why it does not', async () => {
  const { body: document } = await call('GET', '/openapi.json')
  const operations = writingOperations(document)
  expect(Object.keys(CHANGES).sort()).toEqual(operations.map(({ route }) => route).sort())
  const used = new Set<string>()
  for (const { route, schema } of operations) {
    const { act, fields = {} } = CHANGES[route] ?? {}
    expect({ route, fields: Object.keys(fields).sort() }).toEqual({
      route,
      fields: bodyFields(document, schema).sort(),
    })
    const named = [...Object.values(fields), ...(typeof act === 'string' ? [act] : [])]
    for (const each of [...named, ...(Array.isArray(act) ? act.map((name) => `act.${name}`) : [])]) {
      expect({ route, each, isKnown: each in ENTRIES || each.includes(' ') }).toMatchObject({ isKnown: true })
      used.add(each)
    }
    expect({ route, isToldOf: named.length > 0 || act !== undefined }).toEqual({ route, isToldOf: true })
  }
  // No entry is there for nothing.
  expect(Object.keys(ENTRIES).filter((entry) => !used.has(entry))).toEqual([])
})

/** For each field with a direction: what the owner sets, and what an agent may not make of it. */
const LAXER: Record<string, [unknown, unknown]> = {
  'mailbox.status': ['paused', 'active'],
  'mailbox.autonomy': [1, 2],
  'mailbox.cooldownMs': [60, 59],
  'mailbox.hourlyLimit': [5, null],
  'mailbox.dailyLimit': [5, 6],
  'mailbox.monthlyLimit': [5, null],
  'mailbox.requireConsent': [true, false],
  'mailbox.fatigueLimit': [1, null],
  'mailbox.fatigueDays': [30, 29],
  'mailbox.riskBudget': [1, 2],
  'mailbox.onUnknown': ['hold', 'resend'],
  'tenant.status': ['paused', 'active'],
  'tenant.cooldownMs': [60, 0],
  'tenant.dedupeWindowMs': [90, 89],
  'tenant.requireConsentForMarketing': [true, false],
  'tenant.physicalAddress': ['1 Main St', '2 Main St'],
  'tenant.dlpMode': ['block', 'redact'],
  'tenant.dlpDisabled': [['iban'], ['iban', 'jwt']],
}

/** Where the owner reads and sets what an entry stands for. */
const placeOf = (entry: string, { mailboxId }: Tenant) =>
  entry.startsWith('mailbox.')
    ? `/v1/agent/mailboxes/${mailboxId}`
    : entry.startsWith('tenant.dlp')
      ? '/v1/oversight/dlp'
      : '/v1/agent/config/settings'

const valueIn = ({ config = {}, ...body }: Record<string, Record<string, unknown>>, field: string) =>
  ({ ...config, ...body })[field]

test("an agent's key makes no setting laxer, by any route that takes its field; its owner does", async () => {
  const directed = Object.entries({ ...MAILBOX, ...TENANT }).filter(([, entry]) => entry.laxer !== null)
  expect(directed.length).toBeGreaterThan(15)
  for (const [route, { fields = {} }] of Object.entries(CHANGES)) {
    const [method = '', pattern = ''] = route.split(' ')
    if (method === 'POST') continue
    for (const [at, entry] of Object.entries(fields)) {
      const change = LAXER[entry]
      if (!change) continue
      const [strict, lax] = change
      const field = at.replace('[]', '').replace('config.', '')
      const body = (value: unknown) =>
        at.startsWith('config.') ? { config: { [field]: value } } : { [field]: value }
      const tenant = await newTenant()
      const place = placeOf(entry, tenant)
      expect((await tenant.owner.patch(place, { [field]: strict })).status).toBe(200)
      const path = pattern.replace('{mailboxId}', tenant.mailboxId)
      const refused = await tenant.patch(path, body(lax))
      expect({ route, at, ...refused.body }).toMatchObject({
        error: 'human_decision_required',
        message: expect.stringMatching(
          / is .+ now.*a person in the portal, or a key with the permission "loosen"/,
        ),
      })
      expect(JSON.stringify(refused.body)).toContain(`"loosens":["${field}"]`)
      const after = (await tenant.owner.get(place)).body
      expect({ route, at, value: valueIn(after, field) }).toEqual({ route, at, value: strict })
      expect((await tenant.owner.patch(path, body(lax))).status).toBe(200)
    }
  }
}, 120_000)

test('the list of what agents tried is the whole table', () => {
  const directed = Object.entries(ENTRIES)
    .filter(([name, entry]) => !name.startsWith('act.') && entry.laxer !== null)
    .map(([name]) => name)
  // defaultMailboxId needs a second mailbox; it has a test of its own below.
  expect([...Object.keys(LAXER), 'tenant.defaultMailboxId'].sort()).toEqual(directed.sort())
})

/** Each act that loosens: what an agent's key tries, and what its owner must still see afterwards. */
const TRIED: Record<keyof typeof ACTS, (tenant: Tenant) => Promise<unknown>> = {
  async endSuppression(tenant) {
    const row = { recipientEmail: 'ann@example.com', reasonCode: 'manual_dnc' }
    await tenant.owner.post('/v1/suppressions', row)
    const expiresAt = new Date(Date.now() + 60_000).toISOString()
    await tenant.post('/v1/suppressions', { ...row, expiresAt })
    expect((await tenant.owner.get('/v1/suppressions')).body.items).toMatchObject([{ expiresAt: null }])
  },
  async renameSuppression(tenant) {
    const row = { recipientEmail: 'ann@example.com' }
    await tenant.owner.post('/v1/suppressions', { ...row, reasonCode: 'legal_request', source: 'a letter' })
    await tenant.post('/v1/suppressions', { ...row, reasonCode: 'no_engagement' })
    const kept = [{ reasonCode: 'legal_request', source: 'a letter' }]
    expect((await tenant.owner.get('/v1/suppressions')).body.items).toMatchObject(kept)
  },
  async liftSuppression(tenant) {
    const { body } = await tenant.post('/v1/suppressions', { recipientEmail: 'ann@example.com' })
    const refused = await tenant.del(`/v1/suppressions/${body.id}`)
    expect((await tenant.owner.get('/v1/suppressions')).body.items).toHaveLength(1)
    return refused
  },
  async recordConsent(tenant) {
    const record = { recipientEmail: 'ann@example.com', basis: 'contractual' }
    const at = '2026-01-01T00:00:00.000Z'
    await tenant.post('/v1/consent', { ...record, grantedAt: at, revokedAt: at })
    const refused = await tenant.post('/v1/consent', record)
    const { body } = await tenant.owner.get('/v1/consent?recipientEmail=ann@example.com')
    expect(body).toMatchObject({ hasConsent: false, revokedAt: at })
    return refused
  },
  async deleteCanary(tenant) {
    const { body } = await tenant.post('/v1/oversight/canaries', {})
    const refused = await tenant.del(`/v1/oversight/canaries/${body.id}`)
    expect((await tenant.owner.get('/v1/oversight/canaries')).body.data).toHaveLength(1)
    return refused
  },
  async createTemplate(tenant) {
    const template = { name: 'T', type: 'transactional', content: { subject: 'Hi', text: 'Hi' } }
    await tenant.owner.post('/v1/templates', { ...template, slug: 'legal', approvalRequired: true })
    const silent = await tenant.post('/v1/templates', { ...template, slug: 'a', autoPublish: true })
    expect(silent.body).toMatchObject({ approvalRequired: true, publishedVersion: null })
    const open = { ...template, slug: 'b', approvalRequired: false, autoPublish: true }
    const refused = await tenant.post('/v1/templates', open)
    expect((await tenant.owner.get('/v1/templates/b')).status).toBe(404)
    expect((await tenant.owner.post('/v1/templates', open)).body.publishedVersion).toBe(1)
    return refused
  },
  async deleteTemplate(tenant) {
    await tenant.owner.post('/v1/templates', { slug: 'legal', name: 'Legal', approvalRequired: true })
    const refused = await tenant.del('/v1/templates/legal')
    expect((await tenant.owner.get('/v1/templates/legal')).status).toBe(200)
    return refused
  },
  async openMailbox(tenant) {
    await tenant.owner.patch(`/v1/agent/mailboxes/${tenant.mailboxId}`, { hourlyLimit: 2, autonomyLevel: 2 })
    const refused = await tenant.post('/v1/agent/mailboxes', { address: address(), hourlyLimit: 3 })
    const { body } = await tenant.post('/v1/agent/mailboxes', { address: address() })
    expect(body.config).toMatchObject({ hourlyLimit: 2, autonomyLevel: 2 })
    const byOwner = await tenant.owner.post('/v1/agent/mailboxes', { address: address() })
    expect(byOwner.body.config).toMatchObject({ hourlyLimit: null, autonomyLevel: 2 })
    return refused
  },
  async deleteMailbox(tenant) {
    const { body } = await tenant.owner.post('/v1/agent/mailboxes', { address: address(), agentId: null })
    await tenant.owner.patch('/v1/agent/config/settings', { defaultMailboxId: body.id })
    const refused = await tenant.del(`/v1/agent/mailboxes/${tenant.mailboxId}`)
    expect((await tenant.owner.get(`/v1/agent/mailboxes/${tenant.mailboxId}`)).status).toBe(200)
    return refused
  },
  async giveLoosen(tenant) {
    const refused = await tenant.owner.post('/v1/agent/keys', { permissions: ['manage', 'loosen'] })
    const { body } = await tenant.owner.get('/v1/agent/keys?limit=100')
    const holders = body.items.filter((key: { permissions: string[] }) => key.permissions.includes('loosen'))
    expect(holders).toHaveLength(1)
    return refused
  },
}

const address = () => `m-${crypto.randomUUID()}`

/** What is written again without loosening is no error: it keeps what stands. */
const KEEPS = ['endSuppression', 'renameSuppression']

test.for(Object.entries(TRIED))("an agent's key cannot loosen by the act %s", async ([act, tried]) => {
  const refused = await tried(await newTenant())
  if (KEEPS.includes(act)) return
  expect(refused).toMatchObject({
    status: 403,
    body: {
      error: 'human_decision_required',
      message: expect.stringMatching(/person/),
      loosens: [expect.any(String)],
    },
  })
})

test('a laxer mailbox becomes the default one only by its owner, a stricter one by any key that manages', async () => {
  const tenant = await newTenant({ mailbox: { hourly_limit: 10 } })
  const settings = '/v1/agent/config/settings'
  const { agentId } = tenant
  const { body: lax } = await tenant.owner.post('/v1/agent/mailboxes', { address: address(), agentId })
  const refused = await tenant.patch(settings, { defaultMailboxId: lax.id })
  expect(refused.body).toMatchObject({
    error: 'human_decision_required',
    field: 'defaultMailboxId',
    message: expect.stringContaining(tenant.mailboxId),
  })
  const { body: strict } = await tenant.post('/v1/agent/mailboxes', { address: address() })
  expect((await tenant.patch(settings, { defaultMailboxId: strict.id })).body.defaultMailboxId).toBe(
    strict.id,
  )
  expect((await tenant.owner.patch(settings, { defaultMailboxId: lax.id })).status).toBe(200)
})

test("mailboxes that an agent opens share its windows and cooldowns, until its owner raises one's limits", async () => {
  const tenant = await newTenant({ mailbox: { hourly_limit: 2 } })
  await tenant.owner.patch('/v1/agent/config/settings', { cooldownMinutes: 0 })
  const open = async () =>
    (await tenant.post('/v1/agent/mailboxes', { address: address() })).body.id as string
  const [second, third] = [await open(), await open()]
  const send = async (mailboxId: string, name: string) =>
    (await tenant.send(`${name}@example.com`, name, { mailboxId })).body
  expect(await send(second, 'one')).toMatchObject({ status: 'queued' })
  expect(await send(tenant.mailboxId, 'two')).toMatchObject({ status: 'queued' })
  for (const id of [second, third, tenant.mailboxId, await open()])
    expect(await send(id, `more-${id}`)).toMatchObject({ status: 'blocked', reason: 'rate_limited' })
  expect((await tenant.get(`/v1/agent/budget?mailboxId=${third}`)).body.hourly).toMatchObject({ used: 2 })
  await tenant.owner.patch(`/v1/agent/mailboxes/${third}`, { hourlyLimit: 3 })
  expect(await send(third, 'three')).toMatchObject({ status: 'queued' })
  expect(await send(second, 'four')).toMatchObject({ reason: 'rate_limited' })

  const cooled = await newTenant({ mailbox: { cooldown_ms: 600_000 } })
  const { body: other } = await cooled.post('/v1/agent/mailboxes', { address: address() })
  await cooled.send('ann@example.com', 'a')
  expect((await cooled.send('ann@example.com', 'b', { mailboxId: other.id })).body.reason).toBe('cooldown')
})
