import { and, desc, eq, inArray, lt, sql } from 'drizzle-orm'
import { traces } from '../../schema/journal.ts'
import { approvals, sendRecipients, sends } from '../../schema/sending.ts'
import { parseAddress } from '../ground/address.ts'
import { actorName, type Ctx, mailboxesToShow, mustBeAllowed, reaches } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newToken } from '../ground/ids.ts'
import { fragment } from '../ground/sql.ts'
import { appendTrace } from '../journal/traces.ts'
import { refund } from '../limits/reservations.ts'
import { isOpen } from '../policy/open.ts'
import { mayBeCancelled, type SendState, statesWhere } from '../policy/states.ts'

export type Send = typeof sends.$inferSelect
export type TraceStep = typeof traces.$inferSelect
export type RecipientState = typeof sendRecipients.$inferSelect

/** One send with everything that happened to it, in order. */
export async function getSend(
  ctx: Ctx,
  id: string,
): Promise<{ send: Send; steps: TraceStep[]; recipients: RecipientState[] }> {
  const [rows, steps] = await ctx.db.batch([
    ctx.db
      .select()
      .from(sends)
      .where(and(eq(sends.tenantId, ctx.tenantId), eq(sends.id, id))),
    ctx.db
      .select()
      .from(traces)
      .where(and(eq(traces.tenantId, ctx.tenantId), eq(traces.sendId, id)))
      .orderBy(traces.seq),
  ])
  const [send] = rows
  if (!send || !reaches(ctx, send.mailboxId)) throw new Fault('not_found', 'No such send.')
  mustBeAllowed(ctx, 'read', send.mailboxId)
  const recipients = await ctx.db
    .select()
    .from(sendRecipients)
    .where(
      and(
        eq(sendRecipients.tenantId, ctx.tenantId),
        inArray(sendRecipients.contact, contactsOf(send)),
        eq(sendRecipients.sendId, id),
      ),
    )
  return { send, steps, recipients }
}

/** The sends that the actor may read, newest first. `before` is the last id of the previous page. */
export async function listSends(
  ctx: Ctx,
  filter: {
    states?: SendState[] | undefined
    recipient?: string | undefined
    mailboxId?: string | undefined
    template?: string | undefined
    dedupeKey?: string | undefined
    before?: string | undefined
    limit: number
  },
): Promise<Send[]> {
  const shown = mailboxesToShow(ctx, filter.mailboxId)
  const contact = filter.recipient === undefined ? undefined : parseAddress(filter.recipient)?.contact
  if (filter.recipient !== undefined && contact === undefined) {
    throw new Fault('invalid', `"${filter.recipient}" is not an email address.`, { field: 'recipientEmail' })
  }
  return await ctx.db
    .select()
    .from(sends)
    .where(
      and(
        eq(sends.tenantId, ctx.tenantId),
        filter.states && inArray(sends.state, filter.states),
        shown
          ? sql`${sends.mailboxId} IN (SELECT value FROM json_each(${JSON.stringify(shown)}))`
          : undefined,
        filter.template ? eq(sends.template, filter.template) : undefined,
        filter.dedupeKey ? eq(sends.dedupeKey, filter.dedupeKey) : undefined,
        contact
          ? sql`EXISTS (SELECT 1 FROM json_each(${sends.recipients}) r WHERE r.value ->> 'contact' = ${contact})`
          : undefined,
        filter.before ? lt(sends.id, filter.before) : undefined,
      ),
    )
    .orderBy(desc(sends.id))
    .limit(filter.limit)
}

/** Stops a send that has not begun to leave. Its dedupe key is free again, and its reservations are given back. */
export async function cancelSend(ctx: Ctx, id: string): Promise<{ cancelled: boolean }> {
  const { send } = await getSend(ctx, id)
  mustBeAllowed(ctx, 'send', send.mailboxId)
  const token = newToken()
  const isCancelled = sql`EXISTS (SELECT 1 FROM sends s
    WHERE s.tenant_id = ${ctx.tenantId} AND s.id = ${id} AND s.lock_token = ${token})`
  const [changed] = await ctx.db.batch([
    ctx.db
      .update(sends)
      .set({
        state: 'cancelled',
        reason: 'cancelled',
        burnedKey: null,
        nextAt: null,
        lockToken: token,
        lockUntil: null,
        updatedAt: ctx.now,
      })
      .where(
        and(
          eq(sends.tenantId, ctx.tenantId),
          eq(sends.id, id),
          inArray(sends.state, statesWhere(mayBeCancelled)),
          // A send that may have left cannot be recalled, even if it left for only some of its recipients.
          sql`${sends.ambiguousAt} IS NULL AND ${sends.attempt} = 0`,
        ),
      )
      .returning({ id: sends.id }),
    appendTrace(ctx.db, { tenantId: ctx.tenantId, sendId: id, token }, 'cancel', ctx.now, {
      by: actorName(ctx.actor),
    }),
    ctx.db
      .update(approvals)
      .set({ status: 'superseded', decidedAt: ctx.now, decidedBy: actorName(ctx.actor) })
      .where(
        and(
          eq(approvals.tenantId, ctx.tenantId),
          eq(approvals.id, send.approvalId ?? ''),
          eq(approvals.status, 'pending'),
          isCancelled,
        ),
      ),
    ctx.db
      .update(sendRecipients)
      .set({ state: 'void', updatedAt: ctx.now })
      .where(
        and(
          eq(sendRecipients.tenantId, ctx.tenantId),
          inArray(sendRecipients.contact, contactsOf(send)),
          eq(sendRecipients.sendId, id),
          isCancelled,
        ),
      ),
  ])
  if (changed.length === 0) return { cancelled: false }
  await refund(ctx, ctx.tenantId, [id])
  return { cancelled: true }
}

/**
 * Records what a person says about a send whose last attempt is ambiguous. `resend` sends it again, at the risk of a
 * second copy. `delivered` and `failed` are said of the recipients of that attempt: recipients that were never asked for are
 * served next. Throws `conflict` unless the send is `unknown`.
 */
export async function resolveUnknown(
  ctx: Ctx,
  id: string,
  outcome: 'delivered' | 'failed' | 'resend',
): Promise<void> {
  const { send } = await getSend(ctx, id)
  mustBeAllowed(ctx, 'manage', send.mailboxId)
  const token = newToken()
  const isAgain = outcome === 'resend'
  const [, changed] = await ctx.db.batch([
    ctx.db
      .update(sendRecipients)
      .set({
        state: outcome === 'delivered' ? 'delivered' : isAgain ? 'pending' : 'refused',
        updatedAt: ctx.now,
      })
      .where(and(isOpenRecipient(ctx, send), sql`${sendRecipients.email} IN (${PINNED})`, IS_UNKNOWN)),
    ctx.db
      .update(sends)
      .set({
        state: isAgain ? 'retry_wait' : sql`iif(${hasOpen(ctx, send)}, 'retry_wait', ${outcome})`,
        reason: `resolved_${outcome}`,
        nextAt: isAgain ? ctx.now : sql`iif(${hasOpen(ctx, send)}, ${ctx.now.getTime()}, NULL)`,
        ...(isAgain ? { carrier: null } : {}),
        ambiguousAt: null,
        pinnedRecipients: null,
        locks: 0,
        lockToken: token,
        lockUntil: null,
        updatedAt: ctx.now,
      })
      .where(and(eq(sends.tenantId, ctx.tenantId), eq(sends.id, id), eq(sends.state, 'unknown')))
      .returning({ state: sends.state }),
    appendTrace(ctx.db, { tenantId: ctx.tenantId, sendId: id, token }, 'delivery', ctx.now, {
      outcome: `resolved_${outcome}`,
      by: actorName(ctx.actor),
    }),
  ])
  if (changed.length === 0) {
    throw new Fault('conflict', `Only an unknown send can be resolved; this one is ${send.state}.`)
  }
  if (changed[0]?.state === 'retry_wait') await ctx.env.DELIVER.send({ tenantId: ctx.tenantId, sendId: id })
}

/** SQL: the recipients of the ambiguous attempt of the send that owns a row of `send_recipients`. */
const PINNED = sql`SELECT p.value FROM sends s, json_each(s.pinned_recipients) p
  WHERE s.tenant_id = ${sendRecipients.tenantId} AND s.id = ${sendRecipients.sendId}`

const IS_UNKNOWN = sql`EXISTS (SELECT 1 FROM sends s WHERE s.tenant_id = ${sendRecipients.tenantId}
  AND s.id = ${sendRecipients.sendId} AND s.state = 'unknown')`

function isOpenRecipient({ tenantId }: Ctx, send: Send) {
  return and(
    eq(sendRecipients.tenantId, tenantId),
    inArray(sendRecipients.contact, contactsOf(send)),
    eq(sendRecipients.sendId, send.id),
    fragment(isOpen('send_recipients')),
  )
}

const hasOpen = ({ db, ...ctx }: Ctx, send: Send) =>
  sql`EXISTS ${db
    .select({ one: sql`1` })
    .from(sendRecipients)
    .where(isOpenRecipient({ db, ...ctx }, send))}`

function contactsOf(send: Send): string[] {
  return send.recipients.map((recipient) => recipient.contact)
}
