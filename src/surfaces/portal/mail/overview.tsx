import { Hono } from 'hono'
import { endReview, standingOf, type TenantStanding } from '../../../core/governance/sanctions.ts'
import { may } from '../../../core/ground/ctx.ts'
import { getOverview } from '../../../core/overview/overview.ts'
import { countPending } from '../../../core/sending/approvals.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { BarsChart, DaysChart } from '../parts/charts.tsx'
import { ButtonForm } from '../parts/forms.tsx'
import { Empty, words } from '../parts/text.tsx'
import { page } from '../shell.tsx'

const DAYS = 14
/** Rules that one chart shows. */
const RULES = 10
/** The core counts waiting things up to this number. */
const COUNTED = 100

type Overview = Awaited<ReturnType<typeof getOverview>>

/** The first page: what was sent, held and blocked, by which rule, and what waits for a person. */
export const overview = new Hono<Portal>()

overview.get('/', async (c) => {
  const [seen, pending, standing] = await Promise.all([
    getOverview(c.var.ctx, DAYS),
    countPending(c.var.ctx),
    standingOf(c.var.ctx),
  ])
  const isEmpty = Object.values(seen.totals).every((count) => count === 0)
  return await page(
    c,
    'Overview',
    <div id="overview" data-live="message approval">
      <Standing c={c} standing={standing} />
      <p class="lead">The last {DAYS} days. A send counts on the day it was requested, in UTC.</p>
      <Totals seen={seen} pending={pending} />
      {isEmpty ? (
        <Empty>Nothing has been sent yet. The first send that an agent requests appears here.</Empty>
      ) : (
        <Charts seen={seen} />
      )}
    </div>,
  )
})

overview.post('/review/end', async (c) => {
  await endReview(c.var.ctx)
  return done(c, '/portal', 'The review has ended. The settings of each mailbox decide again.')
})

/** What happened to senders of the account and what follows, with the button of an owner who has looked into it. */
function Standing({ c, standing: { state, sanctions } }: { c: PortalContext; standing: TenantStanding }) {
  if (state === 'good') return null
  return (
    <section class="card">
      <h2>{state === 'review' ? 'This account is in review' : 'This account is suspended'}</h2>
      <ul>
        {sanctions.map(({ why }) => (
          <li>{why}.</li>
        ))}
      </ul>
      {state === 'suspended' ? (
        <p>Nothing is sent. Only the operator of the service can end that.</p>
      ) : (
        <p>
          Every message of every mailbox waits for a person. A second suspension or freeze stops the whole
          account.
        </p>
      )}
      {state === 'review' && may(c.var.ctx, 'loosen') ? (
        <ButtonForm
          c={c}
          action="/portal/review/end"
          class="primary"
          confirm="End the review? Mailboxes that are not suspended themselves can send on their own again."
          about="of this account"
        >
          End the review
        </ButtonForm>
      ) : null}
    </section>
  )
}

function Totals({ seen: { totals, unknown, deadLetters }, pending }: { seen: Overview; pending: number }) {
  const tiles: [name: string, value: unknown][] = [
    ['Sent', totals.sent],
    ['Blocked', <a href="/portal/sends?state=blocked">{totals.blocked}</a>],
    ['In progress', totals.underway],
    ['Waiting for approval', <a href="/portal/approvals">{atLeast(pending)}</a>],
    ['Trouble', <a href="/portal/trouble">{atLeast(unknown, deadLetters)}</a>],
  ]
  return (
    <dl class="tiles">
      {tiles.map(([name, value]) => (
        <div>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

function Charts({ seen: { days, reasons } }: { seen: Overview }) {
  const title =
    reasons.length > RULES
      ? `Blocked, by rule: the ${RULES} most frequent of ${reasons.length}`
      : 'Blocked, by rule'
  return (
    <div class="split">
      <div class="card">
        <DaysChart days={days} />
      </div>
      <div class="card">
        {reasons.length === 0 ? (
          <p class="soft">No rule has blocked anything.</p>
        ) : (
          <BarsChart
            title={title}
            bars={reasons.slice(0, RULES).map(({ reason, count }) => ({ name: words(reason), count }))}
          />
        )}
      </div>
    </div>
  )
}

/** The sum of the counts, with a plus if one of them was not counted to the end. */
const atLeast = (...counts: number[]) =>
  `${counts.reduce((sum, count) => sum + count, 0)}${counts.some((count) => count >= COUNTED) ? '+' : ''}`
