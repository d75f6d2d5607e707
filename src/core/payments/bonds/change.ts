import { and, eq, sql } from 'drizzle-orm'
import { type Env, settings } from '../../../env.ts'
import { billingEvents, bonds } from '../../../schema/payments.ts'
import { type Actor, database, prepared } from '../../ground/ctx.ts'
import { statement } from '../../ground/sql.ts'
import { audited } from '../../journal/audit.ts'
import { hasBond } from '../../policy/bond.ts'
import type { Report } from '../billing/standing.ts'
import type { Bond } from './bond.ts'

/** `actor` is named in the audit log as the author of the change. */
export type At = { env: Env; now: Date; actor: Actor }

/** The new values of a bond. Fields that are left out stay as they are. */
export type BondChange = Partial<
  Pick<
    Bond,
    | 'status'
    | 'setupId'
    | 'checkoutId'
    | 'paymentMethodId'
    | 'holdId'
    | 'holds'
    | 'closing'
    | 'reason'
    | 'nextReauthAt'
    | 'nextAt'
    | 'postedAt'
    | 'endedAt'
  >
>

/** The change is made only while the bond has this status and, if given, this lock. The change also releases the lock. */
type Guard = { status: Bond['status']; lockToken?: string }

/**
 * Changes a bond in one batch with the tenant's level, which follows it, the report that caused the change, and an audit
 * entry if the status changes or an end is ordered. Returns false and changes nothing if the guard does not hold.
 */
export async function changeBond(
  { env, now, actor }: At,
  { tenantId, id }: Pick<Bond, 'tenantId' | 'id'>,
  guard: Guard,
  change: BondChange,
  report: Report | null = null,
): Promise<boolean> {
  const db = database(env)
  const author = { db, now, tenantId, actor }
  const update = db
    .update(bonds)
    .set({
      ...change,
      // An end that an operator orders meanwhile is not put off.
      ...(change.nextAt instanceof Date && {
        nextAt: sql`iif(${bonds.closing} IS NULL, ${change.nextAt.getTime()}, ${now.getTime()})`,
      }),
      ...(guard.lockToken !== undefined && { lockToken: null, lockUntil: null }),
      updatedAt: now,
    })
    .where(
      and(
        eq(bonds.tenantId, tenantId),
        eq(bonds.id, id),
        eq(bonds.status, guard.status),
        guard.lockToken === undefined ? undefined : eq(bonds.lockToken, guard.lockToken),
      ),
    )
    .returning({ id: bonds.id })
  const [changed] = await env.DB.batch([
    prepared(env, update),
    ...recorded(change)
      .flatMap((record) => audited(author, [{ ...record, target: id }]))
      .map((query) => prepared(env, query)),
    levelFollows.bind(env, { tenant: tenantId, isLocal: settings(env).isLocal ? 1 : 0 }),
    ...audited(author, [{ action: 'level.follows_bond', target: tenantId }]).map((query) =>
      prepared(env, query),
    ),
    ...(report ? [prepared(env, counting(env, now, tenantId, report))] : []),
  ])
  return changed?.results.length === 1
}

function recorded({ status, closing, holds, reason = null }: BondChange) {
  if (status) return [{ action: `bond.${status}` as const, detail: { reason, holds: holds ?? null } }]
  return closing ? [{ action: `bond.${closing}_ordered` as const, detail: { reason } }] : []
}

/** A posted bond raises a trusted tenant to autonomous. Without one, an autonomous tenant falls back to trusted. */
const levelFollows = statement(
  `UPDATE tenants SET level = iif(${hasBond('tenants.id')}, 'autonomous', 'trusted')
   WHERE id = :tenant AND level = iif(${hasBond('tenants.id')}, 'trusted', 'autonomous')`,
)

/** Counts a report that changes nothing. */
export async function countReport(
  { env, now }: Pick<At, 'env' | 'now'>,
  tenantId: string,
  report: Report,
): Promise<void> {
  await counting(env, now, tenantId, report)
}

function counting(env: Env, now: Date, tenantId: string, { id, type }: Report) {
  return database(env)
    .insert(billingEvents)
    .values({ tenantId, id, type, receivedAt: now })
    .onConflictDoNothing()
}
