import { and, eq, isNull, sql } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { keys, sessions, smtpCredentials, tenants } from '../../../schema/accounts.ts'
import { erasures } from '../../../schema/governance.ts'
import { bonds } from '../../../schema/payments.ts'
import { hashSecret } from '../../accounts/keys.ts'
import { claimedOwner } from '../../accounts/people.ts'
import { type Ctx, database, mustBeAllowed, newCtx } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { newId, newToken } from '../../ground/ids.ts'
import { audited } from '../../journal/audit.ts'
import { ringJobs } from '../../journal/bells.ts'

type Erasure = typeof erasures.$inferSelect

/**
 * Orders the erasure of all data of the caller's tenant. From this batch on, the tenant's keys no longer work and the
 * database accepts no new row of the tenant. A job does the rest. The token reads the status and is shown only once. Faults:
 * `not_claimed`, `conflict` if the erasure was ordered before.
 */
export async function requestErasure(ctx: Ctx): Promise<{ id: string; token: string }> {
  mustBeAllowed(ctx, 'manage')
  await claimedOwner(ctx)
  const { db, env, now, tenantId } = ctx
  const id = newId('era', now)
  const token = `mm_era_${newToken()}${newToken()}`
  const row = { tenantId, id, tokenHash: await hashSecret(token), startedAt: now, nextAt: now }
  const [, , ordered] = await db.batch([
    ...audited(
      ctx,
      [{ action: 'tenant.erasure_requested', target: id }],
      sql`NOT EXISTS (SELECT 1 FROM erasures e WHERE e.tenant_id = ${tenantId})`,
    ),
    db.insert(erasures).values(row).onConflictDoNothing().returning({ id: erasures.id }),
    db
      .update(keys)
      .set({ revokedAt: now })
      .where(and(eq(keys.tenantId, tenantId), isNull(keys.revokedAt))),
    db
      .update(smtpCredentials)
      .set({ revokedAt: now })
      .where(and(eq(smtpCredentials.tenantId, tenantId), isNull(smtpCredentials.revokedAt))),
    db.delete(sessions).where(eq(sessions.tenantId, tenantId)),
    db.update(tenants).set({ status: 'frozen' }).where(eq(tenants.id, tenantId)),
    // Bonds are released, and the reasons that people wrote are erased.
    db
      .update(bonds)
      .set({
        reason: null,
        closing: sql`iif(${bonds.status} IN ('pending', 'posted'), 'released', ${bonds.closing})`,
        nextAt: sql`iif(${bonds.status} IN ('pending', 'posted'), ${now.getTime()}, ${bonds.nextAt})`,
      })
      .where(eq(bonds.tenantId, tenantId)),
  ])
  if (ordered.length === 0) throw new Fault('conflict', 'The deletion was already requested.')
  await ringJobs(env, [{ tenantId, erasure: true }])
  return { id, token }
}

/** The state of an erasure, for the holder of its token. Fault: `not_found` for any other token. */
export async function findErasure(env: Env, id: string, token: string | null): Promise<Erasure> {
  const [found] = await database(env).select().from(erasures).where(eq(erasures.id, id))
  if (found && token !== null && found.tokenHash === (await hashSecret(token))) return found
  throw new Fault(
    'not_found',
    'No such deletion, or the token is missing or wrong. Send the status_token as Bearer token.',
  )
}

/** The holder of the token may still read what remains of the audit log. */
export function readerOf(env: Env, now: Date, { tenantId }: Erasure): Ctx {
  return newCtx(env, now, tenantId, { kind: 'system', name: 'erasure' })
}
