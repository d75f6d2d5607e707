import { and, eq, sql } from 'drizzle-orm'
import { settings } from '../../env.ts'
import { agents, mailboxes, tenants } from '../../schema/accounts.ts'
import { agentOfKey, type Ctx, reaches } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { fragment } from '../ground/sql.ts'
import { rateWindow } from '../limits/reservations.ts'
import { mailboxLimits, type Plan, planLimits, SUSPENDED_BELOW, TRUSTED_ABOVE } from '../policy/plans.ts'
import { mailboxOfAgent } from '../policy/reach.ts'
import { type Unit, type WindowUse, windowEnd } from '../policy/windows.ts'

/**
 * A mailbox, and all that decides whether it may send, and how much: the plan, the level, and the status of the agent and
 * the tenant.
 */
export type Sender = {
  mailbox: typeof mailboxes.$inferSelect
  plan: Plan
  level: (typeof tenants.$inferSelect)['level']
  tenantStatus: (typeof tenants.$inferSelect)['status']
  agentStatus: (typeof agents.$inferSelect)['status'] | null
}

type Allowance = { used: number; limit: number; remaining: number; resetsAt: Date }

const NO_MAILBOX =
  'No mailbox is known for this request. Use the key of an agent that has a mailbox, or name one in the X-Agent-Id header.'

/**
 * The mailbox that a request acts for. `named` is an agent's id or a mailbox's local part. Without it the request
 * acts for the mailbox of the key's agent or, with a key of the whole tenant, for the tenant's default mailbox. If an agent has
 * several mailboxes, the tenant's default one comes first, then the oldest.
 *
 * Throws `agent_not_found` for an unknown name, `agent_mismatch` if the key belongs to another agent, and
 * `agent_required` if there is no mailbox.
 */
export async function senderOf(ctx: Ctx, named: string | null): Promise<Sender> {
  const { db, tenantId } = ctx
  const ownAgentId = agentOfKey(ctx)
  const contact = `${named?.toLowerCase()}@${settings(ctx.env).mailDomain}`
  const ofAgent = fragment(mailboxOfAgent(':agentId', 'tenants'), { agentId: named ?? ownAgentId })
  const mailboxId =
    named === null
      ? ownAgentId === null
        ? tenants.defaultMailboxId
        : ofAgent
      : sql`coalesce(${ofAgent},
          (SELECT x.id FROM mailboxes x WHERE x.contact = ${contact} AND x.tenant_id = ${tenants.id}))`

  const [row] = await db
    .select({
      mailbox: mailboxes,
      plan: tenants.plan,
      level: tenants.level,
      tenantStatus: tenants.status,
      agentStatus: agents.status,
      isKnown: sql<number>`EXISTS (SELECT 1 FROM agents a WHERE a.tenant_id = ${tenants.id} AND a.id = ${named})`,
    })
    .from(tenants)
    .leftJoin(mailboxes, and(eq(mailboxes.tenantId, tenants.id), eq(mailboxes.id, mailboxId)))
    .leftJoin(agents, and(eq(agents.tenantId, tenants.id), eq(agents.id, mailboxes.agentId)))
    .where(eq(tenants.id, tenantId))
  const mailbox = row?.mailbox ?? null
  const isKnown = mailbox !== null || row?.isKnown === 1
  if (named !== null && !isKnown)
    throw new Fault('agent_not_found', 'X-Agent-Id names no agent or mailbox of this tenant.', {
      field: 'X-Agent-Id',
    })
  const isOwn = mailbox === null ? named === ownAgentId : reaches(ctx, mailbox.id)
  if (named !== null && ownAgentId !== null && !isOwn)
    throw new Fault('agent_mismatch', 'This key belongs to another agent and cannot speak for this one.')
  if (!row || !mailbox) throw new Fault('agent_required', NO_MAILBOX)
  return { ...row, mailbox }
}

/** The mailbox's tier, as MoltbotDen names it. */
export function sendTier({ level, mailbox }: Pick<Sender, 'level' | 'mailbox'>) {
  if (level === 'sandbox') return 'provisional' as const
  return mailbox.reputation > TRUSTED_ABOVE ? ('trusted' as const) : ('active' as const)
}

/** `suspended` if its reputation is too low; `deactivated` if the mailbox, its agent or its tenant is stopped. */
export function senderStatus({ mailbox, tenantStatus, agentStatus }: Omit<Sender, 'plan' | 'level'>) {
  if (mailbox.reputation < SUSPENDED_BELOW) return 'suspended' as const
  const isStopped = agentStatus === 'paused' || agentStatus === 'suspended' || agentStatus === 'banned'
  const isUsed = mailbox.status === 'active' && tenantStatus === 'active' && !isStopped
  return isUsed ? ('active' as const) : ('deactivated' as const)
}

/** How much of each window of the mailbox and of the tenant's plan is used now. */
export async function windowsOf(ctx: Ctx, { mailbox, plan }: Sender): Promise<WindowUse[]> {
  const limits = mailboxLimits(mailbox, plan)
  return await rateWindow(ctx, ctx.tenantId).look(
    mailbox.sharesWith ?? mailbox.id,
    limits,
    planLimits(plan),
    ctx.now.getTime(),
  )
}

/** What the mailbox may still send in one of its own windows. A provisional mailbox may send nothing. */
export function allowance(account: Sender, windows: WindowUse[], unit: Unit, now: Date): Allowance {
  const own = windows.find((window) => window.scope === 'mailbox' && window.unit === unit)
  if (own && sendTier(account) !== 'provisional') return left(own)
  return { used: 0, limit: 0, remaining: 0, resetsAt: new Date(windowEnd(unit, now.getTime())) }
}

/** The window that limits the next send. It is the used-up window that resets last, or else the mailbox's hour. */
export function bindingAllowance(account: Sender, windows: WindowUse[], now: Date): Allowance {
  const latest = exhausted(windows)
  return latest && sendTier(account) !== 'provisional'
    ? left(latest)
    : allowance(account, windows, 'hour', now)
}

/** The used-up window that resets last. */
export function exhausted(windows: WindowUse[]): WindowUse | undefined {
  return windows.filter(({ used, limit }) => used >= limit).sort((a, b) => b.resetsAt - a.resetsAt)[0]
}

/** Whether the actor has any permission on this mailbox. */
export function mayReachMailbox(ctx: Ctx, mailboxId: string): boolean {
  const { actor } = ctx
  if (!reaches(ctx, mailboxId)) return false
  if (actor.kind !== 'key' || actor.scopes === null) return true
  return actor.scopes.some((scope) => scope.mailboxId === mailboxId)
}

function left({ used, limit, resetsAt }: WindowUse): Allowance {
  return { used, limit, remaining: Math.max(0, limit - used), resetsAt: new Date(resetsAt) }
}
