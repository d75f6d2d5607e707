import { and, desc, eq, lt, ne, sql } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { suppressions } from '../../schema/contacts.ts'
import { mayDecide } from '../accounts/tenants.ts'
import { mustBeAddress } from '../ground/address.ts'
import { type Actor, type Ctx, type Db, database, mustBeAllowed, one } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId } from '../ground/ids.ts'
import { fragment } from '../ground/sql.ts'
import { audited } from '../journal/audit.ts'
import { ringOutbox } from '../journal/bells.ts'
import { emit } from '../journal/events.ts'
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
 * expiry.
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
  const id = newId('sup', ctx.now)
  const agentId = ctx.actor.kind === 'key' ? ctx.actor.agentId : null
  const [rows, , , told] = await ctx.db.batch([
    ctx.db
      .insert(suppressions)
      .values({
        tenantId: ctx.tenantId,
        contact,
        scope,
        campaignId: request.campaignId ?? '',
        id,
        email,
        reasonCode,
        source,
        expiresAt,
        createdAt: ctx.now,
      })
      .onConflictDoUpdate({
        target: PRIMARY,
        set: { reasonCode, source, expiresAt },
        setWhere: ne(suppressions.reasonCode, UNSUBSCRIBED),
      })
      .returning(),
    ...audited(ctx, [{ action: 'suppression.created', target: id, detail: { ...request, contact } }]),
    created(ctx.db, ctx.now, ctx.tenantId, id, agentId),
  ])
  if (told.meta.changes > 0) await ringOutbox(ctx.env, [ctx.tenantId])
  const [written] = rows
  // A recipient's own unsubscription is never overwritten.
  return written ?? (await standing(ctx, contact, scope, request.campaignId ?? ''))
}

async function standing(ctx: Ctx, contact: string, scope: Suppression['scope'], campaignId: string) {
  const rows = await ctx.db
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
  return one(rows)
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

/** Deletes a suppression. One from a bounce, a complaint or the recipient takes a person, or a key with `approve`. */
export async function liftSuppression(ctx: Ctx, id: string): Promise<Suppression> {
  mustBeAllowed(ctx, 'manage')
  const isIt = and(eq(suppressions.tenantId, ctx.tenantId), eq(suppressions.id, id))
  const mayLift = mayDecide(ctx)
    ? undefined
    : and(ne(suppressions.scope, 'global'), ne(suppressions.reasonCode, UNSUBSCRIBED))
  const [lifted, , , found] = await ctx.db.batch([
    ctx.db.delete(suppressions).where(and(isIt, mayLift)).returning(),
    ...audited(ctx, [{ action: 'suppression.lifted', target: id }]),
    ctx.db.select({ id: suppressions.id }).from(suppressions).where(isIt),
  ])
  const [row] = lifted
  if (row) return row
  if (found.length === 0) throw new Fault('not_found', 'No such suppression.')
  const message =
    'A bounce, a complaint or the recipient put this address here. Lifting it needs a person, or a key with "approve".'
  throw new Fault('human_decision_required', message, {
    kind: 'suppression',
    id,
    loosens: ['suppression'],
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
