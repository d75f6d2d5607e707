import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { app } from '../../src/app.ts'
import { attendBond } from '../../src/core/payments/bonds/attend.ts'
import type { Env } from '../../src/env.ts'
import { peers } from '../support/peer-letter.ts'
import { formsOf, newPerson, signIn } from '../support/portal.ts'
import { newStripe } from '../support/stripe.ts'
import { eventually, newTenant } from '../support/tenant.ts'

const DAY = 86_400_000

type Row = Record<string, string | number | null>
type Stripe = ReturnType<typeof newStripe>

/** A new tenant's owner in a browser, before a Worker that has this Stripe. */
async function newOwner(stripe: { env: Env }) {
  const tenant = await newTenant()
  const { cookie, csrf } = await signIn((await newPerson(tenant.id, 'owner')).email)
  const ask = async (init: RequestInit, path: string) => {
    const headers = { cookie, 'sec-fetch-site': 'same-origin' }
    const answer = await app.request(`/portal/billing${path}`, { ...init, headers }, stripe.env)
    const body = await answer.text()
    const link = /class="button primary" href="([^"]+)"/.exec(body)?.[1]
    return { status: answer.status, body, link, location: answer.headers.get('location') }
  }
  const bond = async () =>
    (await env.DB.prepare('SELECT * FROM bonds WHERE tenant_id = ?1 ORDER BY id DESC')
      .bind(tenant.id)
      .first<Row>()) ?? {}
  return {
    tenant,
    bond,
    get: (path = '') => ask({}, path),
    post: (path: string, fields: Record<string, string> = {}) =>
      ask({ method: 'POST', body: new URLSearchParams({ csrf, ...fields }) }, path),
    /** Makes the bond due. */
    attend: async (now: Date) => {
      const actor = { kind: 'system', name: 'test' } as const
      await attendBond(
        { env: stripe.env, now, actor },
        { tenantId: tenant.id, id: String((await bond()).id) },
      )
    },
  }
}

/** The event that Stripe sends once its page was used. */
const reported = (stripe: Stripe, { checkout_id: id, customer_id: customer }: Row) =>
  stripe.told('checkout.session.completed', { id, object: 'checkout.session', customer })

const heldAt = async (stripe: Stripe) =>
  Object.values((await stripe.look()).things).filter(({ object }) => object === 'payment_intent')

test('the owner of a bond enters the card on a page that Stripe hosts, comes back, and the money is held and not taken', async () => {
  const stripe = newStripe()
  const ann = await newOwner(stripe)
  const fields = { tier: 'growth', once: 'one' }
  const opened = await Promise.all([ann.post('/bonds', fields), ann.post('/bonds', fields)])
  for (const { status, link } of opened) expect([status, link]).toEqual([200, opened[0]?.link])
  const page = opened[0]?.link ?? ''
  expect(page).toMatch(/\/c\/pay\/cs_test_/)
  const waiting = await ann.bond()
  expect(waiting).toMatchObject({ status: 'pending', setup_id: null, payment_method_id: null })

  // The button beside the bond leads back to the same page.
  const billing = await ann.get()
  expect(billing.body).toMatch(/no card yet; the bond expires at <time[^>]*>[\d-]+ [\d:]+ UTC/)
  const [enter] = formsOf(billing.body).filter(({ action }) => action === '/portal/billing/bonds')
  expect(enter?.fields).toMatchObject({ tier: 'growth', once: expect.any(String) })
  expect((await ann.post('/bonds', enter?.fields)).link).toBe(page)
  const another = await ann.post('/bonds', { tier: 'starter' })
  expect([another.status, another.body.includes('waits for a card')]).toEqual([422, true])

  const hosted = await (await fetch(page)).text()
  expect(hosted).toContain('$499 is held on this card')
  const entered = await fetch(page, { method: 'POST', redirect: 'manual' })
  expect(entered.status).toBe(303)
  const back = new URL(entered.headers.get('location') ?? '')
  expect([back.pathname, back.search]).toEqual(['/portal/billing', `?bond=${waiting.id}`])
  expect((await ann.get(back.search)).body).toContain('once the payment provider confirms the card')
  expect((await reported(stripe, waiting)).body).toEqual({ received: 1 })

  const [hold, ...more] = await heldAt(stripe)
  expect(more).toEqual([])
  expect(hold).toMatchObject({ status: 'requires_capture', capture_method: 'manual', amount: 49_900 })
  expect(await ann.bond()).toMatchObject({ status: 'posted', payment_method_id: `pm_${waiting.checkout_id}` })
  const after = await ann.get(back.search)
  expect(after.body).toContain('The bond is posted: the money is reserved.')
  expect(after.body).not.toContain('Enter the card')
  // A repeated event and a second visit change nothing.
  expect((await reported(stripe, waiting)).body).toEqual({ received: 1 })
  expect((await fetch(page)).status).toBe(410)
  expect(await heldAt(stripe)).toHaveLength(1)
  const { wrong, requests } = await stripe.look()
  expect(wrong).toEqual([])
  const asked = requests.filter(({ path, method }) => path === '/v1/checkout/sessions' && method === 'POST')
  expect(asked[0]).toMatchObject({
    key: `bond:${waiting.id}:page:first`,
    form: {
      ...{ mode: 'setup', customer: waiting.customer_id, 'allowed_payment_method_types[0]': 'card' },
      'setup_intent_data[metadata][bond_id]': waiting.id,
    },
  })
})

test('a page is closed with its bond and replaced when it has expired, and a card is found without its event', async () => {
  const stripe = newStripe()
  const ann = await newOwner(stripe)
  const first = (await ann.post('/bonds', { tier: 'starter' })).link ?? ''
  const { id, checkout_id: checkout } = await ann.bond()
  expect((await ann.post(`/bonds/${id}/withdraw`)).status).toBe(303)
  expect((await stripe.look()).things[String(checkout)].status).toBe('expired')
  expect((await fetch(first, { method: 'POST' })).status).toBe(410)

  const second = (await ann.post('/bonds', { tier: 'starter' })).link ?? ''
  expect(second).not.toBe(first)
  const { checkout_id: ranOut } = await ann.bond()
  await stripe.set({ things: [{ id: ranOut, object: 'checkout.session', status: 'expired' }] })
  const third = (await ann.post('/bonds', { tier: 'starter' })).link ?? ''
  expect(third).not.toBe(second)
  // A page of another customer or without a card posts nothing.
  const waiting = await ann.bond()
  expect((await reported(stripe, waiting)).body).toEqual({ received: 1 })
  await fetch(third, { method: 'POST', redirect: 'manual' })
  const theirs = { id: waiting.checkout_id, object: 'checkout.session' }
  await stripe.set({ things: [{ ...theirs, customer: 'cus_another' }] })
  await reported(stripe, waiting)
  expect((await ann.bond()).status).toBe('pending')
  await stripe.set({ things: [{ ...theirs, customer: waiting.customer_id }] })
  const found = await ann.post('/bonds', { tier: 'starter' })
  expect([found.status, found.location]).toEqual([303, '/portal/billing'])
  expect((await ann.bond()).status).toBe('posted')

  // If nobody enters a card, the page is closed after a day, and the owner reads why.
  const bob = await newOwner(stripe)
  await bob.post('/bonds', { tier: 'enterprise' })
  const left = await bob.bond()
  await bob.attend(new Date(Number(left.created_at) + DAY))
  expect((await stripe.look()).things[String(left.checkout_id)].status).toBe('expired')
  expect((await bob.get(`?bond=${left.id}`)).body).toContain('not posted: no card was entered within a day')
  await stripe.set({ down: 4 })
  const down = await bob.post('/bonds', { tier: 'enterprise' })
  expect([down.status, down.body.includes('cannot be reached')]).toEqual([422, true])
  expect((await stripe.look()).wrong).toEqual([])
})

test('an emulated Stripe hosts the page too and reports its end; it knows no cards, so the bond goes on waiting', async () => {
  const stripe = newStripe(peers.emulatedStripe)
  const ann = await newOwner(stripe)
  const page = (await ann.post('/bonds', { tier: 'starter' })).link ?? ''
  const action = /<form[^>]*action="([^"]+)"/i.exec(await (await fetch(page)).text())?.[1] ?? ''
  const entered = await fetch(new URL(action, page), { method: 'POST', redirect: 'manual' })
  const { id, checkout_id: checkout } = await ann.bond()
  expect(entered.headers.get('location')).toContain(`/portal/billing?bond=${id}`)
  const hook = await eventually(async () => {
    const heard = await fetch(`${peers.stripe}/-reports?about=${checkout}`)
    return (await heard.json<{ body: string; signature: string }[]>())[0]
  })
  expect(await stripe.report(hook.body, hook.signature)).toMatchObject({ status: 200, body: { received: 1 } })
  expect((await ann.bond()).status).toBe('pending')
})
