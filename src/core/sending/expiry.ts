import { and, eq, inArray, lte, type SQL, sql } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import type { EventType } from '../../schema/journal.ts'
import { approvals, sends } from '../../schema/sending.ts'
import { type Db, database } from '../ground/ctx.ts'
import { ringOutbox } from '../journal/bells.ts'
import { emit } from '../journal/events.ts'

/** Expires approvals that no person decided in time. Their sends are rejected. */
export async function expireApprovals(
  env: Env,
  now: Date,
  tenantId: string,
  sendIds: string[],
): Promise<void> {
  if (sendIds.length === 0) return
  const db = database(env)
  const isOver = and(
    eq(approvals.tenantId, tenantId),
    inArray(approvals.sendId, sendIds),
    eq(approvals.status, 'pending'),
    lte(approvals.expiresAt, now),
  )
  const [emitted] = await db.batch([
    emit(db, now, approvalEvents('approval.expired', isOver)),
    db.update(approvals).set({ status: 'expired', decidedAt: now, decidedBy: 'system:expiry' }).where(isOver),
    closeRefused(db, now, tenantId, sendIds),
  ])
  if (emitted.meta.changes > 0) await ringOutbox(env, [tenantId])
}

/** The relation for `emit`: one event for each of these approvals. */
export function approvalEvents(type: EventType, which: SQL | undefined): SQL {
  return sql`SELECT ${approvals.tenantId} AS tenant_id, ${type} AS type, ${approvals.mailboxId} AS mailbox_id,
      (SELECT s.agent_id FROM sends s WHERE s.tenant_id = ${approvals.tenantId} AND s.id = ${approvals.sendId}) AS agent_id,
      json_object('approvalId', ${approvals.id}, 'sendId', ${approvals.sendId}) AS refs, ${approvals.id} AS position
    FROM ${approvals} WHERE ${which}`
}

/** The statement that rejects held sends whose approval was rejected or has expired. They have used no windows. */
export function closeRefused(db: Db, now: Date, tenantId: string, sendIds: string[]) {
  const refusal = sql`(SELECT p.status FROM approvals p WHERE p.tenant_id = ${sends.tenantId} AND p.id = ${sends.approvalId})`
  return db
    .update(sends)
    .set({
      state: 'rejected',
      reason: sql`iif(${refusal} = 'expired', 'approval_expired', 'rejected')`,
      burnedKey: null,
      nextAt: null,
      updatedAt: now,
    })
    .where(
      and(
        eq(sends.tenantId, tenantId),
        inArray(sends.id, sendIds),
        eq(sends.state, 'pending_approval'),
        sql`${refusal} IN ('rejected', 'expired')`,
      ),
    )
}
