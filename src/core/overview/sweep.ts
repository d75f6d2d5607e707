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
import { type ArrivalBell, ringAll, ringArrivals, type SendBell } from '../journal/bells.ts'
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
/** How long the answer under an idempotency key is kept, in ms. */
const IDEMPOTENCY_KEPT_MS = 86_400_000

/** The queue that moves a send on. A held send is rendered first. After that, JOBS acts when its approval ends. */
function queueFor(state: SendState, isRendered: boolean): 'RENDER' | 'DELIVER' | 'JOBS' | null {
  if (state === 'pending_approval') return isRendered ? 'JOBS' : 'RENDER'
  const { movedBy } = STATES[state]
  if (movedBy.includes('render')) return 'RENDER'
  if (movedBy.includes('deliver')) return 'DELIVER'
  return movedBy.includes('decide') ? 'JOBS' : null
}

/**
 * In these states a lock protects the work. The first bell moves `next_at` on, so that a second bell does not ring too soon.
 * In the other states `next_at` says when the send is judged, so a bell does not change it.
 */
const RUNG_ONCE = statesWhere(isAtWorker)

/**
 * The one retry authority. It rings again for every send, arrival, event, webhook delivery, domain, audit entry, export and
 * deletion that is due, renews bonds, mails notices of held sends, and deletes what was kept long enough. A missed sweep only
 * delays the work. Returns how many bells it rang.
 */
export async function sweep(env: Env, now: Date): Promise<number> {
  const [sendBells, waiting] = [await dueSends(env, now), await dueArrivals(env, now)]
  const [events, webhooks, audits, domains, orders] = await Promise.all([
    sweepEvents(env, now),
    sweepWebhooks(env, now),
    sweepAudit(env),
    sweepDomains(env, now),
    sweepCompliance(env, now),
    ringAll(env.RENDER, sendBells.RENDER),
    ringAll(env.DELIVER, sendBells.DELIVER),
    ringAll(env.JOBS, sendBells.JOBS),
    ringArrivals(env, waiting),
    forgetAnswers(env, now),
    forgetExpired(env, now),
    sweepBonds(env, now),
    noticeHeld(env, now),
    forgetSessions(env, now),
    forgetTokens(env, now),
  ])
  const rung = sendBells.RENDER.length + sendBells.DELIVER.length + sendBells.JOBS.length + waiting.length
  return rung + events + webhooks + audits + domains + orders
}

/** The bells of due sends, by queue. A send that no longer needs a queue gets no bell. */
async function dueSends(env: Env, now: Date): Promise<Record<'RENDER' | 'DELIVER' | 'JOBS', SendBell[]>> {
  const due = await database(env)
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
  const bells: Record<'RENDER' | 'DELIVER' | 'JOBS', SendBell[]> = { RENDER: [], DELIVER: [], JOBS: [] }
  for (const { tenantId, sendId, state, renderedKey } of due) {
    const queue = queueFor(state, renderedKey !== null)
    if (queue) bells[queue].push({ tenantId, sendId })
  }
  return bells
}

async function dueArrivals(env: Env, now: Date): Promise<ArrivalBell[]> {
  return await database(env)
    .update(arrivals)
    .set({ nextAt: new Date(now.getTime() + RING_AGAIN_MS) })
    .where(
      sql`(${arrivals.tenantId}, ${arrivals.id}) IN (
        SELECT d.tenant_id, d.id FROM arrivals d WHERE d.next_at <= ${now.getTime()} ORDER BY d.next_at LIMIT ${AT_ONCE})`,
    )
    .returning({ tenantId: arrivals.tenantId, arrivalId: arrivals.id })
}

async function forgetAnswers(env: Env, now: Date): Promise<void> {
  const before = new Date(now.getTime() - IDEMPOTENCY_KEPT_MS)
  await database(env).delete(idempotency).where(lte(idempotency.createdAt, before))
}
