import { and, inArray, lte, sql } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { arrivals } from '../../schema/arrivals.ts'
import { idempotency } from '../../schema/ground.ts'
import { sends } from '../../schema/sending.ts'
import { sweepDomains } from '../accounts/domains/verify.ts'
import { forgetSessions } from '../accounts/sessions.ts'
import { sweepAudit } from '../governance/audit/sweep.ts'
import { sweepCompliance } from '../governance/compliance/sweep.ts'
import { database } from '../ground/ctx.ts'
import { ringAll, ringArrivals, type SendBell } from '../journal/bells.ts'
import { forgetExpired } from '../mail/memory.ts'
import { noticeHeld } from '../notices/letters.ts'
import { forgetTokens } from '../notices/tokens.ts'
import { sweepBonds } from '../payments/bonds/attend.ts'
import { isAtWorker, type SendState, STATES, statesWhere } from '../policy/states.ts'
import { sweepEvents } from '../publishing/sweep.ts'
import { sweepWebhooks } from '../publishing/webhooks/sweep.ts'
import { RING_AGAIN_MS } from '../sending/settle.ts'

/** Rows that one sweep takes. The rest wait for the next sweep. */
const AT_ONCE = 500
const IDEMPOTENCY_KEPT_MS = 86_400_000

/** The queue that moves a send on. A held send is rendered first; then JOBS waits for its approval to end. */
function queueFor(state: SendState, isRendered: boolean): 'RENDER' | 'DELIVER' | 'JOBS' | null {
  if (state === 'pending_approval') return isRendered ? 'JOBS' : 'RENDER'
  const { movedBy } = STATES[state]
  if (movedBy.includes('render')) return 'RENDER'
  if (movedBy.includes('deliver')) return 'DELIVER'
  return movedBy.includes('decide') ? 'JOBS' : null
}

/**
 * A lock guards the work of these, so `next_at` moves on with the first bell and a second does not ring too soon. The
 * other states are judged by `next_at` itself, which therefore stays.
 */
const RUNG_ONCE = statesWhere(isAtWorker)

/**
 * The one retry authority: rings again for every send, arrival, event, webhook delivery and domain whose time has come, and
 * forgets answers, events and sessions kept long enough. Audit logs, exports and deletions are taken up too, bonds
 * whose time has come looked after at once, and those who may decide what is held told by mail.
 * Leaving out any number of sweeps only delays. Returns how many bells it rang.
 */
export async function sweep(env: Env, now: Date): Promise<number> {
  const db = database(env)
  const due = await db
    .update(sends)
    .set({
      nextAt: sql`iif(${inArray(sends.state, RUNG_ONCE)}
        OR (${sends.state} = 'pending_approval' AND ${sends.renderedKey} IS NULL),
        ${now.getTime() + RING_AGAIN_MS}, ${sends.nextAt})`,
    })
    .where(
      and(
        lte(sends.nextAt, now),
        sql`(${sends.tenantId}, ${sends.id}) IN (
          SELECT d.tenant_id, d.id FROM sends d WHERE d.next_at <= ${now.getTime()} ORDER BY d.next_at LIMIT ${AT_ONCE})`,
      ),
    )
    .returning({
      tenantId: sends.tenantId,
      sendId: sends.id,
      state: sends.state,
      renderedKey: sends.renderedKey,
    })
  const waiting = await db
    .update(arrivals)
    .set({ nextAt: new Date(now.getTime() + RING_AGAIN_MS) })
    .where(
      sql`(${arrivals.tenantId}, ${arrivals.id}) IN (
        SELECT d.tenant_id, d.id FROM arrivals d WHERE d.next_at <= ${now.getTime()} ORDER BY d.next_at LIMIT ${AT_ONCE})`,
    )
    .returning({ tenantId: arrivals.tenantId, arrivalId: arrivals.id })
  await db
    .delete(idempotency)
    .where(lte(idempotency.createdAt, new Date(now.getTime() - IDEMPOTENCY_KEPT_MS)))
  const bells: Record<'RENDER' | 'DELIVER' | 'JOBS', SendBell[]> = { RENDER: [], DELIVER: [], JOBS: [] }
  for (const { tenantId, sendId, state, renderedKey } of due) {
    const queue = queueFor(state, renderedKey !== null)
    if (queue) bells[queue].push({ tenantId, sendId })
  }
  const [bellsOfEvents, bellsOfWebhooks, bellsOfAudits, bellsOfDomains, bellsOfOrders] = await Promise.all([
    sweepEvents(env, now),
    sweepWebhooks(env, now),
    sweepAudit(env),
    sweepDomains(env, now),
    sweepCompliance(env, now),
    ringAll(env.RENDER, bells.RENDER),
    ringAll(env.DELIVER, bells.DELIVER),
    ringAll(env.JOBS, bells.JOBS),
    ringArrivals(env, waiting),
    forgetExpired(env, now),
    sweepBonds(env, now),
    noticeHeld(env, now),
    forgetSessions(env, now),
    forgetTokens(env, now),
  ])
  const rung = bells.RENDER.length + bells.DELIVER.length + bells.JOBS.length + waiting.length
  return rung + bellsOfEvents + bellsOfWebhooks + bellsOfAudits + bellsOfDomains + bellsOfOrders
}
