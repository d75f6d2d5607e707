import type Stripe from 'stripe'
import type { Env } from '../../../env.ts'
import { newId } from '../../ground/ids.ts'
import { billingPage } from '../billing/checkout.ts'
import { asked, idOf, told } from '../billing/stripe.ts'
import type { Bond } from './bond.ts'

// How the money is held. The owner confirms a card once, with a SetupIntent for later off-session use: in a form that uses
// its client secret, or on a page of Stripe, which makes its own SetupIntent. The bond is then an off-session PaymentIntent
// that is authorised and not captured: nothing is charged. Issuers let such a hold lapse after about seven days, so every
// seven days a new hold is authorised and the old one cancelled. To capture a bond takes the money of the newest hold; to
// release it cancels that hold.

/** Whether the hold was authorised, captured or cancelled. If not: the definite reason. */
export type Held = { isDone: true; holdId: string } | { isDone: false; reason: string }

/** A payment method of the local ledger that is always declined. */
const LOCAL_DECLINED = 'pm_local_declined'

/** The state of the form for the card. */
type Setup = {
  id: string
  clientSecret: string | null
  status: Stripe.SetupIntent['status']
  paymentMethodId: string | null
}

/** A page of Stripe. `url` is set while a card can be entered, `paymentMethodId` once one was entered. */
type Page = {
  id: string
  url: string | null
  customerId: string | null
  paymentMethodId: string | null
}

/** Opens the form on which the owner confirms a card. A bond has one form: a repeat returns it. */
export async function openSetup(env: Env, { tenantId, id, customerId }: Bond): Promise<Setup> {
  const setup = await asked(env, 'setup_intent', (stripe) =>
    stripe.setupIntents.create(
      {
        customer: customerId,
        usage: 'off_session',
        allowed_payment_method_types: ['card'],
        metadata: { tenant_id: tenantId, bond_id: id },
      },
      { idempotencyKey: `bond:${id}:setup` },
    ),
  )
  return setupOf(setup)
}

/** The current state of the form. */
export async function readSetup(env: Env, setupId: string): Promise<Setup & { customerId: string | null }> {
  const setup = await asked(env, 'setup_intent', (stripe) => stripe.setupIntents.retrieve(setupId))
  return { ...setupOf(setup), customerId: idOf(setup.customer) }
}

/**
 * Opens Stripe's page on which the owner enters a card. Concurrent calls get the same page. Once that page has expired, a
 * call opens a new one.
 */
export async function openPage(env: Env, bond: Bond): Promise<Page> {
  const { tenantId, id, customerId, amountUsdCents, checkoutId } = bond
  const metadata = { tenant_id: tenantId, bond_id: id }
  const back = billingPage(env)
  const session = await asked(env, 'checkout.session', (stripe) =>
    stripe.checkout.sessions.create(
      {
        mode: 'setup',
        customer: customerId,
        client_reference_id: tenantId,
        allowed_payment_method_types: ['card'],
        ...{ metadata, setup_intent_data: { metadata } },
        custom_text: { submit: { message: explanation(amountUsdCents) } },
        success_url: `${back}?bond=${id}`,
        cancel_url: back,
      },
      { idempotencyKey: `bond:${id}:page:${checkoutId ?? 'first'}` },
    ),
  )
  return pageOf(session)
}

const explanation = (cents: number) =>
  `Nothing is charged now. $${cents / 100} is held on this card while the bond lasts. The hold is renewed every seven days. The money is taken only in case of abuse.`

/** The current state of the page. */
export async function readPage(env: Env, checkoutId: string): Promise<Page> {
  const session = await asked(env, 'checkout.session', (stripe) =>
    stripe.checkout.sessions.retrieve(checkoutId, { expand: ['setup_intent'] }),
  )
  return pageOf(session)
}

/** Closes the form and the page of a bond that will not be posted. Closed and used ones stay as they are. */
export async function closeSetup(env: Env, { id, provider, setupId, checkoutId }: Bond): Promise<void> {
  if (provider === 'local') return
  if (setupId !== null) {
    await told(env, 'setup_intent', (stripe) =>
      stripe.setupIntents.cancel(setupId, {}, { idempotencyKey: `bond:${id}:setup:cancel` }),
    )
  }
  if (checkoutId !== null) {
    await told(env, 'checkout.session', (stripe) =>
      stripe.checkout.sessions.expire(checkoutId, {}, { idempotencyKey: `bond:${id}:expire:${checkoutId}` }),
    )
  }
}

/** Authorises the next hold of a bond. The idempotency key contains its number, so a repeat makes no second hold. */
export async function authorise(env: Env, now: Date, bond: Bond): Promise<Held> {
  const { id, tenantId, provider, customerId, paymentMethodId, amountUsdCents, holds } = bond
  if (paymentMethodId === null) return { isDone: false, reason: 'no_payment_method' }
  if (provider === 'local') {
    if (paymentMethodId === LOCAL_DECLINED) return { isDone: false, reason: 'card_declined' }
    return { isDone: true, holdId: newId('pi_local', now) }
  }
  const outcome = await told(env, 'payment_intent', (stripe) =>
    stripe.paymentIntents.create(
      {
        amount: amountUsdCents,
        currency: 'usd',
        customer: customerId,
        payment_method: paymentMethodId,
        allowed_payment_method_types: ['card'],
        capture_method: 'manual',
        confirm: true,
        off_session: true,
        metadata: { tenant_id: tenantId, bond_id: id },
      },
      { idempotencyKey: `bond:${id}:hold:${holds + 1}` },
    ),
  )
  if (outcome.kind === 'refused') return { isDone: false, reason: outcome.reason }
  const { id: holdId, status } = outcome.answer
  return status === 'requires_capture' ? { isDone: true, holdId } : { isDone: false, reason: status }
}

/** Takes the money that a bond holds. */
export async function capture(env: Env, { id, provider, holdId }: Bond): Promise<Held> {
  return await endHold(env, provider, holdId, 'succeeded', (stripe, hold) =>
    stripe.paymentIntents.capture(hold, {}, { idempotencyKey: `bond:${id}:capture:${hold}` }),
  )
}

/** Cancels a hold. A lapsed hold counts as cancelled. */
export async function letGo(env: Env, { id, provider }: Bond, holdId: string | null): Promise<Held> {
  return await endHold(env, provider, holdId, 'canceled', (stripe, hold) =>
    stripe.paymentIntents.cancel(hold, {}, { idempotencyKey: `bond:${id}:cancel:${hold}` }),
  )
}

/** The current state of a hold. */
export async function readHold(env: Env, holdId: string): Promise<Stripe.PaymentIntent['status']> {
  return (await asked(env, 'payment_intent', (stripe) => stripe.paymentIntents.retrieve(holdId))).status
}

/** Whether a captured payment was refunded in full, and the id of its hold. */
export async function readCharge(env: Env, chargeId: string) {
  const charge = await asked(env, 'charge', (stripe) => stripe.charges.retrieve(chargeId))
  return { isRefunded: charge.refunded, holdId: idOf(charge.payment_intent) }
}

/** Ends a hold. If Stripe refuses, the hold itself is read: only its own state counts. */
async function endHold(
  env: Env,
  provider: Bond['provider'],
  holdId: string | null,
  end: 'succeeded' | 'canceled',
  ask: (stripe: Stripe, holdId: string) => Promise<Stripe.PaymentIntent>,
): Promise<Held> {
  if (holdId === null) return { isDone: false, reason: 'no_hold' }
  if (provider === 'local') return { isDone: true, holdId }
  const outcome = await told(env, 'payment_intent', (stripe) => ask(stripe, holdId))
  const status = outcome.kind === 'answer' ? outcome.answer.status : await readHold(env, holdId)
  return status === end ? { isDone: true, holdId } : { isDone: false, reason: `hold_${status}` }
}

function setupOf({ id, client_secret: secret, status, payment_method: method }: Stripe.SetupIntent): Setup {
  return { id, clientSecret: secret, status, paymentMethodId: idOf(method) }
}

function pageOf({ id, url, status, customer, setup_intent: setup }: Stripe.Checkout.Session): Page {
  const confirmed = typeof setup === 'object' && setup?.status === 'succeeded' ? setup.payment_method : null
  return {
    id,
    url: status === 'open' ? url : null,
    customerId: idOf(customer),
    paymentMethodId: status === 'complete' ? idOf(confirmed) : null,
  }
}
