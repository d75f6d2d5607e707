import type Stripe from 'stripe'
import { type Env, settings } from '../../../env.ts'
import { type Actor, database, prepared } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { tell } from '../../ground/log.ts'
import { statement } from '../../ground/sql.ts'
import { audited } from '../../journal/audit.ts'
import { PLANS, type Plan } from '../../policy/plans.ts'
import { type Subscription, subscriptionOf } from './customer.ts'
import { asked, providerOf, told } from './stripe.ts'

/** `actor` is named in the audit log as the author of the change. */
type At = { env: Env; now: Date; actor: Actor }

/** What a tenant pays for now. `checkoutId` is the checkout that it was bought with, which is then used up. */
export type Standing = Pick<
  Subscription,
  'subscriptionId' | 'plan' | 'status' | 'currentPeriodEnd' | 'cancelAtPeriodEnd'
> & { checkoutId?: string }

/** An event of Stripe, counted together with the change that it causes. */
export type Report = { id: string; type: string }

/** How often `settle` tries again when another change comes first. */
const TRIES = 5

/** States in which the tenant has the plan. While a payment is late, Stripe still tries to collect it. */
const ENTITLED = ['active', 'trialing', 'past_due']

const isEntitled = (status: string) => ENTITLED.includes(status)

/** Whether the tenant has an active subscription. */
export function isSubscribed(row: Subscription): row is Subscription & { subscriptionId: string } {
  return row.subscriptionId !== null && isEntitled(row.status)
}

/**
 * Stores what a tenant pays for, and its plan, in one batch. `learn` runs after the version is read, and the batch changes
 * nothing if the version is no longer the same: so an older report never overwrites a newer one. If `learn` returns null,
 * only the report is counted. Fault: `payment_unavailable` if too many other changes came first.
 */
export async function settle(
  { env, now, actor }: At,
  tenantId: string,
  learn: (row: Subscription) => Promise<Standing | null>,
  report: Report | null = null,
): Promise<void> {
  for (let tries = TRIES; tries > 0; tries--) {
    const row = await subscriptionOf({ db: database(env), tenantId })
    if (!row) return
    const standing = await learn(row)
    const read = { tenant: tenantId, version: row.version, now: now.getTime() }
    const changed = await env.DB.batch([
      ...(report ? [countReport.bind(env, { ...read, ...report })] : []),
      ...(standing?.checkoutId === undefined
        ? []
        : [useUpCheckout.bind(env, { ...read, checkout: standing.checkoutId })]),
      changeSubscription.bind(env, { ...read, ...valuesOf(standing ?? row) }),
      planFollows.bind(env, { tenant: tenantId }),
      ...audited({ db: database(env), now, tenantId, actor }, [
        { action: 'plan.changed', target: standing?.subscriptionId ?? null, detail: planDetail(standing) },
      ]).map((query) => prepared(env, query)),
    ])
    if (changed.at(-4)?.results.length === 1) return
  }
  throw new Fault(
    'payment_unavailable',
    'The subscription changed several times at once. Try again in a minute.',
    {
      retryAfter: 60,
    },
  )
}

/**
 * Ends the tenant's subscription at Stripe at once, if there is one. Safe to repeat. Fault: `payment_unavailable` while
 * Stripe cannot be reached.
 */
export async function endSubscription(at: At, tenantId: string): Promise<void> {
  const { env } = at
  const row = await subscriptionOf({ db: database(env), tenantId })
  if (row?.provider !== 'stripe' || providerOf(env) !== 'stripe' || !isSubscribed(row)) return
  const { subscriptionId, customerId } = row
  // A refusal means that it has ended already. The current state is read below.
  await told(env, 'subscription', (stripe) => stripe.subscriptions.cancel(subscriptionId))
  await settle(at, tenantId, () => standingAtStripe(env, customerId))
}

const planDetail = (standing: Standing | null) =>
  standing === null ? {} : { plan: standing.plan, status: standing.status }

function valuesOf({ subscriptionId, plan, status, currentPeriodEnd, cancelAtPeriodEnd }: Standing) {
  return {
    subscription: subscriptionId,
    plan,
    status,
    periodEnd: currentPeriodEnd?.getTime() ?? null,
    ends: cancelAtPeriodEnd ? 1 : 0,
  }
}

/** What the customer pays for now, by Stripe. Null if that is none of our plans. */
export async function standingAtStripe(env: Env, customerId: string): Promise<Standing | null> {
  const list = await asked(env, 'list', (stripe) =>
    stripe.subscriptions.list({ customer: customerId, status: 'all', limit: 100 }),
  )
  const own = list.data.filter(({ customer }) => customer === customerId)
  const paid = own
    .filter(({ status }) => isEntitled(status))
    .map((subscription) => ({ subscription, plan: planOf(env, subscription) }))
  const known = paid.flatMap(({ subscription, plan }) => (plan ? [{ subscription, plan }] : []))
  const [best] = known.sort((a, b) => PLANS[b.plan].month - PLANS[a.plan].month)
  if (best) return standingOf(best.subscription, best.plan)
  if (paid.length > 0) {
    tell('warn', 'stripe_price_unknown')
    return null
  }
  const [last] = own.sort((a, b) => b.created - a.created)
  return last ? standingOf(last, 'free') : NOTHING
}

const NOTHING: Standing = {
  ...{ subscriptionId: null, plan: 'free', status: 'none' },
  ...{ currentPeriodEnd: null, cancelAtPeriodEnd: false },
}

function planOf(env: Env, { items }: Stripe.Subscription): Plan | null {
  const prices = Object.entries(settings(env).stripe?.prices ?? {})
  const found = prices.find(([, price]) => items.data.some((item) => item.price.id === price))
  return (found?.[0] as Plan | undefined) ?? null
}

function standingOf(subscription: Stripe.Subscription, plan: Plan): Standing {
  const { id, status, items, cancel_at_period_end: ends, cancel_at: endsAt } = subscription
  const end = Math.max(0, ...items.data.map((item) => item.current_period_end))
  return {
    subscriptionId: id,
    plan,
    status,
    currentPeriodEnd: end === 0 ? null : new Date(end * 1000),
    cancelAtPeriodEnd: isEntitled(status) && (ends || endsAt !== null),
  }
}

/** The version of the subscription is still the one that was read. */
const IS_UNCHANGED = 's.tenant_id = :tenant AND s.version = :version'

const countReport = statement(`
  INSERT INTO billing_events (tenant_id, id, type, received_at)
  SELECT :tenant, :id, :type, :now FROM subscriptions s WHERE ${IS_UNCHANGED}
  ON CONFLICT DO NOTHING`)

const useUpCheckout = statement(`
  UPDATE checkouts SET completed_at = :now
  WHERE tenant_id = :tenant AND id = :checkout AND completed_at IS NULL
    AND EXISTS (SELECT 1 FROM subscriptions s WHERE ${IS_UNCHANGED})`)

const changeSubscription = statement(`
  UPDATE subscriptions AS s SET subscription_id = :subscription, plan = :plan, status = :status,
    current_period_end = :periodEnd, cancel_at_period_end = :ends, version = version + 1, updated_at = :now
  WHERE ${IS_UNCHANGED} RETURNING tenant_id`)

const planFollows = statement(`
  UPDATE tenants SET plan = s.plan FROM subscriptions s
  WHERE s.tenant_id = tenants.id AND tenants.id = :tenant AND tenants.plan <> s.plan`)
