import { and, eq, gte, inArray, sql } from 'drizzle-orm'
import { tenants } from '../../../schema/accounts.ts'
import { sends } from '../../../schema/sending.ts'
import { type Ctx, mustBeAllowed, one } from '../../ground/ctx.ts'
import { idFloor } from '../../ground/ids.ts'
import { rateWindow } from '../../limits/reservations.ts'
import { PLANS, type Plan, planLimits } from '../../policy/plans.ts'
import { statesWhere } from '../../policy/states.ts'
import type { Unit } from '../../policy/windows.ts'
import { subscriptionOf } from './customer.ts'
import { type Provider, providerOf } from './stripe.ts'

const DAY_MS = 86_400_000

export type Billing = {
  plan: Plan
  /** Stripe's word for the state; `active` if nothing is to be paid. */
  status: string
  /** `none` if there is no payment provider. */
  provider: Provider | 'none'
  limits: { daily: number; monthly: number }
  /** Accepted sends of the last 24 hours. */
  sentIn24h: number
  daily: { used: number; remaining: number }
  monthly: { used: number; remaining: number }
  currentPeriodEnd: Date | null
  cancelAtPeriodEnd: boolean
}

/** The caller's plan with its limits and how much of them is used. */
export async function getSubscription(ctx: Ctx): Promise<Billing> {
  mustBeAllowed(ctx, 'read')
  const { env, db, now, tenantId } = ctx
  const [found, [row], [sent]] = await Promise.all([
    db.select({ plan: tenants.plan }).from(tenants).where(eq(tenants.id, tenantId)),
    subscriptionOf(ctx).then((each) => [each]),
    db
      .select({ count: sql<number>`count(*)` })
      .from(sends)
      .where(
        and(
          eq(sends.tenantId, tenantId),
          gte(sends.id, idFloor('req', new Date(now.getTime() - DAY_MS))),
          inArray(
            sends.state,
            statesWhere(({ isSpent }) => isSpent),
          ),
        ),
      ),
  ])
  const { plan } = one(found)
  const windows = await rateWindow(ctx, tenantId).look('', NO_LIMITS, planLimits(plan), now.getTime())
  const use = (unit: Unit, limit: number) => {
    const used = windows.find((window) => window.unit === unit)?.used ?? 0
    return { used, remaining: Math.max(0, limit - used) }
  }
  const { day, month } = PLANS[plan]
  return {
    plan,
    status: row === null || row === undefined || row.status === 'none' ? 'active' : row.status,
    provider: row?.provider ?? providerOf(env) ?? 'none',
    limits: { daily: day, monthly: month },
    sentIn24h: sent?.count ?? 0,
    daily: use('day', day),
    monthly: use('month', month),
    currentPeriodEnd: row?.currentPeriodEnd ?? null,
    cancelAtPeriodEnd: row?.cancelAtPeriodEnd ?? false,
  }
}

const NO_LIMITS = { hour: null, day: null, month: null }
