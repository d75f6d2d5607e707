import { createHash, timingSafeEqual } from 'node:crypto'
import {
  type AnyColumn,
  and,
  asc,
  eq,
  gt,
  gte,
  isNotNull,
  isNull,
  lt,
  notInArray,
  or,
  type SQL,
  sql,
} from 'drizzle-orm'
import { type Env, settings } from '../../env.ts'
import { agents, mailboxes, tenants } from '../../schema/accounts.ts'
import { messages } from '../../schema/mail.ts'
import type { Sender } from '../accounts/sender.ts'
import { type Actor, database } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { type AuditRecord, audited } from '../journal/audit.ts'
import { SUSPENDED_BELOW } from '../policy/plans.ts'
import { clearSubject } from './sanctions.ts'

// For the operator: these verbs act on all tenants, so they name none.

type OperatorFilter = {
  status: 'active' | 'suspended' | 'deactivated' | null
  isFrozenOnly: boolean
  limit: number
  /** The address of the last account of the page before. */
  after: string | null
}

type OperatorStats = {
  accounts: number
  activeAccounts: number
  frozenAccounts: number
  sent: number
  received: number
  internal: number
  external: number
  bounced: number
  complaints: number
}

/** Faults: `unauthorized` without the operator's key, `not_configured` if no OPERATOR_KEY is set. */
export function mustBeOperator(env: Env, presented: string | null): void {
  const { operatorKey } = settings(env)
  if (operatorKey === null)
    throw new Fault('not_configured', 'The operator routes are off: no OPERATOR_KEY is configured.')
  if (!isOperator(env, presented)) throw new Fault('unauthorized', "The operator's key is missing or wrong.")
}

/** Whether this is the operator's own key. */
export function isOperator(env: Env, presented: string | null): boolean {
  const { operatorKey } = settings(env)
  if (operatorKey === null) return false
  const [given, expected] = [presented ?? '', operatorKey].map((text) =>
    createHash('sha256').update(text).digest(),
  )
  return given !== undefined && expected !== undefined && timingSafeEqual(given, expected)
}

/** The mailboxes of all tenants, by address. */
export async function listAccounts(env: Env, filter: OperatorFilter): Promise<Sender[]> {
  const { status, isFrozenOnly, limit, after } = filter
  return await withStanding(env)
    .where(
      and(
        gt(mailboxes.contact, after ?? ''),
        status === null ? undefined : hasStatus(status),
        isFrozenOnly ? isNotNull(mailboxes.frozenAt) : undefined,
      ),
    )
    .orderBy(asc(mailboxes.contact))
    .limit(limit)
}

/** Stops a mailbox from sending until it is unfrozen. A second freeze replaces the reason. Fault: `not_found`. */
export async function freeze(env: Env, now: Date, localPart: string, reason: string): Promise<Sender> {
  const change = { frozenAt: now, frozenReason: reason, frozenBy: 'operator', updatedAt: now }
  return await changed(env, now, localPart, change, { action: 'mailbox.frozen', detail: { reason } })
}

/**
 * Lets a mailbox send again, and clears what its tenant and owner hold because of it. A reputation low enough to suspend it is
 * raised to the lowest value that does not.
 */
export async function unfreeze(env: Env, now: Date, localPart: string): Promise<Sender> {
  const reputation = sql<number>`max(${mailboxes.reputation}, ${SUSPENDED_BELOW})`
  const change = { frozenAt: null, frozenReason: null, frozenBy: null, reputation, updatedAt: now }
  const account = await changed(env, now, localPart, change, { action: 'mailbox.unfrozen' })
  const { tenantId, id } = account.mailbox
  await clearSubject({ env, now }, tenantId, id)
  return account
}

/** Totals over all tenants. This reads every mailbox and every message. */
export async function accountStats(env: Env): Promise<OperatorStats> {
  const db = database(env)
  const count = (condition: SQL | undefined) => sql<number>`coalesce(sum(${condition}), 0)`
  const total = (column: AnyColumn) => sql<number>`coalesce(sum(${column}), 0)`
  const [[found], types] = await db.batch([
    db
      .select({
        accounts: sql<number>`count(*)`,
        activeAccounts: count(hasStatus('active')),
        frozenAccounts: count(isNotNull(mailboxes.frozenAt)),
        sent: total(mailboxes.sentCount),
        received: total(mailboxes.receivedCount),
        bounced: total(mailboxes.bouncedCount),
        complaints: total(mailboxes.complaintCount),
      })
      .from(mailboxes)
      .innerJoin(tenants, eq(tenants.id, mailboxes.tenantId))
      .leftJoin(agents, and(eq(agents.tenantId, mailboxes.tenantId), eq(agents.id, mailboxes.agentId))),
    // Only the sender's row names the send, so each message counts once.
    db
      .select({ type: messages.deliveryType, count: sql<number>`count(*)` })
      .from(messages)
      .where(isNotNull(messages.sendId))
      .groupBy(messages.deliveryType),
  ])
  if (!found) throw new Error('an aggregate brought no row')
  const ofType = (type: string) => types.find((each) => each.type === type)?.count ?? 0
  return { ...found, internal: ofType('internal'), external: ofType('external') }
}

function withStanding(env: Env) {
  return database(env)
    .select({
      mailbox: mailboxes,
      plan: tenants.plan,
      level: tenants.level,
      tenantStatus: tenants.status,
      agentStatus: agents.status,
    })
    .from(mailboxes)
    .innerJoin(tenants, eq(tenants.id, mailboxes.tenantId))
    .leftJoin(agents, and(eq(agents.tenantId, mailboxes.tenantId), eq(agents.id, mailboxes.agentId)))
}

/** The same rule as `senderStatus`, in SQL. */
function hasStatus(status: 'active' | 'suspended' | 'deactivated'): SQL | undefined {
  if (status === 'suspended') return lt(mailboxes.reputation, SUSPENDED_BELOW)
  const isUsed = and(
    eq(mailboxes.status, 'active'),
    eq(tenants.status, 'active'),
    or(isNull(agents.status), notInArray(agents.status, ['paused', 'suspended', 'banned'])),
  )
  const isTrusted = gte(mailboxes.reputation, SUSPENDED_BELOW)
  return status === 'active' ? and(isTrusted, isUsed) : and(isTrusted, sql`NOT ${isUsed}`)
}

const OPERATOR: Actor = { kind: 'system', name: 'operator' }

type Change = Partial<Omit<typeof mailboxes.$inferInsert, 'reputation'>> & { reputation?: SQL<number> }

async function changed(
  env: Env,
  now: Date,
  localPart: string,
  change: Change,
  record: Omit<AuditRecord, 'target'>,
): Promise<Sender> {
  const contact = `${localPart.toLowerCase()}@${settings(env).mailDomain}`
  const db = database(env)
  const [found] = await db
    .select({ tenantId: mailboxes.tenantId, id: mailboxes.id })
    .from(mailboxes)
    .where(eq(mailboxes.contact, contact))
  const { tenantId, id } = found ?? { tenantId: '', id: '' }
  const isMailbox = and(eq(mailboxes.tenantId, tenantId), eq(mailboxes.id, id))
  const [, , , rows] = await db.batch([
    db.update(mailboxes).set(change).where(isMailbox),
    ...audited({ db, now, tenantId, actor: OPERATOR }, [{ ...record, target: id }]),
    withStanding(env).where(isMailbox),
  ])
  const [account] = rows
  if (!account) throw new Fault('not_found', 'No such account.', { field: 'agent_id' })
  return account
}
