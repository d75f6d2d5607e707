import { and, eq, isNull } from 'drizzle-orm'
import type Stripe from 'stripe'
import { z } from 'zod'
import { type Env, settings } from '../../../env.ts'
import { billingEvents, checkouts, subscriptions } from '../../../schema/payments.ts'
import { type Actor, database } from '../../ground/ctx.ts'
import { sha256 } from '../../ground/hash.ts'
import { learnCharge, learnHold, learnPage, learnSetup } from '../bonds/learn.ts'
import type { Subscription } from './customer.ts'
import { type Report, type Standing, settle, standingAtStripe } from './standing.ts'
import { asked, idOf, stripeOf } from './stripe.ts'

type At = { env: Env; now: Date; actor: Actor }

/** `counted` is 1 if the event was new and about one of our tenants. */
type Taken =
  | { kind: 'taken'; counted: 0 | 1 }
  | { kind: 'refused'; reason: string }
  | { kind: 'unconfigured' }

/** How old a signature may be, in seconds. */
const TOLERANCE_S = 300

const StripeEvent = z.object({
  id: z.string().optional(),
  type: z.string(),
  data: z.object({
    object: z.object({
      id: z.string(),
      customer: z.union([z.string(), z.object({ id: z.string() })]).nullish(),
    }),
  }),
})

/** What an event is about. We use nothing else of it, and ask Stripe for the current state. */
type Subject = { tenantId: string; customerId: string; id: string; report: Report }

/** What to ask Stripe about after an event of each type. Events of other types are ignored. */
const LEARNERS: [type: RegExp, learn: (at: At, subject: Subject) => Promise<void>][] = [
  [/^checkout\.session\.(completed|async_payment_succeeded)$/, learnCheckout],
  [/^customer\.subscription\./, learnSubscription],
  [/^invoice\.(paid|payment_failed)$/, learnSubscription],
  [/^setup_intent\./, (at, { report, ...subject }) => learnSetup(at, subject, report)],
  [/^payment_intent\./, (at, { report, ...subject }) => learnHold(at, subject, report)],
  [/^charge\.refunded$/, (at, { report, ...subject }) => learnCharge(at, subject, report)],
]

/**
 * Handles an event of Stripe's webhook if its signature is valid. An event is only a reason to ask Stripe for the current
 * state, so order and repetition do not matter. Each event id is counted once, in the batch of its change. Throws
 * `payment_unavailable` if Stripe cannot be asked: Stripe will then send the event again.
 */
export async function takeStripeReport(
  { env, now }: Pick<At, 'env' | 'now'>,
  { signature, body }: { signature: string | null; body: string },
): Promise<Taken> {
  const at: At = { env, now, actor: { kind: 'system', name: 'stripe' } }
  const { stripe } = settings(env)
  if (!stripe?.webhookSecret) return { kind: 'unconfigured' }
  const event = await verified(at, stripe.webhookSecret, signature ?? '', body)
  if (typeof event === 'string') return { kind: 'refused', reason: event }
  const learn = LEARNERS.find(([type]) => type.test(event.type))?.[1]
  const customerId = idOf(event.data.object.customer)
  if (!learn || customerId === null) return { kind: 'taken', counted: 0 }
  // Events of an emulator have no id: the same bytes count as the same event.
  const report = { id: event.id ?? `sha256:${await sha256(body)}`, type: event.type }
  const tenantId = await tenantOf(env, customerId)
  if (tenantId === null || (await isCounted(env, tenantId, report))) return { kind: 'taken', counted: 0 }
  await learn(at, { tenantId, customerId, id: event.data.object.id, report })
  return { kind: 'taken', counted: 1 }
}

/** The event, or the reason why it is refused. */
async function verified(
  { env, now }: Pick<At, 'env' | 'now'>,
  secret: string,
  signature: string,
  body: string,
) {
  const { default: Sdk } = await import('stripe')
  const stripe = await stripeOf(env)
  try {
    const crypto = Sdk.createSubtleCryptoProvider()
    const event: unknown = await stripe.webhooks.constructEventAsync(
      ...[body, signature, secret, TOLERANCE_S, crypto, now.getTime()],
    )
    const parsed = StripeEvent.safeParse(event)
    return parsed.success ? parsed.data : 'not an event'
  } catch (error) {
    const { type } = error as { type?: unknown }
    return typeof type === 'string' ? type : 'not an event'
  }
}

async function tenantOf(env: Env, customerId: string): Promise<string | null> {
  const [row] = await database(env)
    .select({ tenantId: subscriptions.tenantId })
    .from(subscriptions)
    .where(and(eq(subscriptions.customerId, customerId), eq(subscriptions.provider, 'stripe')))
  return row?.tenantId ?? null
}

async function isCounted(env: Env, tenantId: string, { id }: Report): Promise<boolean> {
  const rows = await database(env)
    .select({ id: billingEvents.id })
    .from(billingEvents)
    .where(and(eq(billingEvents.tenantId, tenantId), eq(billingEvents.id, id)))
  return rows.length > 0
}

async function learnSubscription(at: At, { tenantId, report }: Subject): Promise<void> {
  await settle(at, tenantId, ({ customerId }) => standingAtStripe(at.env, customerId), report)
}

async function learnCheckout(at: At, { report, ...subject }: Subject): Promise<void> {
  if (await learnPage(at, subject, report)) return
  const { tenantId, id } = subject
  await settle(at, tenantId, (row) => paidBy(at.env, row, id), report)
}

/** The subscription that the tenant bought by this checkout. Null if the checkout is not complete and paid. */
async function paidBy(
  env: Env,
  { tenantId, customerId }: Subscription,
  id: string,
): Promise<Standing | null> {
  const [checkout] = await database(env)
    .select()
    .from(checkouts)
    .where(and(eq(checkouts.tenantId, tenantId), eq(checkouts.id, id), isNull(checkouts.completedAt)))
  if (!checkout) return null
  const session = await asked(env, 'checkout.session', (stripe) => stripe.checkout.sessions.retrieve(id))
  if (!isPaid(session) || idOf(session.customer) !== customerId) return null
  if (session.subscription) {
    const standing = await standingAtStripe(env, customerId)
    return standing && { ...standing, checkoutId: id }
  }
  // Emulators of Stripe have no subscriptions. There, a paid plan stays until the tenant ends it.
  return {
    ...{ checkoutId: id, subscriptionId: null, plan: checkout.plan, status: 'active' },
    ...{ currentPeriodEnd: null, cancelAtPeriodEnd: false },
  }
}

const isPaid = ({ status, payment_status: paid }: Stripe.Checkout.Session) =>
  status === 'complete' && paid !== 'unpaid'
