import { openPortal, startCheckout } from '../../core/payments/billing/checkout.ts'
import { getSubscription } from '../../core/payments/billing/subscription.ts'
import { body, createRoute, json, router, z } from '../http.ts'
import { jsonIfAny } from './words.ts'

const PlanKey = z.enum(['free', 'starter', 'growth', 'team', 'enterprise'])
const ProviderName = z.enum(['stripe', 'local']).openapi({
  description: '`local` under local development: a ledger without money.',
})
const Use = z.object({ used: z.int(), remaining: z.int() })

const SubscriptionView = z
  .object({
    plan_key: PlanKey,
    status: z.string().openapi({ description: 'Stripe’s status; `active` for a plan that costs nothing.' }),
    provider: z.enum(['stripe', 'local', 'none']),
    limits: z.object({ daily: z.int(), monthly: z.int() }),
    usage_24h: z.object({ sent: z.int() }),
    daily: Use.openapi({ description: 'The current UTC day. The daily limit counts by UTC days.' }),
    monthly: Use.openapi({ description: 'The UTC month.' }),
    current_period_end: z.string().nullable(),
    cancel_at_period_end: z.boolean(),
  })
  .openapi('Subscription')

const CheckoutView = z
  .object({
    url: z.string(),
    session_id: z.string().nullable(),
    plan_key: PlanKey,
    provider: ProviderName,
    status: z.enum(['open', 'scheduled', 'complete']),
    effective_at: z.string().nullable(),
  })
  .openapi('Checkout')

const common = { tags: ['billing'], security: [{ bearer: [] }] }

export const billing = router()

billing.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/billing/subscription',
    summary: 'Current plan + 24h usage',
    responses: { 200: json(SubscriptionView) },
  }),
  async (c) => {
    const found = await getSubscription(c.var.ctx)
    return c.json(
      {
        plan_key: found.plan,
        status: found.status,
        provider: found.provider,
        limits: found.limits,
        usage_24h: { sent: found.sentIn24h },
        daily: found.daily,
        monthly: found.monthly,
        current_period_end: found.currentPeriodEnd?.toISOString() ?? null,
        cancel_at_period_end: found.cancelAtPeriodEnd,
      },
      200,
    )
  },
)

billing.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/billing/checkout',
    summary: 'Start a Stripe Checkout session',
    description:
      'A person pays at `url`; then the plan changes. `free` ends the subscription at the end of the paid period, or at once if nothing is paid.',
    request: body(z.object({ plan_key: PlanKey })),
    responses: { 200: json(CheckoutView, 'Session URL returned') },
  }),
  async (c) => {
    const { plan_key } = c.req.valid('json')
    const { provider, url, sessionId, status, effectiveAt } = await startCheckout(c.var.ctx, plan_key)
    const effective_at = effectiveAt?.toISOString() ?? null
    return c.json({ url, session_id: sessionId, plan_key, provider, status, effective_at }, 200)
  },
)

billing.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/billing/portal',
    summary: 'Open Stripe customer portal',
    middleware: jsonIfAny,
    responses: { 200: json(z.object({ url: z.string(), provider: ProviderName }), 'Portal URL returned') },
  }),
  async (c) => c.json(await openPortal(c.var.ctx), 200),
)
