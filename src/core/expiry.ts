import { and, eq, inArray, lte, sql } from 'drizzle-orm'
import type { Env } from '../env.ts'
import { approvals, sends } from '../schema.ts'
import { type Db, database } from './ctx.ts'

/** Ends approvals that nobody decided in time: the sends are rejected, as if by a person. */
export async function expireApprovals(
  env: Env,
  now: Date,
  tenantId: string,
  sendIds: string[],
): Promise<void> {
  if (sendIds.length === 0) return
  const db = database(env)
  await db.batch([
    db
      .update(approvals)
      .set({ status: 'expired', decidedAt: now, decidedBy: 'system:expiry' })
      .where(
        and(
          eq(approvals.tenantId, tenantId),
          inArray(approvals.sendId, sendIds),
          eq(approvals.status, 'pending'),
          lte(approvals.expiresAt, now),
        ),
      ),
    closeRefused(db, now, tenantId, sendIds),
  ])
}

/** The statement that ends those held sends whose approval has been refused or has run out; nothing was spent on them. */
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
