import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { eraseSome, SETTLE_MS } from '../../src/core/governance/compliance/erasing.ts'
import { settle } from '../../src/core/payments/billing/standing.ts'
import { sql } from '../support/matrix-dump.ts'
import { peers } from '../support/peer-letter.ts'
import { eventOf, newStripe, SECRET, signed, type TestStripe } from '../support/stripe.ts'
import { eventually, newTenant, type Tenant } from '../support/tenant.ts'

/** A mailbox that only the plan limits. */
const WIDE = { hourly_limit: 10_000, daily_limit: 10_000 }
const letter = (at: number) => ({ to: `nobody-${at}@example.com`, subject: 'Hello', text: 'Hello' })

/** Uses up this much of the plan. */
const spend = async (tenant: Tenant, count: number) => {
  const sends = Array.from({ length: count }, (_, at) => ({
    recipientEmail: `somebody-${at}@example.com`,
    dedupeKey: `spend-${at}`,
    payload: { firstName: 'Ann' },
  }))
  const { body } = await tenant.post('/v1/agent/batch/request-send', { templateId: 'welcome', sends })
  expect(body.queued).toBe(count)
}

const planOf = async ({ id }: Pick<Tenant, 'id'>) =>
  (await env.DB.prepare('SELECT plan FROM tenants WHERE id = ?1').bind(id).first<{ plan: string }>())?.plan

const row = async (table: string, { id }: Pick<Tenant, 'id'>) =>
  (await env.DB.prepare(`SELECT * FROM ${table} WHERE tenant_id = ?1`).bind(id).all()).results

/** A tenant whose owner pays for a plan by the subscription of this id. */
async function paying(stripe: TestStripe, price = 'price_starter') {
  const tenant = await newTenant()
  await stripe.as(tenant).post('/v1/billing/checkout', { plan_key: 'starter' })
  const [{ customer_id: customer } = {}] = await row('subscriptions', tenant)
  const subscription = subscriptionOf(String(customer), price)
  await stripe.set({ things: [subscription] })
  expect((await stripe.told('customer.subscription.created', subscription)).body).toEqual({ received: 1 })
  return { tenant, customer: String(customer), subscription }
}

const END = Math.floor(Date.UTC(2027, 0, 1) / 1000)

function subscriptionOf(customer: string, price: string, change: Record<string, unknown> = {}) {
  const id = `sub_${crypto.randomUUID()}`
  const item = { id: `si_${id}`, object: 'subscription_item', price: { id: price, object: 'price' } }
  return {
    ...{ id, object: 'subscription', customer, status: 'active', created: 1_800_000_000 },
    ...{ cancel_at: null, cancel_at_period_end: false },
    items: { object: 'list', data: [{ ...item, current_period_end: END }] },
    ...change,
  }
}

test('a tenant that has used up the free plan pays on the page of an emulated Stripe, and its signed webhook allows the next send', async () => {
  const stripe = newStripe(peers.emulatedStripe)
  const ann = await newTenant({ mailbox: WIDE })
  const api = stripe.as(ann)
  await spend(ann, 100)
  expect(await ann.post('/v1/messages', letter(1))).toMatchObject({ status: 402, body: { plan: 'free' } })

  const { status, body } = await api.post('/v1/billing/checkout', { plan_key: 'starter' })
  expect(status).toBe(200)
  expect(body).toEqual({
    url: expect.stringMatching(/^http:\/\/localhost:\d+\/checkout\/cs_/),
    session_id: expect.stringMatching(/^cs_/),
    plan_key: 'starter',
    provider: 'stripe',
    status: 'open',
    effective_at: null,
  })
  expect(await planOf(ann)).toBe('free')

  // The page: its form is sent as a browser would.
  const page = await (await fetch(body.url)).text()
  expect(page).toContain('Moltpost')
  const action = /<form[^>]*action="([^"]+)"/i.exec(page)?.[1] ?? ''
  const paid = await fetch(new URL(action, body.url), { method: 'POST', redirect: 'manual' })
  expect(paid.status).toBe(302)
  expect(paid.headers.get('location')).toContain(`session_id=${body.session_id}`)

  const hook = await eventually(async () => {
    const heard = await fetch(`${peers.stripe}/-reports?about=${body.session_id}`)
    return (await heard.json<{ body: string; signature: string }[]>())[0]
  })
  // An event without a valid signature changes nothing.
  expect((await stripe.report(hook.body, await signed(hook.body, 'whsec_another'))).status).toBe(401)
  expect(await planOf(ann)).toBe('free')
  expect(await stripe.report(hook.body, hook.signature)).toMatchObject({ status: 200, body: { received: 1 } })
  expect(await planOf(ann)).toBe('starter')

  const sent = await ann.post('/v1/messages', letter(2))
  expect(sent.status).toBe(202)
  expect(sent.headers.get('x-mailmolt-plan-daily-limit')).toBe('500')
  expect(sent.headers.get('x-mailmolt-plan-daily-remaining')).toBe('399')
  expect((await api.get('/v1/billing/subscription')).body).toEqual({
    plan_key: 'starter',
    status: 'active',
    provider: 'stripe',
    limits: { daily: 500, monthly: 10_000 },
    usage_24h: { sent: 101 },
    daily: { used: 101, remaining: 399 },
    monthly: { used: 101, remaining: 9_899 },
    current_period_end: null,
    cancel_at_period_end: false,
  })

  // The page counts once, also after the plan was given up.
  expect(await stripe.report(hook.body, hook.signature)).toMatchObject({ body: { received: 0 } })
  expect((await api.post('/v1/billing/checkout', { plan_key: 'free' })).body.status).toBe('complete')
  const other = `${hook.body} `
  expect((await stripe.report(other, await signed(other))).status).toBe(200)
  expect(await planOf(ann)).toBe('free')
})

test('concurrent requests make one customer and one page at Stripe, and Stripe accepts every request', async () => {
  const stripe = newStripe()
  const ann = await newTenant()
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => stripe.as(ann).post('/v1/billing/checkout', { plan_key: 'growth' })),
  )
  expect(new Set(answers.map(({ body }) => body.session_id)).size).toBe(1)
  const { things, wrong, requests } = await stripe.look()
  expect(wrong).toEqual([])
  expect(Object.values(things).map(({ object }) => object)).toEqual(['customer', 'checkout.session'])
  const asked = requests.find(({ path }) => path === '/v1/checkout/sessions')
  const [{ customer_id: customer } = {}] = await row('subscriptions', ann)
  expect(asked).toMatchObject({
    key: `checkout:${ann.id}:growth:0`,
    form: {
      customer,
      mode: 'subscription',
      client_reference_id: ann.id,
      'line_items[0][price]': 'price_growth',
      'metadata[plan_key]': 'growth',
      success_url: expect.stringMatching(/\/billing\?session_id=\{CHECKOUT_SESSION_ID\}$/),
    },
  })
  expect(await planOf(ann)).toBe('free')

  const portal = await stripe.as(ann).post('/v1/billing/portal')
  expect(portal).toMatchObject({
    status: 200,
    body: { provider: 'stripe', url: expect.stringContaining('https://billing.stripe.com/') },
  })
  await stripe.set({ down: 4 })
  expect(await stripe.as(ann).post('/v1/billing/checkout', { plan_key: 'team' })).toMatchObject({
    status: 503,
    body: { error: 'payment_unavailable' },
  })
  expect((await stripe.look()).wrong).toEqual([])

  const unclaimed = await newTenant()
  await sql('DELETE FROM owners WHERE tenant_id = ?1', unclaimed.id)
  for (const path of ['/v1/billing/checkout', '/v1/billing/portal'])
    expect(await stripe.as(unclaimed).post(path, { plan_key: 'team' }), path).toMatchObject({
      status: 403,
      body: { error: 'not_claimed' },
    })
  expect((await stripe.as(unclaimed).get('/v1/billing/subscription')).body).toMatchObject({
    plan_key: 'free',
  })
})

test('the plan follows the subscription through its life, and a tenant that already pays changes its subscription', async () => {
  const stripe = newStripe()
  const { tenant, customer, subscription } = await paying(stripe)
  const api = stripe.as(tenant)
  expect(await planOf(tenant)).toBe('starter')
  expect((await api.get('/v1/billing/subscription')).body).toMatchObject({
    ...{ plan_key: 'starter', status: 'active', current_period_end: '2027-01-01T00:00:00.000Z' },
  })
  expect(await api.post('/v1/billing/checkout', { plan_key: 'starter' })).toMatchObject({
    status: 200,
    body: { status: 'complete', effective_at: null },
  })

  const change = await api.post('/v1/billing/checkout', { plan_key: 'team' })
  expect(change.body).toMatchObject({ status: 'open', session_id: expect.stringMatching(/^bps_/) })
  const { requests, wrong } = await stripe.look()
  expect(wrong).toEqual([])
  expect(requests.at(-1)?.form).toMatchObject({
    customer,
    'flow_data[type]': 'subscription_update_confirm',
    'flow_data[subscription_update_confirm][subscription]': subscription.id,
    'flow_data[subscription_update_confirm][items][0][price]': 'price_team',
  })
  expect(await planOf(tenant)).toBe('starter')

  // Stripe's answer counts, whatever the event says and in whatever order events come.
  const stale = { ...subscription, items: { data: [] } }
  for (const [status, price, plan] of [
    ['active', 'price_team', 'team'],
    ['past_due', 'price_team', 'team'],
    ['unpaid', 'price_team', 'free'],
    ['active', 'price_nobodys', 'free'],
    ['trialing', 'price_growth', 'growth'],
  ] as const) {
    await stripe.set({ things: [{ ...subscriptionOf(customer, price, { status }), id: subscription.id }] })
    expect((await stripe.told('customer.subscription.updated', stale)).body).toEqual({ received: 1 })
    expect({ status, price, plan: await planOf(tenant) }).toEqual({ status, price, plan })
  }
  for (const type of ['invoice.paid', 'invoice.payment_failed', 'customer.subscription.deleted']) {
    expect((await stripe.told(type, { id: 'in_1', object: 'invoice', customer })).body).toEqual({
      received: 1,
    })
    expect(await planOf(tenant)).toBe('growth')
  }

  const down = await api.post('/v1/billing/checkout', { plan_key: 'free' })
  expect(down.body).toMatchObject({
    ...{ status: 'scheduled', session_id: null, effective_at: '2027-01-01T00:00:00.000Z' },
  })
  expect((await api.get('/v1/billing/subscription')).body).toMatchObject({
    ...{ plan_key: 'growth', cancel_at_period_end: true },
  })
  await stripe.set({ things: [{ ...subscription, status: 'canceled' }] })
  await stripe.told('customer.subscription.deleted', subscription)
  expect(await planOf(tenant)).toBe('free')
  expect((await api.get('/v1/billing/subscription')).body).toMatchObject({
    plan_key: 'free',
    status: 'canceled',
  })
  expect((await stripe.look()).wrong).toEqual([])

  const { results } = await env.DB.prepare(
    `SELECT action FROM audit_entries WHERE tenant_id = ?1 AND action = 'plan.changed'`,
  )
    .bind(tenant.id)
    .all()
  expect(results).toHaveLength(5)
})

test('events that are forged, repeated, out of order or about another customer change nothing', async () => {
  const stripe = newStripe()
  const { tenant, customer, subscription } = await paying(stripe)
  const enterprise = { ...subscriptionOf(customer, 'price_enterprise'), id: subscription.id }
  await stripe.set({ things: [enterprise] })
  const body = eventOf('customer.subscription.updated', enterprise)
  const good = await signed(body)
  const [t = '', v1 = ''] = good.split(',')
  const now = Math.floor(Date.now() / 1000)
  const flipped = v1.replace(/.$/, (last) => (last === '0' ? '1' : '0'))
  const forged: [string, string | null][] = [
    [body, null],
    [body, ''],
    [body, 'garbage'],
    [body, t],
    [body, v1],
    [body, `${t},${flipped}`],
    [body, `${t},v0=${v1.slice(3)}`],
    [body, `${t},v1=`],
    [body, `t=,${v1}`],
    [body, `t=${now - 1},${v1}`],
    [body, `t=${now + 1},${v1}`],
    [body, `t=0,${v1}`],
    [body, `t=-1,${v1}`],
    [body, `t=${now}abc,${flipped}`],
    [body, `${t},${v1.toUpperCase()}`],
    [body, `${t},${v1.slice(0, -2)}`],
    [body, await signed(body, 'whsec_another')],
    [body, await signed(body, SECRET.slice(0, -1))],
    [body, await signed(body, SECRET, Date.now() - 301_000)],
    [body, await signed(body, SECRET, Date.now() - 86_400_000)],
    [`${body} `, good],
    [body.replace('price_enterprise', 'price_team'), good],
    [body.replace(/evt_./, 'evt_x'), good],
    ['', good],
    ['{}', await signed('{}')],
    ['[]', await signed('[]')],
    ['not json', await signed('not json')],
    ['{"id":"evt_1","type":"customer.subscription.updated","data":{}}', await signed('{"id":"evt_1"}')],
    [body, await signed(`${body}\n`)],
    [body, JSON.stringify({ [t]: v1 })],
  ]
  for (const [sent, signature] of forged)
    expect(await stripe.report(sent, signature), String(signature)).toMatchObject({ status: 401 })
  expect(forged.length).toBeGreaterThanOrEqual(20)
  expect(await planOf(tenant)).toBe('starter')
  expect(await row('billing_events', tenant)).toHaveLength(1)

  // About an unknown customer, of a type that we ignore, or about another tenant's customer.
  const stranger = await paying(stripe, 'price_growth')
  for (const [type, object] of [
    ['customer.subscription.updated', { ...enterprise, customer: 'cus_nobodys' }],
    ['customer.subscription.updated', { ...enterprise, customer: null }],
    ['customer.subscription.updated', { ...enterprise, customer: tenant.id }],
    ['product.updated', enterprise],
    ['customer.created', { id: customer, object: 'customer', customer }],
  ] as const)
    expect(await stripe.told(type, object), type).toMatchObject({ status: 200, body: { received: 0 } })
  await stripe.told('customer.subscription.updated', { ...enterprise, customer: stranger.customer })
  const page = await stripe.as(stranger.tenant).post('/v1/billing/checkout', { plan_key: 'team' })
  await stripe.told('checkout.session.completed', { id: page.body.session_id, object: 'x', customer })
  expect([await planOf(tenant), await planOf(stranger.tenant)]).toEqual(['starter', 'growth'])

  // A checkout that is not paid changes nothing.
  const unpaid = await newTenant()
  const open = await stripe.as(unpaid).post('/v1/billing/checkout', { plan_key: 'enterprise' })
  const [{ customer_id: theirs } = {}] = await row('subscriptions', unpaid)
  const session = {
    id: open.body.session_id,
    object: 'checkout.session',
    customer: theirs,
    status: 'complete',
  }
  await stripe.told('checkout.session.completed', { ...session, payment_status: 'paid' })
  expect(await planOf(unpaid)).toBe('free')

  // Twenty copies at once count once. A lost report is sent again.
  await stripe.set({ down: 4 })
  expect(await stripe.report(body, good)).toMatchObject({
    status: 503,
    body: { error: 'payment_unavailable' },
  })
  await stripe.set({ down: 0 })
  const answers = await Promise.all(Array.from({ length: 20 }, () => stripe.report(body, good)))
  expect(answers.every(({ status }) => status === 200 || status === 503)).toBe(true)
  expect(await planOf(tenant)).toBe('enterprise')
  expect(await stripe.report(body, good)).toMatchObject({ body: { received: 0 } })
  const counted = await row('billing_events', tenant)
  expect(new Set(counted.map(({ id }) => id)).size).toBe(counted.length)
  expect((await stripe.look()).wrong).toEqual([])
}, 120_000)

test('an older answer of Stripe never overwrites a newer one: Stripe is asked again', async () => {
  const stripe = newStripe()
  const { tenant } = await paying(stripe)
  const at = { env: stripe.env, now: new Date(), actor: { kind: 'system', name: 'test' } as const }
  const standing = {
    subscriptionId: 'sub_1',
    status: 'active',
    currentPeriodEnd: null,
    cancelAtPeriodEnd: false,
  }
  let asks = 0
  await settle(at, tenant.id, async () => {
    asks += 1
    if (asks > 1) return { ...standing, plan: 'team' }
    // While the first answer is on its way, a newer one is stored.
    await settle(at, tenant.id, async () => ({ ...standing, plan: 'team' }))
    return { ...standing, plan: 'growth' }
  })
  expect([asks, await planOf(tenant)]).toEqual([2, 'team'])
})

test('erasing a tenant ends its subscription, and the erasure is not complete before that', async () => {
  const stripe = newStripe()
  const { tenant, subscription } = await paying(stripe)
  const at = Date.now()
  const ordered = await tenant.as(tenant.ownerKey).post('/v1/compliance/delete', { confirm: 'DELETE' })
  expect(ordered.status).toBeLessThan(300)
  const erase = (minutes: number) =>
    eraseSome(stripe.env, tenant.id, () => new Date(at + SETTLE_MS + minutes * 60_000))
  const completed = async () => (await row('erasures', tenant))[0]?.completed_at

  await stripe.set({ down: 2 })
  await expect(erase(1)).rejects.toThrow()
  expect(await completed()).toBe(null)
  await erase(2)
  await erase(3)
  expect(await completed()).toEqual(expect.any(Number))
  const { requests, things } = await stripe.look()
  expect(requests.filter(({ method }) => method === 'DELETE').map(({ path }) => path)).toContain(
    `/v1/subscriptions/${subscription.id}`,
  )
  expect(things[subscription.id]).toMatchObject({ status: 'canceled' })
  expect(await row('subscriptions', tenant)).toMatchObject([{ status: 'canceled', plan: 'free' }])
})
