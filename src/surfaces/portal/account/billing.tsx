import { Hono } from 'hono'
import { may, mustBeAllowed } from '../../../core/ground/ctx.ts'
import { Fault, type FaultCode } from '../../../core/ground/fault.ts'
import { openPortal, startCheckout } from '../../../core/payments/billing/checkout.ts'
import { type Billing, getSubscription } from '../../../core/payments/billing/subscription.ts'
import { listBonds, startBond, withdrawBond } from '../../../core/payments/bonds/bonds.ts'
import { PLANS, type Plan } from '../../../core/policy/plans.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { posted } from '../forms/posted.ts'
import { ButtonForm, Form } from '../parts/forms.tsx'
import { asked, PAGE } from '../parts/list.tsx'
import { Table } from '../parts/table.tsx'
import { Badge, minuteOf, Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'
import { BondForm, Bonds, dollars, stateInWords, TIERS } from './bonds.tsx'

const NAMES = Object.keys(PLANS) as Plan[]

/** Faults that a person can correct, or that pass with time. */
const MENDED: FaultCode[] = ['invalid', 'conflict', 'not_configured', 'payment_unavailable']

/** The plan of the account, how much of it is used, and the bonds. */
export const billing = new Hono<Portal>()

billing.get('/billing', billingPage)

billing.post('/billing/plan', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  return await posted(c, {
    async act(form) {
      const plan = NAMES.find((each) => each === form.plan)
      if (!plan) throw new Fault('invalid', `Choose a plan: ${NAMES.join(', ')}.`, { field: 'plan' })
      const { status, url, effectiveAt } = await startCheckout(c.var.ctx, plan)
      if (status === 'open') return await leavePage(c, `The plan ${plan}`, url, 'Continue to payment')
      const until = effectiveAt === null ? 'it ends' : minuteOf(effectiveAt)
      const said =
        status === 'complete'
          ? `The plan is now ${plan}.`
          : `The present plan stays until ${until}. Then the plan is ${plan}.`
      return done(c, '/portal/billing', said)
    },
    again: () => billingPage(c),
    mended: MENDED,
  })
})

billing.post('/billing/portal', async (c) => {
  return await posted(c, {
    async act() {
      const { url } = await openPortal(c.var.ctx)
      return await leavePage(c, 'Invoices and card', url, 'Open invoices and card')
    },
    again: () => billingPage(c),
    mended: MENDED,
  })
})

billing.post('/billing/bonds', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  return await posted(c, {
    async act(form) {
      const tier = TIERS.find((each) => each === form.tier)
      if (!tier) throw new Fault('invalid', `Choose a bond: ${TIERS.join(', ')}.`, { field: 'tier' })
      const { bond, url } = await startBond(c.var.ctx, tier)
      if (url === null) return done(c, '/portal/billing', stateInWords(bond))
      const amount = dollars(bond.amountUsdCents)
      const more = `${amount} is reserved on the card and not charged. Enter the card within a day.`
      return await leavePage(c, 'A card for the bond', url, 'Enter the card', more)
    },
    again: () => billingPage(c),
    mended: MENDED,
    field: 'tier',
  })
})

billing.post('/billing/bonds/:bondId/withdraw', async (c) => {
  await withdrawBond(c.var.ctx, c.req.param('bondId'))
  return done(c, '/portal/billing', 'The bond is withdrawn.')
})

/** A page with a link to another site. The content security policy lets no form lead there, but a link may. */
async function leavePage(c: PortalContext, title: string, url: string, label: string, more = '') {
  return await page(
    c,
    title,
    <>
      <p>
        This opens a page at {new URL(url).host}, which then brings you back here. {more}
      </p>
      <div class="actions">
        <a class="button primary" href={url} rel="noreferrer">
          {label}
        </a>
        <a class="button" href="/portal/billing">
          Not now
        </a>
      </div>
    </>,
  )
}

async function billingPage(c: PortalContext) {
  const { ctx } = c.var
  const [subscription, { bonds, hasMore }] = await Promise.all([
    getSubscription(ctx),
    listBonds(ctx, { limit: PAGE, after: asked(c, 'before') ?? null }),
  ])
  const mayPay = may(ctx, 'manage') && subscription.provider !== 'none'
  const returned = bonds.find(({ id }) => id === asked(c, 'bond'))
  const isFirst = asked(c, 'before') === undefined
  const isPosted = bonds.some(({ status }) => status === 'posted')
  return await page(
    c,
    'Billing',
    <>
      <CurrentPlan subscription={subscription} />
      {asked(c, 'session_id') ? (
        <p class="note">Your payment takes effect within a minute, once the payment provider confirms it.</p>
      ) : null}
      {returned ? <p class="note">{stateInWords(returned)}</p> : null}
      <h2>Usage</h2>
      <div class="split even">
        <Usage name="Today" {...subscription.daily} />
        <Usage name="This month" {...subscription.monthly} />
      </div>
      <p class="soft">
        Days and months are counted in UTC, over all mailboxes. {subscription.sentIn24h} messages were
        accepted in the last 24 hours.
      </p>
      <h2>Plans</h2>
      <PaymentNote provider={subscription.provider} />
      <Plans c={c} subscription={subscription} mayPay={mayPay} />
      {mayPay ? (
        <ButtonForm c={c} action="/portal/billing/portal">
          Invoices and card
        </ButtonForm>
      ) : null}
      <h2>Bonds</h2>
      <p>
        A bond is money that is reserved on your card as a guarantee for your mail. It is taken only in case
        of abuse. While a bond is posted, the account has the level autonomous, and its mail says that the
        sender is verified.
      </p>
      <Bonds c={c} bonds={bonds} next={hasMore ? (bonds.at(-1)?.id ?? null) : null} />
      {mayPay && isFirst && !isPosted ? <BondForm c={c} /> : null}
    </>,
  )
}

type Subscribed = { subscription: Billing }

function CurrentPlan({ subscription: { plan, status, currentPeriodEnd, cancelAtPeriodEnd } }: Subscribed) {
  return (
    <p class="lead">
      The plan is {plan}. <Badge state={status} />{' '}
      {currentPeriodEnd ? (
        <>
          {cancelAtPeriodEnd ? 'It ends' : 'It is paid until'} <Time at={currentPeriodEnd} />.
        </>
      ) : null}
    </p>
  )
}

function PaymentNote({ provider }: { provider: Billing['provider'] }) {
  if (provider === 'none') {
    return <p class="note">Payments are not set up here. To change the plan, ask the operator.</p>
  }
  if (provider === 'local') return <p class="note">This is local development. No money is charged.</p>
  return <p>Stripe shows the price of a plan before you pay.</p>
}

function Usage({ name, used, remaining }: { name: string; used: number; remaining: number }) {
  const limit = used + remaining
  const id = `use-${name.replace(' ', '-').toLowerCase()}`
  return (
    <div class="card">
      <label for={id}>{name}</label>
      <progress id={id} max={Math.max(1, limit)} value={used} />
      <p class="num">
        {counted(used)} of {counted(limit)}, {counted(remaining)} left
      </p>
    </div>
  )
}

function Plans({ c, subscription, mayPay }: Subscribed & { c: PortalContext; mayPay: boolean }) {
  const isCurrent = (plan: Plan) => plan === subscription.plan && !subscription.cancelAtPeriodEnd
  return (
    <Form c={c} action="/portal/billing/plan">
      <Table
        caption="Plans"
        head={['Plan', 'Sends per day', 'Sends per month', '']}
        rows={NAMES.map((plan) => [
          plan,
          counted(PLANS[plan].day),
          counted(PLANS[plan].month),
          isCurrent(plan) ? (
            <Badge state="current" tone="good" />
          ) : mayPay ? (
            <button
              class="small"
              type="submit"
              name="plan"
              value={plan}
              {...(plan === 'free' ? { 'data-confirm': 'End the paid plan?' } : {})}
            >
              Choose <span class="visually-hidden">the plan {plan}</span>
            </button>
          ) : null,
        ])}
      />
    </Form>
  )
}

const counted = (count: number) => count.toLocaleString('en')
