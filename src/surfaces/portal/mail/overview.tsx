import { Hono } from 'hono'
import { getOverview } from '../../../core/overview/overview.ts'
import { countPending } from '../../../core/sending/approvals.ts'
import { BarsChart, DaysChart } from '../parts/charts.tsx'
import { Empty } from '../parts/parts.tsx'
import type { Portal } from '../session.ts'
import { page } from '../shell.tsx'

const DAYS = 14
/** Rules that one chart holds. */
const RULES = 10
/** Up to which number it is counted what waits. */
const COUNTED = 100

/** What happened, at a glance: what was sent, held and blocked, by which rule, and what waits for a person. */
export const overview = new Hono<Portal>()

overview.get('/', async (c) => {
  const [seen, pending] = await Promise.all([getOverview(c.var.ctx, DAYS), countPending(c.var.ctx)])
  const { totals, days, reasons } = seen
  const isEmpty = Object.values(totals).every((count) => count === 0)
  return await page(
    c,
    'Overview',
    <div id="overview" data-live="message approval">
      <p class="lead">The last {DAYS} days, by the day a send was asked for, in UTC.</p>
      <dl class="tiles">
        <div>
          <dt>Sent</dt>
          <dd>{totals.sent}</dd>
        </div>
        <div>
          <dt>Blocked</dt>
          <dd>
            <a href="/portal/sends?state=blocked">{totals.blocked}</a>
          </dd>
        </div>
        <div>
          <dt>Under way</dt>
          <dd>{totals.underway}</dd>
        </div>
        <div>
          <dt>To be decided</dt>
          <dd>
            <a href="/portal/approvals">{atLeast(pending)}</a>
          </dd>
        </div>
        <div>
          <dt>Trouble</dt>
          <dd>
            <a href="/portal/trouble">{atLeast(seen.unknown, seen.deadLetters)}</a>
          </dd>
        </div>
      </dl>
      {isEmpty ? (
        <Empty>Nothing has been sent yet. As soon as an agent asks for a send, it is counted here.</Empty>
      ) : (
        <div class="split">
          <div class="card">
            <DaysChart days={days} />
          </div>
          <div class="card">
            {reasons.length === 0 ? (
              <p class="soft">No rule has blocked anything.</p>
            ) : (
              <BarsChart
                title={`Blocked, by rule${reasons.length > RULES ? `: the ${RULES} most frequent of ${reasons.length}` : ''}`}
                bars={reasons.slice(0, RULES).map(({ reason, count }) => ({ name: words(reason), count }))}
              />
            )}
          </div>
        </div>
      )}
    </div>,
  )
})

/** What waits, in all; with a plus where it was not counted to the end. */
const atLeast = (...counts: number[]) =>
  `${counts.reduce((sum, count) => sum + count, 0)}${counts.some((count) => count >= COUNTED) ? '+' : ''}`

const words = (reason: string) => reason.replaceAll('_', ' ')
