import { Hono } from 'hono'
import { may, mustBeAllowed } from '../../../core/ground/ctx.ts'
import { Fault, type FaultCode } from '../../../core/ground/fault.ts'
import { openPortal, startCheckout } from '../../../core/payments/billing/checkout.ts'
import { type Billing, getSubscription } from '../../../core/payments/billing/subscription.ts'
import { PENDING_MS } from '../../../core/payments/bonds/attend.ts'
import { BOND_AMOUNTS, type Bond, type BondTier } from '../../../core/payments/bonds/bond.ts'
import { listBonds, startBond, withdrawBond } from '../../../core/payments/bonds/bonds.ts'
import { PLANS, type Plan } from '../../../core/policy/plans.ts'
import { posted } from '../forms/posted.ts'
import { asked, Badge, Field, Form, Listing, minuteOf, PAGE, Table, Time } from '../parts/parts.tsx'
import { done, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

const NAMES = Object.keys(PLANS) as Plan[]
const TIERS = Object.keys(BOND_AMOUNTS) as BondTier[]

/** What a person can do something about, or wait for. */
const MENDED: FaultCode[] = ['invalid', 'conflict', 'not_configured', 'payment_unavailable']

/** What the account may send and pays for it, and the money that vouches for its mail. */
export const billing = new Hono<Portal>()

billing.get('/billing', billingPage)

billing.post('/billing/plan', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  return await posted(c, {
    async act(form) {
      const plan = NAMES.find((each) => each === form.plan)
      if (!plan) throw new Fault('invalid', 'Choose a plan.', { field: 'plan' })
      const { status, url, effectiveAt } = await startCheckout(c.var.ctx, plan)
      if (status === 'open') return await elsewherePage(c, `The plan ${plan}`, url, 'Go on to pay')
      const until = effectiveAt === null ? 'its end' : minuteOf(effectiveAt)
      const said =
        status === 'complete' ? `The plan is ${plan}.` : `The plan stays until ${until}, and is ${plan} then.`
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
      return await elsewherePage(c, 'Invoices and card', url, 'Open them')
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
      if (!tier) throw new Fault('invalid', 'Choose what is held.', { field: 'tier' })
      const { bond, url } = await startBond(c.var.ctx, tier)
      if (url !== null) {
        const held = `${dollars(bond.amountUsdCents)} is held on the card and not charged. The bond waits a day for it.`
        return await elsewherePage(c, 'A card for the bond', url, 'Enter the card', held)
      }
      return done(c, '/portal/billing', saidOf(bond))
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

/** A form may not lead to another site, so that nothing of ours is sent there; a link may. */
async function elsewherePage(c: PortalContext, title: string, url: string, label: string, more = '') {
  return await page(
    c,
    title,
    <>
      <p>
        This is done on a page at {new URL(url).host}, which leads back here. {more}
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
  const [standing, { bonds, hasMore }] = await Promise.all([
    getSubscription(ctx),
    listBonds(ctx, { limit: PAGE, after: asked(c, 'before') ?? null }),
  ])
  const { plan, provider, currentPeriodEnd, cancelAtPeriodEnd } = standing
  const mayPay = may(ctx, 'manage') && provider !== 'none'
  const returned = bonds.find(({ id }) => id === asked(c, 'bond'))
  const isFirst = asked(c, 'before') === undefined
  const isPosted = bonds.some(({ status }) => status === 'posted')
  return await page(
    c,
    'Billing',
    <>
      <p class="lead">
        The plan is {plan}. <Badge state={standing.status} />{' '}
        {currentPeriodEnd ? (
          <>
            {cancelAtPeriodEnd ? 'It ends' : 'It is paid for until'} <Time at={currentPeriodEnd} />.
          </>
        ) : null}
      </p>
      {asked(c, 'session_id') ? (
        <p class="note">What you have paid for counts as soon as we are told of it, within a minute.</p>
      ) : null}
      {returned ? <p class="note">{saidOf(returned)}</p> : null}
      <h2>How far it is used</h2>
      <div class="split even">
        <Use name="Today" {...standing.daily} />
        <Use name="This month" {...standing.monthly} />
      </div>
      <p class="soft">
        Days and months are counted in UTC, over all mailboxes. {standing.sentIn24h} messages were accepted in
        the last 24 hours.
      </p>
      <h2>Plans</h2>
      {provider === 'none' ? <p class="note">Nothing can be paid for here: ask whoever runs this.</p> : null}
      {provider === 'local' ? <p class="note">This is local development: no money moves.</p> : null}
      {provider === 'stripe' ? (
        <p>What a plan costs is shown on the page of Stripe's, before anything is paid.</p>
      ) : null}
      <Plans c={c} standing={standing} mayPay={mayPay} />
      {mayPay ? (
        <Form c={c} action="/portal/billing/portal">
          <button type="submit">Invoices and card</button>
        </Form>
      ) : null}
      <h2>Bonds</h2>
      <p>
        A bond is money that your card holds for as long as you want to vouch for your mail with it. It is
        taken for abuse alone. While it is held, the account is autonomous, and its mail says that its sender
        is verified.
      </p>
      <Bonds c={c} bonds={bonds} next={hasMore ? (bonds.at(-1)?.id ?? null) : null} />
      {mayPay && isFirst && !isPosted ? (
        <Form c={c} action="/portal/billing/bonds" class="card">
          <h3>Post a bond</h3>
          <Field
            c={c}
            label="What is held"
            name="tier"
            hint="Held on your card, anew every seven days, and charged only if it is taken."
            options={TIERS.map((tier): [string, string] => [tier, `${tier}: ${dollars(BOND_AMOUNTS[tier])}`])}
          />
          <div class="actions">
            <button class="primary" type="submit">
              Post it
            </button>
          </div>
        </Form>
      ) : null}
    </>,
  )
}

function Use({ name, used, remaining }: { name: string; used: number; remaining: number }) {
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

function Plans({ c, standing, mayPay }: { c: PortalContext; standing: Billing; mayPay: boolean }) {
  const isChosen = (plan: Plan) => plan === standing.plan && !standing.cancelAtPeriodEnd
  return (
    <Form c={c} action="/portal/billing/plan">
      <Table
        caption="Plans"
        head={['Plan', 'Sends a day', 'Sends a month', '']}
        rows={NAMES.map((plan) => [
          plan,
          counted(PLANS[plan].day),
          counted(PLANS[plan].month),
          isChosen(plan) ? (
            <Badge state="current" tone="good" />
          ) : mayPay ? (
            <button
              class="small"
              type="submit"
              name="plan"
              value={plan}
              {...(plan === 'free' ? { 'data-confirm': 'End the plan that is paid for?' } : {})}
            >
              Choose <span class="visually-hidden">the plan {plan}</span>
            </button>
          ) : null,
        ])}
      />
    </Form>
  )
}

function Bonds({ c, bonds, next }: { c: PortalContext; bonds: Bond[]; next: string | null }) {
  const mayManage = may(c.var.ctx, 'manage')
  return (
    <Listing
      c={c}
      of={{ shown: bonds, next }}
      caption="Bonds"
      head={['Bond', 'Held', 'State', 'Posted', 'Held anew', 'Ended', '']}
      row={(bond) => [
        bond.tier,
        dollars(bond.amountUsdCents),
        <>
          <Badge state={bond.status} /> {reasonOf(bond)}
        </>,
        bond.postedAt ? <Time at={bond.postedAt} /> : bond.status === 'pending' ? <Waits bond={bond} /> : '',
        bond.nextReauthAt ? <Time at={bond.nextReauthAt} /> : '',
        bond.endedAt ? <Time at={bond.endedAt} /> : '',
        mayManage && bond.status === 'pending' ? (
          <div class="row">
            {bond.provider === 'stripe' && bond.paymentMethodId === null ? (
              <Form c={c} action="/portal/billing/bonds">
                <input type="hidden" name="tier" value={bond.tier} />
                <button class="small primary" type="submit">
                  Enter the card <span class="visually-hidden">for the bond {bond.tier}</span>
                </button>
              </Form>
            ) : null}
            <Form c={c} action={`/portal/billing/bonds/${bond.id}/withdraw`}>
              <button class="small danger" type="submit" data-confirm="Withdraw this bond?">
                Withdraw <span class="visually-hidden">the bond {bond.tier}</span>
              </button>
            </Form>
          </div>
        ) : bond.status === 'posted' ? (
          <span class="soft">held until the operator lets go</span>
        ) : null,
      ]}
    >
      No bond has been posted.
    </Listing>
  )
}

/** Until when a bond may wait for its card. */
function Waits({ bond }: { bond: Bond }) {
  if (bond.paymentMethodId !== null) return <>not yet: the money is being held</>
  return (
    <>
      no card yet; given up at <Time at={new Date(bond.createdAt.getTime() + PENDING_MS)} />
    </>
  )
}

/** What has become of the bond whose owner comes back from entering a card. */
function saidOf(bond: Bond): string {
  if (bond.status === 'posted') return 'The bond is posted: the money is held.'
  if (bond.status !== 'pending') return `The bond is not posted: ${reasonOf(bond) || bond.status}.`
  return 'The bond is posted as soon as we are told of the card that was entered: within a minute.'
}

const REASONS: Record<string, string> = {
  never_confirmed: 'no card was entered within a day',
  setup_canceled: 'the card was not entered',
  provider_unreachable: 'the money could not be held anew for a day',
  captured_elsewhere: 'taken at the payment provider',
}

const reasonOf = ({ reason }: Bond) =>
  reason === null ? '' : (REASONS[reason] ?? reason.replaceAll('_', ' '))

const counted = (count: number) => count.toLocaleString('en')

const dollars = (cents: number) =>
  new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', maximumFractionDigits: 0 }).format(
    cents / 100,
  )
