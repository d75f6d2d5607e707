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

/** `counted` is how many events of the report were about somebody here and had not been counted before. */
export type Taken =
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

/** What an event says no more than: look again at this. */
type Subject = { tenantId: string; customerId: string; id: string; report: Report }

/** What is looked at again when an event of such a type comes. All others are told apart from nothing. */
const LOOKS: [type: RegExp, look: (at: At, subject: Subject) => Promise<void>][] = [
  [/^checkout\.session\.(completed|async_payment_succeeded)$/, lookAtCheckout],
  [/^customer\.subscription\./, lookAtSubscription],
  [/^invoice\.(paid|payment_failed)$/, lookAtSubscription],
  [/^setup_intent\./, (at, { report, ...subject }) => learnSetup(at, subject, report)],
  [/^payment_intent\./, (at, { report, ...subject }) => learnHold(at, subject, report)],
  [/^charge\.refunded$/, (at, { report, ...subject }) => learnCharge(at, subject, report)],
]

/**
 * Takes in what Stripe reports, once it is proven to be Stripe's. An event is only the reason to ask Stripe how the thing
 * stands now, so that neither order nor repetition matters, and each id is counted once, in the batch of its change.
 * Throws where Stripe cannot be asked: it reports again.
 */
export async function takeStripeReport(
  { env, now }: Pick<At, 'env' | 'now'>,
  { signature, body }: { signature: string | null; body: string },
): Promise<Taken> {
  const at: At = { env, now, actor: { kind: 'system', name: 'stripe' } }
  const { stripe } = settings(env)
  if (!stripe?.webhookSecret) return { kind: 'unconfigured' }
  const event = await proven(at, stripe.webhookSecret, signature ?? '', body)
  if (typeof event === 'string') return { kind: 'refused', reason: event }
  const look = LOOKS.find(([type]) => type.test(event.type))?.[1]
  const customerId = idOf(event.data.object.customer)
  if (!look || customerId === null) return { kind: 'taken', counted: 0 }
  // An emulator's events bear no id: of the same bytes one is enough.
  const report = { id: event.id ?? `sha256:${await sha256(body)}`, type: event.type }
  const tenantId = await tenantOf(env, customerId)
  if (tenantId === null || (await isCounted(env, tenantId, report))) return { kind: 'taken', counted: 0 }
  await look(at, { tenantId, customerId, id: event.data.object.id, report })
  return { kind: 'taken', counted: 1 }
}

async function proven(
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

async function lookAtSubscription(at: At, { tenantId, report }: Subject): Promise<void> {
  await settle(at, tenantId, ({ customerId }) => standingAtStripe(at.env, customerId), report)
}

async function lookAtCheckout(at: At, { report, ...subject }: Subject): Promise<void> {
  if (await learnPage(at, subject, report)) return
  const { tenantId, id } = subject
  await settle(at, tenantId, (row) => paidBy(at.env, row, id), report)
}

/** What the tenant has by a checkout of its own that is complete and paid, else null. */
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
  // Emulators of Stripe know checkouts and no subscriptions: what was paid for once stands until it is ended.
  return {
    ...{ checkoutId: id, subscriptionId: null, plan: checkout.plan, status: 'active' },
    ...{ currentPeriodEnd: null, cancelAtPeriodEnd: false },
  }
}

const isPaid = ({ status, payment_status: paid }: Stripe.Checkout.Session) =>
  status === 'complete' && paid !== 'unpaid'
