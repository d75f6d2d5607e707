import { and, desc, eq, lt, sql } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { suppressions } from '../../schema/contacts.ts'
import { actNeedsPerson, mayLoosen, untilWritten } from '../accounts/loosen.ts'
import { mustBeAddress } from '../ground/address.ts'
import { type Actor, agentOfKey, type Ctx, type Db, database, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId } from '../ground/ids.ts'
import { fragment } from '../ground/sql.ts'
import { audited } from '../journal/audit.ts'
import { ringOutbox } from '../journal/bells.ts'
import { emit } from '../journal/events.ts'
import { ACTS } from '../policy/laxer.ts'
import { applies, widestFirst } from '../policy/suppressed.ts'

export type Suppression = typeof suppressions.$inferSelect
type SuppressionScope = Suppression['scope']

export const REASON_CODES = [
  'complaint',
  'hard_bounce',
  'manual_dnc',
  'legal_request',
  'role_account',
  'no_engagement',
] as const
type ReasonCode = (typeof REASON_CODES)[number]

/** The reason of suppressions that the recipient asked for. No request may give it. */
const UNSUBSCRIBED = 'unsubscribed'

type SuppressionRequest = {
  email: string
  scope: SuppressionScope
  reasonCode: ReasonCode
  source: string | null
  /** Required with the scope `campaign`, and null with any other. */
  campaignId: string | null
  expiresAt: Date | null
}

/**
 * Suppresses an address for the tenant or for one of its campaigns. If it is already, the row gets the new reason and
 * expiry; from a caller that may not loosen, only a graver reason and a later expiry. A recipient's own unsubscription is never overwritten.
 */
export async function suppress(ctx: Ctx, request: SuppressionRequest): Promise<Suppression> {
  mustBeAllowed(ctx, 'manage')
  const { scope, reasonCode, source, expiresAt } = request
  if (scope === 'global') {
    const message =
      'Global suppressions come from bounces and complaints only. Use scope "tenant" or "campaign".'
    throw new Fault('global_scope_not_allowed', message, { field: 'scope' })
  }
  if ((scope === 'campaign') !== (request.campaignId !== null)) {
    const message = 'campaignId is required with scope "campaign", and has no meaning with another.'
    throw new Fault('invalid', message, { field: 'campaignId' })
  }
  if (expiresAt !== null && expiresAt <= ctx.now) {
    throw new Fault('invalid', 'expiresAt must lie in the future.', { field: 'expiresAt' })
  }
  const { email, contact } = mustBeAddress(request.email, 'recipientEmail')
  const row = {
    ...{ tenantId: ctx.tenantId, contact, scope, campaignId: request.campaignId ?? '' },
    ...{ id: newId('sup', ctx.now), email, reasonCode, source, expiresAt, createdAt: ctx.now },
  }
  const { written, isNew } = await untilWritten(() => write(ctx, row))
  if (isNew) await ringOutbox(ctx.env, [ctx.tenantId])
  return written
}

/** Writes a suppression over the one that there is, if nobody changes that meanwhile. */
async function write(ctx: Ctx, row: Suppression): Promise<{ written: Suppression; isNew: boolean } | null> {
  const standing = await standingBeside(ctx, row)
  if (standing?.reasonCode === UNSUBSCRIBED) return { written: standing, isNew: false }
  const { reasonCode, source, expiresAt } = standing ? replacement(ctx, standing, row) : row
  const outcome = { reasonCode, source, expiresAt }
  const agentId = agentOfKey(ctx)
  const [[written], , , told] = await ctx.db.batch([
    ctx.db
      .insert(suppressions)
      .values(row)
      .onConflictDoUpdate({
        target: PRIMARY,
        set: outcome,
        setWhere: sql`${suppressions.reasonCode} IS ${standing?.reasonCode ?? null}
          AND ${suppressions.expiresAt} IS ${standing?.expiresAt?.getTime() ?? null}`,
      })
      .returning(),
    ...audited(ctx, [
      {
        action: 'suppression.created',
        target: row.id,
        detail: {
          email: row.email,
          contact: row.contact,
          scope: row.scope,
          campaignId: row.campaignId,
          ...outcome,
        },
      },
    ]),
    created(ctx.db, ctx.now, ctx.tenantId, row.id, agentId),
  ])
  return written ? { written, isNew: told.meta.changes > 0 } : null
}

/** The values that the suppression `standing` gets from `row`: all of them, or only those that are no laxer. */
function replacement(ctx: Ctx, standing: Suppression, row: Suppression) {
  const stillApplies = ACTS.liftSuppression.isLaxer(standing, ctx.now)
  if (mayLoosen(ctx) || !stillApplies) return row
  const { reasonCode, source } = ACTS.renameSuppression.isLaxer(standing.reasonCode, row.reasonCode)
    ? standing
    : row
  const { expiresAt } = ACTS.endSuppression.isLaxer(standing, row) ? standing : row
  return { reasonCode, source, expiresAt }
}

async function standingBeside(
  ctx: Ctx,
  { contact, scope, campaignId }: Suppression,
): Promise<Suppression | undefined> {
  const [row] = await ctx.db
    .select()
    .from(suppressions)
    .where(
      and(
        eq(suppressions.tenantId, ctx.tenantId),
        eq(suppressions.contact, contact),
        eq(suppressions.scope, scope),
        eq(suppressions.campaignId, campaignId),
      ),
    )
  return row
}

/** Suppresses an address for good because its owner unsubscribed from this tenant. Doing it again writes nothing. */
export async function suppressUnsubscribed(
  { env, now }: { env: Env; now: Date },
  tenantId: string,
  { email, source }: { email: string; source: string },
): Promise<void> {
  const address = mustBeAddress(email, 'recipientEmail')
  const outcome = { reasonCode: UNSUBSCRIBED, source, expiresAt: null }
  const db = database(env)
  const id = newId('sup', now)
  const [, , , told] = await db.batch([
    db
      .insert(suppressions)
      .values({
        tenantId,
        contact: address.contact,
        scope: 'tenant',
        id,
        email: address.email,
        createdAt: now,
        ...outcome,
      })
      .onConflictDoUpdate({
        target: PRIMARY,
        set: outcome,
        setWhere: sql`${suppressions.reasonCode} <> ${UNSUBSCRIBED} OR ${suppressions.expiresAt} IS NOT NULL`,
      }),
    ...audited({ db, now, tenantId, actor: RECIPIENT }, [
      { action: 'suppression.created', target: id, detail: { email, scope: 'tenant', ...outcome } },
    ]),
    created(db, now, tenantId, id, null),
  ])
  if (told.meta.changes > 0) await ringOutbox(env, [tenantId])
}

/** The suppressions of the tenant, newest first, including expired ones. */
export async function listSuppressions(
  ctx: Ctx,
  filter: {
    email?: string | undefined
    scope?: SuppressionScope | undefined
    before?: string | undefined
    limit: number
  },
): Promise<Suppression[]> {
  mustBeAllowed(ctx, 'read')
  return await ctx.db
    .select()
    .from(suppressions)
    .where(
      and(
        eq(suppressions.tenantId, ctx.tenantId),
        filter.email === undefined
          ? undefined
          : eq(suppressions.contact, mustBeAddress(filter.email, 'recipientEmail').contact),
        filter.scope && eq(suppressions.scope, filter.scope),
        filter.before ? lt(suppressions.id, filter.before) : undefined,
      ),
    )
    .orderBy(desc(suppressions.id))
    .limit(filter.limit)
}

/** The suppression that would refuse a send to this address now, global before tenant before campaign, or null. */
export async function findSuppression(
  ctx: Ctx,
  { email, campaignId }: { email: string; campaignId: string | null },
): Promise<Suppression | null> {
  mustBeAllowed(ctx, 'read')
  const [row] = await ctx.db
    .select()
    .from(suppressions)
    .where(
      and(
        eq(suppressions.tenantId, ctx.tenantId),
        eq(suppressions.contact, mustBeAddress(email, 'recipientEmail').contact),
        fragment(applies('suppressions', ':campaignId'), {
          now: ctx.now.getTime(),
          campaignId: campaignId ?? '',
        }),
      ),
    )
    .orderBy(fragment(widestFirst('suppressions')))
    .limit(1)
  return row ?? null
}

/** Deletes a suppression. While it applies, this takes a person, or a key with `loosen`. */
export async function liftSuppression(ctx: Ctx, id: string): Promise<Suppression> {
  mustBeAllowed(ctx, 'manage')
  return await untilWritten(async () => {
    const isIt = and(eq(suppressions.tenantId, ctx.tenantId), eq(suppressions.id, id))
    const [standing] = await ctx.db.select().from(suppressions).where(isIt)
    if (!standing) throw new Fault('not_found', 'No such suppression.')
    if (ACTS.liftSuppression.isLaxer(standing, ctx.now) && !mayLoosen(ctx)) {
      const present = `${standing.email} is on the ${standing.scope} suppression list: ${standing.reasonCode}.`
      throw actNeedsPerson(present, { kind: 'suppression', id, loosens: ['suppression'] })
    }
    const isAsRead = sql`${suppressions.expiresAt} IS ${standing.expiresAt?.getTime() ?? null}`
    const [[lifted]] = await ctx.db.batch([
      ctx.db.delete(suppressions).where(and(isIt, isAsRead)).returning(),
      ...audited(ctx, [{ action: 'suppression.lifted', target: id }]),
    ])
    return lifted ?? null
  })
}

/** The actor in the audit log when a recipient unsubscribes. */
const RECIPIENT: Actor = { kind: 'system', name: 'recipient' }

const PRIMARY = [suppressions.tenantId, suppressions.contact, suppressions.scope, suppressions.campaignId]

/**
 * The statement that writes the event of a new suppression. A row that existed before has another id, and so no
 * event.
 */
function created(db: Db, now: Date, tenantId: string, id: string, agentId: string | null) {
  return emit(
    db,
    now,
    sql`SELECT u.tenant_id, 'suppression.created' AS type, NULL AS mailbox_id, ${agentId} AS agent_id, 0 AS position,
        json_object('suppressionId', u.id, 'contact', u.contact, 'reason', u.reason_code) AS refs
      FROM suppressions u WHERE u.tenant_id = ${tenantId} AND u.id = ${id}`,
  )
}
