import type Stripe from 'stripe'
import type { Env } from '../../../env.ts'
import { newId } from '../../ground/ids.ts'
import { billingPage } from '../billing/checkout.ts'
import { asked, idOf, told } from '../billing/stripe.ts'
import type { Bond } from './bond.ts'

// How the money is held. The owner proves a card once, by a SetupIntent for later use without them: on a form of whoever
// holds its client secret, or on a page that Stripe hosts, which makes one of its own. The bond is then an off-session
// PaymentIntent that is authorised and not captured: nothing is charged. Issuers let such a hold lapse after about seven
// days, so every seven days a new one is authorised and the one before let go. Capture takes what the newest holds; release
// lets go of it.

/** Whether the money is held, taken or let go; why not, where that is definite. */
export type Held = { isDone: true; holdId: string } | { isDone: false; reason: string }

/** A payment method of the local ledger that refuses every hold. */
const LOCAL_DECLINED = 'pm_local_declined'

/** How far the owner has come with the card. */
export type Setup = {
  id: string
  clientSecret: string | null
  status: Stripe.SetupIntent['status']
  paymentMethodId: string | null
}

/** A page of Stripe's; `url` leads there while the card can be entered, and `paymentMethodId` is the card once it has been. */
export type Page = {
  id: string
  url: string | null
  customerId: string | null
  paymentMethodId: string | null
}

/** Opens the form on which the owner proves a card: always the same one for a bond. */
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

/** How the form stands now. */
export async function readSetup(env: Env, setupId: string): Promise<Setup & { customerId: string | null }> {
  const setup = await asked(env, 'setup_intent', (stripe) => stripe.setupIntents.retrieve(setupId))
  return { ...setupOf(setup), customerId: idOf(setup.customer) }
}

/**
 * Opens the page that Stripe hosts, on which the owner enters a card: the same one however many ask at once, and another
 * once the one before can be used no more.
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
        custom_text: { submit: { message: promised(amountUsdCents) } },
        success_url: `${back}?bond=${id}`,
        cancel_url: back,
      },
      { idempotencyKey: `bond:${id}:page:${checkoutId ?? 'first'}` },
    ),
  )
  return pageOf(session)
}

const promised = (cents: number) =>
  `Nothing is charged now. $${cents / 100} is held on this card for as long as the bond stands, anew every seven days, and taken for abuse alone.`

/** How that page stands now. */
export async function readPage(env: Env, checkoutId: string): Promise<Page> {
  const session = await asked(env, 'checkout.session', (stripe) =>
    stripe.checkout.sessions.retrieve(checkoutId, { expand: ['setup_intent'] }),
  )
  return pageOf(session)
}

/** Closes the forms of a bond that will not be posted. One that is closed or used already stays as it is. */
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

/** Holds the money of a bond anew. The key counts the holds, so that asked twice it is held once. */
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
  return await move(env, provider, holdId, 'succeeded', (stripe, hold) =>
    stripe.paymentIntents.capture(hold, {}, { idempotencyKey: `bond:${id}:capture:${hold}` }),
  )
}

/** Lets go of a hold. One that has lapsed is gone already. */
export async function letGo(env: Env, { id, provider }: Bond, holdId: string | null): Promise<Held> {
  return await move(env, provider, holdId, 'canceled', (stripe, hold) =>
    stripe.paymentIntents.cancel(hold, {}, { idempotencyKey: `bond:${id}:cancel:${hold}` }),
  )
}

/** How a hold stands now. */
export async function readHold(env: Env, holdId: string): Promise<Stripe.PaymentIntent['status']> {
  return (await asked(env, 'payment_intent', (stripe) => stripe.paymentIntents.retrieve(holdId))).status
}

/** Whether all of what was taken has been given back, and of which hold. */
export async function readCharge(env: Env, chargeId: string) {
  const charge = await asked(env, 'charge', (stripe) => stripe.charges.retrieve(chargeId))
  return { isRefunded: charge.refunded, holdId: idOf(charge.payment_intent) }
}

/** Moves a hold to its end. A refusal is believed only once the hold itself says that it stands elsewhere. */
async function move(
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
  const proved = typeof setup === 'object' && setup?.status === 'succeeded' ? setup.payment_method : null
  return {
    id,
    url: status === 'open' ? url : null,
    customerId: idOf(customer),
    paymentMethodId: status === 'complete' ? idOf(proved) : null,
  }
}
