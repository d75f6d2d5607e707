import { Fault } from '../../core/ground/fault.ts'
import { tell } from '../../core/ground/log.ts'
import { takeStripeReport } from '../../core/payments/billing/events.ts'
import { createRoute, json, router, z } from '../http.ts'

const Failure = z.object({ error: z.string(), message: z.string() })

/** The route to which Stripe reports events about payments. */
export const stripeEvents = router()

stripeEvents.openapi(
  createRoute({
    method: 'post',
    path: '/stripe',
    tags: ['provider-events'],
    summary: 'Report events about payments (for Stripe)',
    // Any content type: the body is verified byte by byte before it is parsed.
    request: {
      body: {
        required: true,
        content: { '*/*': { schema: z.any(), example: { id: 'evt_1abc', type: 'invoice.paid' } } },
      },
    },
    responses: {
      200: json(
        z.object({ received: z.int() }),
        'How many events were counted; repeated events are not counted',
      ),
      401: json(Failure, 'It is not proven that the report comes from Stripe'),
      413: json(Failure, 'The report is larger than 1 MiB'),
      503: json(
        Failure,
        'Reports of Stripe are not configured here, or Stripe did not answer our question. Send the report again',
      ),
    },
  }),
  async (c) => {
    const { env, req } = c
    const report = { signature: req.header('stripe-signature') ?? null, body: await req.text() }
    const taken = await takeStripeReport({ env, now: c.get('now') }, report)
    if (taken.kind === 'taken') return c.json({ received: taken.counted }, 200)
    if (taken.kind === 'unconfigured')
      throw new Fault(
        'not_configured',
        'Reports of Stripe are not configured here. Set STRIPE_WEBHOOK_SECRET in the Worker.',
      )
    tell('warn', 'provider_report_refused', { carrier: 'stripe', reason: taken.reason })
    throw new Fault('unauthorized', 'It is not proven that the report comes from Stripe.')
  },
)
