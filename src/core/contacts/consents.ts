import { and, asc, eq, gt, sql } from 'drizzle-orm'
import { consents } from '../../schema/contacts.ts'
import { actNeedsPerson, mayLoosen, untilWritten } from '../accounts/loosen.ts'
import { mustBeAddress } from '../ground/address.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId } from '../ground/ids.ts'
import { audited } from '../journal/audit.ts'
import { ACTS } from '../policy/laxer.ts'

export type Consent = typeof consents.$inferSelect

type ConsentRequest = {
  email: string
  basis: Consent['basis']
  source: string | null
  jurisdiction: string | null
  /** If null: now, or the time of the revocation if that is earlier. */
  grantedAt: Date | null
  revokedAt: Date | null
}

/**
 * Records what a contact has agreed to. It replaces the contact's previous record. Throws `human_decision_required` if that one
 * is revoked, the new one is not or later, and the caller may not loosen.
 */
export async function recordConsent(ctx: Ctx, request: ConsentRequest): Promise<Consent> {
  mustBeAllowed(ctx, 'manage')
  const { basis, source, jurisdiction, revokedAt } = request
  const grantedAt = request.grantedAt ?? (revokedAt !== null && revokedAt < ctx.now ? revokedAt : ctx.now)
  if (revokedAt !== null && revokedAt < grantedAt) {
    throw new Fault('invalid', 'revokedAt must not be before grantedAt.', { field: 'revokedAt' })
  }
  const { email, contact } = mustBeAddress(request.email, 'recipientEmail')
  const record = {
    id: newId('con', ctx.now),
    email,
    basis,
    source,
    jurisdiction,
    grantedAt,
    revokedAt,
    updatedAt: ctx.now,
  }
  return await untilWritten(async () => {
    const standing = await recordOf(ctx, contact)
    if (standing && ACTS.recordConsent.isLaxer(standing, record) && !mayLoosen(ctx)) {
      const present = `revokedAt: ${email} revoked the consent at ${standing.revokedAt?.toISOString()}.`
      throw actNeedsPerson(present, {
        ...{ kind: 'consent', id: standing.id, field: 'revokedAt' },
        loosens: ['revokedAt'],
      })
    }
    const isAsRead = sql`${consents.revokedAt} IS ${standing?.revokedAt?.getTime() ?? null}`
    const [[recorded]] = await ctx.db.batch([
      ctx.db
        .insert(consents)
        .values({ tenantId: ctx.tenantId, contact, ...record })
        .onConflictDoUpdate({
          ...{ target: [consents.tenantId, consents.contact], set: record },
          setWhere: isAsRead,
        })
        .returning(),
      ...audited(ctx, [{ action: 'consent.recorded', target: record.id, detail: record }]),
    ])
    return recorded ?? null
  })
}

/** The consent record of a contact, revoked or not, or null. */
export async function findConsent(ctx: Ctx, email: string): Promise<Consent | null> {
  mustBeAllowed(ctx, 'read')
  return await recordOf(ctx, mustBeAddress(email, 'recipientEmail').contact)
}

async function recordOf(ctx: Ctx, contact: string): Promise<Consent | null> {
  const [row] = await ctx.db
    .select()
    .from(consents)
    .where(and(eq(consents.tenantId, ctx.tenantId), eq(consents.contact, contact)))
  return row ?? null
}

/** The consent records of the tenant by contact. `after` is the last contact of the previous page. */
export async function listConsents(
  ctx: Ctx,
  page: { after?: string | undefined; limit: number },
): Promise<Consent[]> {
  mustBeAllowed(ctx, 'read')
  return await ctx.db
    .select()
    .from(consents)
    .where(
      and(eq(consents.tenantId, ctx.tenantId), page.after ? gt(consents.contact, page.after) : undefined),
    )
    .orderBy(asc(consents.contact))
    .limit(page.limit)
}

/** Whether a record means consent at this time: granted by then, and not revoked. */
export function isGranted({ grantedAt, revokedAt }: Consent, now: Date): boolean {
  return grantedAt <= now && (revokedAt === null || revokedAt > now)
}
