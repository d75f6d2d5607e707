import { type Env, settings } from '../../../env.ts'
import { checkouts } from '../../../schema/payments.ts'
import { claimedOwner } from '../../accounts/people.ts'
import { type Ctx, mustBeAllowed } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { newId } from '../../ground/ids.ts'
import type { Plan } from '../../policy/plans.ts'
import { customerOf, type Subscription } from './customer.ts'
import { isSubscribed, type Standing, settle, standingAtStripe } from './standing.ts'
import { asked, mustCollect, type Provider } from './stripe.ts'

/**
 * The state of a change of plan. `open`: a person must pay at `url`. `scheduled`: the plan changes at `effectiveAt`.
 * `complete`: the plan changed at `effectiveAt`, or the tenant had it before if that is null.
 */
type Checkout = {
  provider: Provider
  url: string
  sessionId: string | null
  status: 'open' | 'scheduled' | 'complete'
  effectiveAt: Date | null
}

/**
 * Opens the page on which a person pays for a plan. Nothing changes before they pay. A tenant that already pays confirms
 * the change there and keeps one subscription. `free` ends the subscription at the end of the paid period, or at once if
 * nothing is paid. Faults: `not_claimed`, `not_configured`.
 */
export async function startCheckout(ctx: Ctx, plan: Plan): Promise<Checkout> {
  mustBeAllowed(ctx, 'manage')
  const owner = await claimedOwner(ctx)
  const provider = mustCollect(ctx.env)
  const standing = await customerOf(ctx, provider, owner)
  if (standing.plan === plan && !standing.cancelAtPeriodEnd)
    return { provider, url: billingPage(ctx.env), sessionId: null, status: 'complete', effectiveAt: null }
  if (plan === 'free') return await changeToFree(ctx, standing)
  const opened =
    provider === 'local'
      ? localPage(ctx)
      : isSubscribed(standing)
        ? await changePage(ctx, standing, plan)
        : await paymentPage(ctx, standing, plan)
  await ctx.db
    .insert(checkouts)
    .values({ tenantId: ctx.tenantId, id: opened.id, plan, createdAt: ctx.now })
    .onConflictDoNothing()
  return { provider, url: opened.url, sessionId: opened.id, status: 'open', effectiveAt: null }
}

/** Opens the page on which a person sees invoices, changes the card and ends the subscription. Faults as `startCheckout`. */
export async function openPortal(ctx: Ctx): Promise<{ provider: Provider; url: string }> {
  mustBeAllowed(ctx, 'manage')
  const owner = await claimedOwner(ctx)
  const provider = mustCollect(ctx.env)
  const { customerId } = await customerOf(ctx, provider, owner)
  if (provider === 'local')
    return { provider, url: `${settings(ctx.env).publicUrl}/dev/billing/${customerId}` }
  const { url } = await asked(ctx.env, 'billing_portal.session', (stripe) =>
    stripe.billingPortal.sessions.create(
      { customer: customerId, return_url: billingPage(ctx.env) },
      { idempotencyKey: `portal:${ctx.tenantId}:${minuteOf(ctx.now)}` },
    ),
  )
  return { provider, url }
}

/** Ends the subscription at the end of the paid period, or at once if nothing is paid. */
async function changeToFree(ctx: Ctx, standing: Subscription): Promise<Checkout> {
  const { env, tenantId } = ctx
  const { provider, subscriptionId, version } = standing
  const url = billingPage(env)
  if (provider === 'stripe' && subscriptionId !== null && isSubscribed(standing)) {
    await asked(env, 'subscription', (stripe) =>
      stripe.subscriptions.update(
        subscriptionId,
        { cancel_at_period_end: true },
        { idempotencyKey: `end:${tenantId}:${subscriptionId}:${version}` },
      ),
    )
    let learnt: Standing | null = null
    await settle(ctx, tenantId, async ({ customerId }) => {
      learnt = await standingAtStripe(env, customerId)
      return learnt
    })
    const effectiveAt = (learnt as Standing | null)?.currentPeriodEnd ?? null
    return { provider, url, sessionId: null, status: 'scheduled', effectiveAt }
  }
  await settle(ctx, tenantId, async () => ({
    ...{ subscriptionId: null, plan: 'free', status: 'canceled' },
    ...{ currentPeriodEnd: null, cancelAtPeriodEnd: false },
  }))
  return { provider, url, sessionId: null, status: 'complete', effectiveAt: ctx.now }
}

type Page = { id: string; url: string }

function localPage({ env, now }: Ctx): Page {
  const id = newId('cs_local', now)
  return { id, url: `${settings(env).publicUrl}/dev/checkout/${id}` }
}

async function paymentPage(ctx: Ctx, { customerId, version }: Subscription, plan: Plan): Promise<Page> {
  const { env, tenantId } = ctx
  const price = priceOf(env, plan)
  const page = billingPage(env)
  const session = await asked(env, 'checkout.session', (stripe) =>
    stripe.checkout.sessions.create(
      {
        mode: 'subscription',
        customer: customerId,
        client_reference_id: tenantId,
        line_items: [{ price, quantity: 1 }],
        metadata: { tenant_id: tenantId, plan_key: plan },
        subscription_data: { metadata: { tenant_id: tenantId } },
        success_url: `${page}?session_id={CHECKOUT_SESSION_ID}`,
        cancel_url: page,
      },
      // Each change of the subscription raises the version, so that a used page is not returned again.
      { idempotencyKey: `checkout:${tenantId}:${plan}:${version}` },
    ),
  )
  return pageOf(session)
}

/** A second subscription would be paid in addition to the first, so the owner changes the existing one. */
async function changePage(ctx: Ctx, standing: Subscription, plan: Plan): Promise<Page> {
  const { env, tenantId, now } = ctx
  const { customerId, subscriptionId } = standing
  if (subscriptionId === null) throw new Error('a subscribed tenant has no subscription')
  const price = priceOf(env, plan)
  const { items } = await asked(env, 'subscription', (stripe) =>
    stripe.subscriptions.retrieve(subscriptionId),
  )
  const [item] = items.data
  if (!item)
    throw new Fault(
      'conflict',
      'The subscription has no item to change. Change the plan in the billing portal.',
    )
  const session = await asked(env, 'billing_portal.session', (stripe) =>
    stripe.billingPortal.sessions.create(
      {
        customer: customerId,
        return_url: billingPage(env),
        flow_data: {
          type: 'subscription_update_confirm',
          subscription_update_confirm: {
            subscription: subscriptionId,
            items: [{ id: item.id, price, quantity: 1 }],
          },
        },
      },
      { idempotencyKey: `change:${tenantId}:${plan}:${minuteOf(now)}` },
    ),
  )
  return pageOf(session)
}

function pageOf({ id, url }: { id: string; url: string | null }): Page {
  if (url !== null) return { id, url }
  throw new Fault('payment_unavailable', 'The payment provider returned no page. Try again in a minute.', {
    retryAfter: 60,
  })
}

function priceOf(env: Env, plan: Plan): string {
  const price = plan === 'free' ? undefined : settings(env).stripe?.prices[plan]
  if (price !== undefined) return price
  throw new Fault(
    'not_configured',
    `The plan "${plan}" has no price on this server. Choose another plan_key.`,
    { field: 'plan_key' },
  )
}

/** The page to which a person returns from the payment provider. */
export const billingPage = (env: Env) => `${settings(env).publicUrl}/portal/billing`

/** Pages of Stripe's portal live for minutes, so a repeat within a minute gets the same page. */
const minuteOf = (now: Date) => Math.floor(now.getTime() / 60_000)
