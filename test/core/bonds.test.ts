import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { attendBond, sweepBonds } from '../../src/core/payments/bonds/attend.ts'
import { bondOf } from '../../src/core/payments/bonds/bond.ts'
import type { Env } from '../../src/env.ts'
import { sql } from '../support/matrix-dump.ts'
import { newStripe, type TestStripe } from '../support/stripe.ts'
import { newTenant, type Tenant } from '../support/tenant.ts'

const DAY = 86_400_000

type Row = Record<string, string | number | null>

const bondRow = async (id: string): Promise<Row> =>
  (await env.DB.prepare('SELECT * FROM bonds WHERE id = ?1').bind(id).first<Row>()) ?? {}

const levelOf = async ({ id }: Pick<Tenant, 'id'>) =>
  (await env.DB.prepare('SELECT level FROM tenants WHERE id = ?1').bind(id).first<{ level: string }>())?.level

/** Makes one bond due and runs the sweep for it alone. */
async function attend(stripe: { env: Env }, id: string, at: Date) {
  const { tenant_id: tenantId } = await bondRow(id)
  const actor = { kind: 'system', name: 'test' } as const
  await attendBond({ env: stripe.env, now: at, actor }, { tenantId: String(tenantId), id })
}

/** A bond whose owner has just confirmed a card. */
async function posted(stripe: TestStripe, tier = 'starter', tenant?: Tenant) {
  const owner = tenant ?? (await newTenant())
  const { status, body } = await stripe.as(owner).post('/v1/bonds', { tier })
  expect(status).toBe(201)
  const { setup_id: setupId } = await bondRow(body.id)
  const setup = { ...(await stripe.look()).things[String(setupId)] }
  Object.assign(setup, { status: 'succeeded', payment_method: `pm_${crypto.randomUUID()}` })
  await stripe.set({ things: [setup] })
  expect((await stripe.told('setup_intent.succeeded', setup)).body).toEqual({ received: 1 })
  const row = await bondRow(body.id)
  expect(row.status).toBe('posted')
  return { tenant: owner, id: String(body.id), setup, row, postedAt: Number(row.posted_at) }
}

const heldBy = async (stripe: TestStripe, id: string) =>
  Object.values((await stripe.look()).things)
    .filter((thing) => thing.object === 'payment_intent' && thing.metadata.bond_id === id)
    .map(({ status }) => status)

test('a bond is posted once its owner has confirmed a card: the money is held, the level rises, and everybody can see it', async () => {
  const stripe = newStripe()
  const ann = await newTenant()
  const api = stripe.as(ann)
  const before = (await api.get('/v1/agents/me')).body.trust_score
  const opened = await api.post('/v1/bonds', { tier: 'growth' })
  expect(opened.status).toBe(201)
  expect(opened.body).toEqual({
    id: expect.stringMatching(/^bond_/),
    tier: 'growth',
    amount_usd_cents: 49_900,
    pending: true,
    provider: 'stripe',
    next_reauth_at: null,
    reason: null,
    posted_at: null,
    ended_at: null,
    created_at: expect.any(String),
    client_secret: expect.stringMatching(/^seti_\w+_secret_/),
  })
  expect((await api.get('/v1/agents/heartbeat')).body.bond).toEqual({
    ...{ status: 'none', tier: null, next_reauth_at: null },
  })
  // A repeat returns the same bond. A bond of another tier must wait.
  const again = await Promise.all(Array.from({ length: 5 }, () => api.post('/v1/bonds', { tier: 'growth' })))
  for (const { status, body } of again) expect([status, body]).toEqual([201, opened.body])
  expect(await api.post('/v1/bonds', { tier: 'starter' })).toMatchObject({
    status: 409,
    body: { error: 'conflict' },
  })
  const { id } = opened.body
  const { setup_id: setupId, customer_id: customer } = await bondRow(id)

  // After a card that fails, another may follow. A card of another customer does not count.
  const setup = { id: setupId, object: 'setup_intent', customer }
  expect((await stripe.told('setup_intent.setup_failed', setup)).body).toEqual({ received: 1 })
  expect((await bondRow(id)).status).toBe('pending')
  const proved = { ...setup, status: 'succeeded', payment_method: 'pm_card' }
  await stripe.set({ things: [{ ...proved, customer: 'cus_another' }] as never })
  await stripe.told('setup_intent.succeeded', setup)
  expect((await bondRow(id)).status).toBe('pending')
  await stripe.set({ things: [proved] as never })
  expect((await stripe.told('setup_intent.succeeded', setup)).body).toEqual({ received: 1 })

  const { requests, wrong } = await stripe.look()
  expect(wrong).toEqual([])
  const holds = requests.filter(({ path }) => path === '/v1/payment_intents')
  expect(holds).toHaveLength(1)
  expect(holds[0]).toMatchObject({
    key: `bond:${id}:hold:1`,
    form: {
      ...{ amount: '49900', currency: 'usd', customer, payment_method: 'pm_card' },
      ...{ capture_method: 'manual', confirm: 'true', off_session: 'true', 'metadata[bond_id]': id },
    },
  })
  const { data, total, has_more } = (await api.get('/v1/bonds')).body
  expect([data.length, total, has_more]).toEqual([1, 1, false])
  const [shown] = data
  expect(shown).toMatchObject({ id, status: 'posted', pending: false })
  expect(Date.parse(shown.next_reauth_at) - Date.parse(shown.posted_at)).toBe(7 * DAY)
  expect(await levelOf(ann)).toBe('autonomous')
  const me = (await api.get('/v1/agents/me')).body
  expect(me).toMatchObject({ permission_level: 'autonomous', trust_score: before + 15 })
  const beating = (await api.get('/v1/agents/heartbeat')).body
  expect(beating.bond).toEqual({ status: 'posted', tier: 'growth', next_reauth_at: shown.next_reauth_at })
  const due = ({ body }: { body: { action_items: { action: string }[] } }) =>
    body.action_items.some(({ action }) => action === 'reauth_bond')
  expect(due({ body: beating })).toBe(false)
  await sql('UPDATE bonds SET next_reauth_at = ?2 WHERE id = ?1', id, Date.now() + DAY - 1000)
  expect(due(await api.get('/v1/agents/heartbeat'))).toBe(true)
  expect(await bondOf(stripe.env, ann.id)).toMatchObject({ status: 'posted', tier: 'growth' })
  expect(await api.post('/v1/bonds', { tier: 'growth' })).toMatchObject({ status: 409 })

  const kept = await api.post('/v1/bonds', { tier: 'growth' }, { 'idempotency-key': 'one' })
  expect(kept.status).toBe(409)
  const bob = await newTenant()
  const first = await stripe.as(bob).post('/v1/bonds', { tier: 'starter' }, { 'idempotency-key': 'one' })
  expect(first.status).toBe(201)
  expect(
    await stripe.as(bob).post('/v1/bonds', { tier: 'starter' }, { 'idempotency-key': 'one' }),
  ).toMatchObject({
    ...{ status: 409, body: { error: 'secret_already_shown' } },
  })
})

test('every seven days a new hold replaces the old one, and a declined card ends the bond and lowers the level', async () => {
  const stripe = newStripe()
  const { tenant, id, postedAt } = await posted(stripe)
  const week = (count: number, ms = 0) => new Date(postedAt + count * 7 * DAY + ms)

  await attend(stripe, id, week(1, -1))
  expect(await heldBy(stripe, id)).toEqual(['requires_capture'])
  await attend(stripe, id, week(1))
  expect(await heldBy(stripe, id)).toEqual(['canceled', 'requires_capture'])
  expect(await bondRow(id)).toMatchObject({ holds: 2, next_reauth_at: week(2).getTime(), lock_token: null })
  // Two sweeps at once make one hold.
  await Promise.all([
    attend(stripe, id, week(2)),
    attend(stripe, id, week(2)),
    sweepBonds(stripe.env, week(2)),
  ])
  expect(await heldBy(stripe, id)).toEqual(['canceled', 'canceled', 'requires_capture'])

  // A short outage is no refusal. Lost requests are repeated with the same idempotency key.
  await stripe.set({ down: 2 })
  await attend(stripe, id, week(3))
  expect(await bondRow(id)).toMatchObject({ status: 'posted', holds: 3, next_at: week(3, 900_000).getTime() })
  await attend(stripe, id, week(3, 900_000))
  expect(await bondRow(id)).toMatchObject({ status: 'posted', holds: 4 })

  // A hold that lapses early is replaced at once.
  const { hold_id: holdId, customer_id: customer } = await bondRow(id)
  const lapsed = {
    id: String(holdId),
    object: 'payment_intent',
    customer: String(customer),
    status: 'canceled',
  }
  await stripe.set({ things: [lapsed] })
  expect((await stripe.told('payment_intent.canceled', lapsed)).body).toEqual({ received: 1 })
  const anew = await bondRow(id)
  expect(anew).toMatchObject({ status: 'posted', holds: 5 })
  expect(anew.hold_id).not.toBe(holdId)

  await stripe.set({ decline: 'card_declined' })
  await attend(stripe, id, new Date(Number(anew.next_reauth_at)))
  expect(await bondRow(id)).toMatchObject({
    ...{ status: 'failed', reason: 'card_declined', next_reauth_at: null, next_at: null },
  })
  expect(await levelOf(tenant)).toBe('trusted')
  expect(await heldBy(stripe, id)).not.toContain('requires_capture')
  expect((await stripe.as(tenant).get('/v1/agents/heartbeat')).body.bond).toMatchObject({ status: 'failed' })
  const { wrong, requests } = await stripe.look()
  expect(wrong).toEqual([])
  const keys = requests.flatMap(({ key }) => (key?.startsWith(`bond:${id}:hold:`) ? [key] : []))
  expect(new Set(keys).size).toBe(6)

  // After a failed bond, the next one may be posted.
  await stripe.set({ decline: null })
  const next = await posted(stripe, 'enterprise', tenant)
  expect(await levelOf(tenant)).toBe('autonomous')
  // If Stripe is unreachable for more than a day after the hold was due, the bond fails.
  await stripe.set({ down: 1000 })
  const due = new Date(next.postedAt + 7 * DAY)
  await attend(stripe, next.id, due)
  expect((await bondRow(next.id)).status).toBe('posted')
  await attend(stripe, next.id, new Date(due.getTime() + DAY + 1))
  expect(await bondRow(next.id)).toMatchObject({ status: 'failed', reason: 'provider_unreachable' })
  expect(await levelOf(tenant)).toBe('trusted')

  const { results } = await env.DB.prepare(
    `SELECT action, count(*) AS times FROM audit_entries WHERE tenant_id = ?1
       AND (action LIKE 'bond.%' OR action LIKE 'level.%') GROUP BY action ORDER BY action`,
  )
    .bind(tenant.id)
    .all()
  expect(results).toEqual([
    { action: 'bond.failed', times: 2 },
    { action: 'bond.posted', times: 6 },
    { action: 'level.follows_bond', times: 4 },
  ])
}, 120_000)

test('only the operator captures a bond for abuse or releases it, and only once', async () => {
  const stripe = newStripe()
  const [taken, kept] = [await posted(stripe), await posted(stripe, 'enterprise')]
  for (const key of [taken.tenant.key, taken.tenant.ownerKey])
    expect(
      await stripe.as({ key }).post(`/admin/bonds/${taken.id}/capture`, { reason: 'mine' }),
    ).toMatchObject({ status: 401 })
  expect(await stripe.operator('/bonds/bond_nobodys/capture')).toMatchObject({ status: 404 })
  expect(await stripe.operator(`/bonds/${taken.id}/capture`, {})).toMatchObject({ status: 422 })

  const answers = await Promise.all(
    Array.from({ length: 5 }, () => stripe.operator(`/bonds/${taken.id}/capture`, { reason: 'spam' })),
  )
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
  expect(await stripe.operator(`/bonds/${taken.id}/capture`)).toMatchObject({
    status: 200,
    body: { id: taken.id, tenant_id: taken.tenant.id, status: 'captured', closing: null, reason: 'spam' },
  })
  expect(await stripe.operator(`/bonds/${taken.id}/release`)).toMatchObject({ status: 409 })
  const { requests, things, wrong } = await stripe.look()
  expect(wrong).toEqual([])
  expect(requests.filter(({ path }) => path.endsWith('/capture'))).toHaveLength(1)
  expect(things[String(taken.row.hold_id)].status).toBe('succeeded')
  expect(await levelOf(taken.tenant)).toBe('trusted')

  // An order given while Stripe is unreachable is carried out by the sweep.
  await stripe.set({ down: 2 })
  expect((await stripe.operator(`/bonds/${kept.id}/release`, { reason: 'left' })).body).toMatchObject({
    ...{ status: 'posted', closing: 'released' },
  })
  expect(await levelOf(kept.tenant)).toBe('autonomous')
  await attend(stripe, kept.id, new Date(Date.now() + 1000))
  expect(await bondRow(kept.id)).toMatchObject({ status: 'released', reason: 'left', closing: null })
  expect((await stripe.look()).things[String(kept.row.hold_id)].status).toBe('canceled')
  expect(await levelOf(kept.tenant)).toBe('trusted')
  expect((await stripe.as(kept.tenant).get('/v1/bonds')).body.data).toMatchObject([
    { id: kept.id, status: 'released', amount_usd_cents: 200_000, next_reauth_at: null },
  ])

  // A full refund after a capture counts as released, a partial one does not.
  const customer = String(taken.row.customer_id)
  const charge = { id: 'ch_1', object: 'charge', customer, payment_intent: String(taken.row.hold_id) }
  await stripe.set({ things: [{ ...charge, refunded: false }] })
  await stripe.told('charge.refunded', charge)
  expect((await bondRow(taken.id)).status).toBe('captured')
  await stripe.set({ things: [{ ...charge, refunded: true }] })
  await stripe.told('charge.refunded', charge)
  expect((await bondRow(taken.id)).status).toBe('released')

  // A lapsed hold cannot be captured, and the bond says so.
  const gone = await posted(stripe)
  const hold = { id: String(gone.row.hold_id), object: 'payment_intent', status: 'canceled' }
  await stripe.set({ things: [hold] })
  expect((await stripe.operator(`/bonds/${gone.id}/capture`)).status).toBe(409)
  expect(await bondRow(gone.id)).toMatchObject({ status: 'failed', reason: 'hold_canceled' })
})

test('a form that nobody fills in is closed after a day; a first hold that is refused posts nothing; a supervised owner rises with the address', async () => {
  const stripe = newStripe()
  const [slow, poor] = [await newTenant(), await newTenant()]
  const { body } = await stripe.as(slow).post('/v1/bonds', { tier: 'starter' })
  const created = Date.parse(body.created_at)
  await attend(stripe, body.id, new Date(created + DAY - 1))
  expect((await bondRow(body.id)).status).toBe('pending')
  await attend(stripe, body.id, new Date(created + DAY))
  const closed = await bondRow(body.id)
  expect(closed).toMatchObject({ status: 'failed', reason: 'never_confirmed' })
  expect((await stripe.look()).things[String(closed.setup_id)].status).toBe('canceled')

  await stripe.set({ decline: 'insufficient_funds' })
  const opened = await stripe.as(poor).post('/v1/bonds', { tier: 'starter' })
  const { setup_id: setupId, customer_id: customer } = await bondRow(opened.body.id)
  const setup = { id: setupId, object: 'setup_intent', customer, status: 'succeeded', payment_method: 'pm_1' }
  await stripe.set({ things: [setup] as never })
  await stripe.told('setup_intent.succeeded', setup)
  expect(await bondRow(opened.body.id)).toMatchObject({ status: 'failed', reason: 'insufficient_funds' })
  expect(await levelOf(poor)).toBe('trusted')
  await stripe.set({ decline: null })

  const young = await newTenant({ tenant: { level: 'supervised' } })
  await posted(stripe, 'starter', young)
  expect(await levelOf(young)).toBe('supervised')

  const unclaimed = await newTenant()
  await sql('DELETE FROM owners WHERE tenant_id = ?1', unclaimed.id)
  expect(await stripe.as(unclaimed).post('/v1/bonds', { tier: 'starter' })).toMatchObject({
    ...{ status: 403, body: { error: 'not_claimed' } },
  })
  expect((await stripe.look()).wrong).toEqual([])
})

test('without a payment provider there is no plan and no bond to get', async () => {
  const stripe = newStripe()
  const bare = { ...stripe, env: { ...stripe.env } }
  Object.assign(bare.env, { STRIPE_SECRET_KEY: undefined, LOCAL: undefined, TOKEN_SECRET: 'x'.repeat(32) })
  const { app } = await import('../../src/app.ts')
  const ann = await newTenant()
  for (const [path, body] of [
    ['/v1/billing/checkout', { plan_key: 'growth' }],
    ['/v1/billing/portal', {}],
    ['/v1/bonds', { tier: 'starter' }],
  ] as const) {
    const headers = { authorization: `Bearer ${ann.key}`, 'content-type': 'application/json' }
    const answer = await app.request(path, { method: 'POST', headers, body: JSON.stringify(body) }, bare.env)
    expect([path, answer.status]).toEqual([path, 503])
    expect(await answer.json()).toMatchObject({ error: 'not_configured' })
  }
  const report = await app.request('/events/stripe', { method: 'POST', body: '{}' }, bare.env)
  expect(report.status).toBe(503)
})
