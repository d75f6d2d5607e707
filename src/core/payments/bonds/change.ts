import type { Env } from '../../../env.ts'
import { type Actor, database, prepared } from '../../ground/ctx.ts'
import { audited } from '../../journal/audit.ts'
import { hasBond } from '../../policy/bond.ts'
import type { Report } from '../billing/standing.ts'
import type { Bond } from './bond.ts'

/** `actor` is whoever the change is written down to. */
export type At = { env: Env; now: Date; actor: Actor }

/** What becomes of a bond; what is left out stays as it is. Who holds the claim gives it back with the change. */
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

/** Under what a change holds: the bond still stands so, and where a claim is named it is still ours. */
export type Guard = { status: Bond['status']; lockToken?: string }

/**
 * Changes a bond in one batch with the owner's level, which follows it, with the report that it was learnt from, and with
 * the entry in the audit log where it is more than when to look again. False where the bond stood otherwise by then: nothing is changed.
 */
export async function changeBond(
  { env, now, actor }: At,
  { tenantId, id }: Pick<Bond, 'tenantId' | 'id'>,
  guard: Guard,
  change: BondChange,
  report: Report | null = null,
): Promise<boolean> {
  const sets: Record<string, unknown> = { ...change, updatedAt: now }
  if (guard.lockToken !== undefined) Object.assign(sets, { lockToken: null, lockUntil: null })
  const names = Object.keys(sets)
  const binds = Object.values(sets).map((value) =>
    value instanceof Date ? value.getTime() : (value ?? null),
  )
  // What an operator orders meanwhile is not put off.
  const set = (name: string, at: number) =>
    change[name as keyof BondChange] instanceof Date && name === 'nextAt'
      ? `next_at = iif(closing IS NULL, ?${at + 5}, ${now.getTime()})`
      : `${columnOf(name)} = ?${at + 5}`
  const columns = names.map(set).join(', ')
  const [, changed] = await env.DB.batch([
    report
      ? env.DB.prepare(COUNT).bind(tenantId, report.id, report.type, now.getTime())
      : env.DB.prepare('SELECT 1'),
    env.DB.prepare(
      `UPDATE bonds SET ${columns} WHERE tenant_id = ?1 AND id = ?2 AND status = ?3
         AND (?4 IS NULL OR lock_token = ?4) RETURNING id`,
    ).bind(tenantId, id, guard.status, guard.lockToken ?? null, ...binds),
    ...recorded(change).flatMap((record) =>
      audited({ db: database(env), now, tenantId, actor }, [{ ...record, target: id }]).map((query) =>
        prepared(env, query),
      ),
    ),
    levelFollows(env, tenantId),
    ...audited({ db: database(env), now, tenantId, actor }, [
      { action: 'level.follows_bond', target: tenantId },
    ]).map((query) => prepared(env, query)),
  ])
  return changed?.results.length === 1
}

function recorded({ status, closing, holds, reason = null }: BondChange) {
  if (status) return [{ action: `bond.${status}` as const, detail: { reason, holds: holds ?? null } }]
  return closing ? [{ action: `bond.${closing}_ordered` as const, detail: { reason } }] : []
}

/** A posted bond makes an owner of proven address autonomous, and without one nobody is. */
export function levelFollows({ DB }: Env, tenantId: string): D1PreparedStatement {
  return DB.prepare(
    `UPDATE tenants SET level = iif(${hasBond('tenants.id')}, 'autonomous', 'trusted')
     WHERE id = ?1 AND level = iif(${hasBond('tenants.id')}, 'trusted', 'autonomous')`,
  ).bind(tenantId)
}

/** Counts a report by itself, where it changes nothing. */
export async function countReport(
  { env, now }: Pick<At, 'env' | 'now'>,
  tenantId: string,
  { id, type }: Report,
): Promise<void> {
  await env.DB.prepare(COUNT).bind(tenantId, id, type, now.getTime()).run()
}

const COUNT = `INSERT INTO billing_events (tenant_id, id, type, received_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING`

const columnOf = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
