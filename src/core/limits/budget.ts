import { and, eq, gt, sql } from 'drizzle-orm'
import { mailboxes, tenants } from '../../schema/accounts.ts'
import { sendRecipients } from '../../schema/sending.ts'
import { agentOfKey, type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { fragment } from '../ground/sql.ts'
import { mailboxLimits, planLimits } from '../policy/plans.ts'
import { mailboxOfAgent } from '../policy/reach.ts'
import { sharing } from '../policy/sharing.ts'
import { type Limits, type Unit, type WindowUse, windowEnd } from '../policy/windows.ts'
import { rateWindow } from './reservations.ts'

const DAY_MS = 86_400_000

/** How far one window is used. Without a limit, `limit` and `remaining` are null. */
export type Allowance = { used: number; limit: number | null; remaining: number | null; resetsAt: Date }

type Budget = {
  mailboxId: string
  mailbox: Record<Unit, Allowance>
  plan: Record<Unit, Allowance>
  negativeSignals: { count: number; budget: number | null; remaining: number | null }
}

/** What a mailbox may still send by its own windows, by the plan's, and by its budget of bounces and complaints. */
export async function getBudget(ctx: Ctx, wanted: string | null): Promise<Budget> {
  if (wanted !== null) mustBeAllowed(ctx, 'read', wanted)
  const own = agentOfKey(ctx)
  const usual = own === null ? tenants.defaultMailboxId : fragment(mailboxOfAgent(':own', 'tenants'), { own })
  const mailboxId = wanted === null ? sql<string>`${usual}` : sql<string>`${wanted}`
  const signals = ctx.db
    .select({ count: sql<number>`count(DISTINCT ${sendRecipients.contact})` })
    .from(sendRecipients)
    .where(
      and(
        eq(sendRecipients.tenantId, ctx.tenantId),
        sql`${sendRecipients.mailboxId} IN ${fragment(sharing('mailboxes'))}`,
        gt(sendRecipients.updatedAt, new Date(ctx.now.getTime() - DAY_MS)),
        sql`${sendRecipients.state} IN ('bounced', 'complained')`,
      ),
    )
  const [row] = await ctx.db
    .select({ mailbox: mailboxes, plan: tenants.plan, signals: sql<number>`${signals}` })
    .from(tenants)
    .innerJoin(mailboxes, and(eq(mailboxes.tenantId, tenants.id), eq(mailboxes.id, mailboxId)))
    .where(eq(tenants.id, ctx.tenantId))
  if (!row) throw new Fault('mailbox_not_found', 'No such mailbox.', { field: 'mailboxId' })
  const { mailbox, plan, signals: count } = row
  if (wanted === null) mustBeAllowed(ctx, 'read', mailbox.id)

  const now = ctx.now.getTime()
  const limits = { mailbox: mailboxLimits(mailbox, plan), plan: planLimits(plan) }
  const uses = await rateWindow(ctx, ctx.tenantId).look(
    mailbox.sharesWith ?? mailbox.id,
    counted(limits.mailbox),
    counted(limits.plan),
    now,
  )
  const allowances = (scope: 'mailbox' | 'plan') => ({
    hour: allowance(uses, scope, 'hour', limits[scope], now),
    day: allowance(uses, scope, 'day', limits[scope], now),
    month: allowance(uses, scope, 'month', limits[scope], now),
  })
  const budget = mailbox.riskBudget
  return {
    mailboxId: mailbox.id,
    mailbox: allowances('mailbox'),
    plan: allowances('plan'),
    negativeSignals: { count, budget, remaining: budget === null ? null : Math.max(0, budget - count) },
  }
}

/** The window object reports only windows with a limit, so a missing limit is replaced by the largest number. */
function counted({ hour, day, month }: Limits): Limits {
  const endless = Number.MAX_SAFE_INTEGER
  return { hour: hour ?? endless, day: day ?? endless, month: month ?? endless }
}

function allowance(
  uses: WindowUse[],
  scope: WindowUse['scope'],
  unit: Unit,
  limits: Limits,
  now: number,
): Allowance {
  const used = uses.find((use) => use.scope === scope && use.unit === unit)?.used ?? 0
  const limit = limits[unit]
  const resetsAt = new Date(windowEnd(unit, now))
  return { used, limit, remaining: limit === null ? null : Math.max(0, limit - used), resetsAt }
}
