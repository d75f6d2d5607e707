import type { MiddlewareHandler } from 'hono'
import type { Child } from 'hono/jsx'
import {
  completeLocalCheckout,
  findLocalCheckout,
  findLocalCustomer,
} from '../../core/payments/billing/ledger.ts'
import { PLANS } from '../../core/policy/plans.ts'
import { type App, router } from '../http.ts'

/** The payment pages of the local ledger, which replace Stripe's. No money moves here. */
export const billing = router()

const hardened: MiddlewareHandler<App> = async (c, next) => {
  await next()
  c.header('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
}

for (const area of ['/checkout/*', '/billing/*']) billing.use(area, hardened)

billing.get('/checkout/:id', async (c) => {
  const { plan, isComplete } = await findLocalCheckout(c.env, c.req.param('id'))
  return c.html(
    <Page title={isComplete ? `You have the plan ${plan}` : `Pay for the plan ${plan}`}>
      <p>
        {PLANS[plan].day} sends a day and {PLANS[plan].month} a month, for 30 days. This is local development:
        nothing is charged.
      </p>
      {isComplete ? null : (
        <form method="post">
          <button type="submit">Pay nothing</button>
        </form>
      )}
    </Page>,
  )
})

billing.post('/checkout/:id', async (c) => {
  await completeLocalCheckout({ env: c.env, now: c.get('now') }, c.req.param('id'))
  return c.redirect(c.req.path, 303)
})

billing.get('/billing/:customerId', async (c) => {
  const { plan, status } = await findLocalCustomer(c.env, c.req.param('customerId'))
  return c.html(
    <Page title={`The plan is ${plan}`}>
      <p>
        The state of the subscription is “{status}”. This is local development: there are no invoices and no
        card.
      </p>
    </Page>,
  )
})

function Page({ title, children }: { title: string; children: Child }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>{title} · Moltpost</title>
      </head>
      <body>
        <h1>{title}</h1>
        {children}
      </body>
    </html>
  )
}
