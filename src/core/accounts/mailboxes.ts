import { and, desc, eq, inArray, lt, notInArray, sql } from 'drizzle-orm'
import { agents, aliases, mailboxes, tenants } from '../../schema/accounts.ts'
import { sends } from '../../schema/sending.ts'
import { safeHeaderText } from '../ground/address.ts'
import { type Ctx, mustBeAllowed, visibleMailboxes } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId } from '../ground/ids.ts'
import { audited } from '../journal/audit.ts'
import { isTerminal, statesWhere } from '../policy/states.ts'
import { ownAddress } from './local-part.ts'
import { mayDecide } from './tenants.ts'

type Row = typeof mailboxes.$inferSelect

/** A mailbox, and whether it is the tenant's default: the one that sends if the request names none. */
export type Mailbox = Row & { isDefault: boolean }

export type Autonomy = Row['autonomy']

/** From the most review to the least. */
const AUTONOMY: Autonomy[] = ['review', 'first_contact', 'auto']

/**
 * The settings of a mailbox. A setting that is left out keeps its value, or for a new mailbox gets the default of the
 * schema.
 */
export type MailboxChange = {
  [Field in
    | 'agentId'
    | 'displayName'
    | 'status'
    | 'autonomy'
    | 'cooldownMs'
    | 'hourlyLimit'
    | 'dailyLimit'
    | 'monthlyLimit'
    | 'requireConsent'
    | 'fatigueLimit'
    | 'fatigueDays'
    | 'riskBudget'
    | 'carriers'
    | 'onUnknown'
    | 'humanizerEnabled'
    | 'humanizerStyle']?: Row[Field] | undefined
}

/**
 * Opens a mailbox. Unless the request says otherwise, it gets the tenant's cooldown and the autonomy of the tenant's
 * default mailbox. A key without `approve` cannot ask for less review: it could otherwise avoid review with a new mailbox.
 */
export async function openMailbox(ctx: Ctx, wanted: MailboxChange & { address: string }): Promise<Mailbox> {
  mustBeAllowed(ctx, 'manage')
  const { address: asked, ...config } = wanted
  const { email, contact } = ownAddress(ctx.env, asked)
  const ownAgentId = ctx.actor.kind === 'key' ? ctx.actor.agentId : null
  const agentId = config.agentId === undefined ? ownAgentId : config.agentId
  const [, standing] = await Promise.all([
    mustBeSettable(ctx, { ...config, agentId }),
    ctx.db
      .select({ autonomy: mailboxes.autonomy })
      .from(tenants)
      .innerJoin(
        mailboxes,
        and(eq(mailboxes.tenantId, tenants.id), eq(mailboxes.id, tenants.defaultMailboxId)),
      )
      .where(eq(tenants.id, ctx.tenantId)),
  ])
  const usual = standing[0]?.autonomy ?? 'auto'
  const autonomy = config.autonomy ?? usual
  if (AUTONOMY.indexOf(autonomy) > AUTONOMY.indexOf(usual) && !mayDecide(ctx)) throw needsPerson(null)
  const id = newId('mbx', ctx.now)
  const [[opened]] = await ctx.db.batch([
    ctx.db
      .insert(mailboxes)
      .values({
        ...config,
        tenantId: ctx.tenantId,
        id,
        agentId,
        address: email,
        contact,
        autonomy,
        createdAt: ctx.now,
        updatedAt: ctx.now,
      })
      .onConflictDoNothing()
      .returning(),
    ...audited(ctx, [
      { action: 'mailbox.opened', target: id, detail: { ...config, address: email, autonomy } },
    ]),
  ])
  if (!opened)
    throw new Fault('conflict', `The address ${email} is taken. Choose another.`, { field: 'address' })
  return { ...opened, isDefault: false }
}

/** The mailboxes that the actor may read, newest first. `before` is the last id of the previous page. */
export async function listMailboxes(
  ctx: Ctx,
  page: { before?: string | undefined; limit: number },
): Promise<Mailbox[]> {
  const visible = visibleMailboxes(ctx.actor)
  if (visible === null) mustBeAllowed(ctx, 'read')
  const rows = await withDefault(ctx)
    .where(
      and(
        eq(mailboxes.tenantId, ctx.tenantId),
        page.before ? lt(mailboxes.id, page.before) : undefined,
        // The ids are one bound value, because D1 allows 100 bound values in a statement.
        visible
          ? sql`${mailboxes.id} IN (SELECT value FROM json_each(${JSON.stringify(visible)}))`
          : undefined,
      ),
    )
    .orderBy(desc(mailboxes.id))
    .limit(page.limit)
  return rows.map(mailboxFrom)
}

/** One mailbox of the tenant. */
export async function getMailbox(ctx: Ctx, id: string): Promise<Mailbox> {
  mustBeAllowed(ctx, 'read', id)
  return mustExist(await withDefault(ctx).where(isMailbox(ctx, id)))
}

/**
 * Changes a mailbox. Any key with `manage` may ask for more review; less review takes a person, or a key with `approve`.
 * The statement itself compares, so that a key cannot undo a concurrent change to more review.
 */
export async function updateMailbox(ctx: Ctx, id: string, change: MailboxChange): Promise<Mailbox> {
  mustBeAllowed(ctx, 'manage', id)
  await mustBeSettable(ctx, change)
  const { autonomy } = change
  const isNoLooser =
    autonomy === undefined || mayDecide(ctx, id)
      ? undefined
      : inArray(mailboxes.autonomy, AUTONOMY.slice(AUTONOMY.indexOf(autonomy)))
  const [changed, , , rows] = await ctx.db.batch([
    ctx.db
      .update(mailboxes)
      .set({ ...change, updatedAt: ctx.now })
      .where(and(isMailbox(ctx, id), isNoLooser))
      .returning({ id: mailboxes.id }),
    ...audited(ctx, [{ action: 'mailbox.changed', target: id, detail: change }]),
    withDefault(ctx).where(isMailbox(ctx, id)),
  ])
  const mailbox = mustExist(rows)
  if (changed.length === 0) throw needsPerson(id)
  return mailbox
}

/** Deletes a mailbox. Throws `conflict` for the tenant's default mailbox, and while sends from it are not finished. */
export async function deleteMailbox(ctx: Ctx, id: string): Promise<void> {
  mustBeAllowed(ctx, 'manage', id)
  const isOpen = and(
    eq(sends.tenantId, ctx.tenantId),
    eq(sends.mailboxId, id),
    notInArray(sends.state, statesWhere(isTerminal)),
  )
  const [deleted, , , rows] = await ctx.db.batch([
    ctx.db
      .delete(mailboxes)
      .where(
        and(
          isMailbox(ctx, id),
          sql`NOT EXISTS (SELECT 1 FROM ${tenants}
            WHERE ${tenants.id} = ${ctx.tenantId} AND ${tenants.defaultMailboxId} = ${id})`,
          sql`NOT EXISTS (SELECT 1 FROM ${sends} WHERE ${isOpen})`,
        ),
      )
      .returning({ id: mailboxes.id }),
    ...audited(ctx, [{ action: 'mailbox.deleted', target: id }]),
    withDefault(ctx).where(isMailbox(ctx, id)),
    ctx.db
      .delete(aliases)
      .where(
        and(
          eq(aliases.tenantId, ctx.tenantId),
          eq(aliases.mailboxId, id),
          sql`NOT EXISTS (SELECT 1 FROM ${mailboxes} WHERE ${isMailbox(ctx, id)})`,
        ),
      ),
  ])
  if (deleted.length > 0) return
  if (mustExist(rows).isDefault) {
    throw new Fault('conflict', "This is the tenant's default mailbox. Set another defaultMailboxId first.")
  }
  throw new Fault(
    'conflict',
    'This mailbox has sends that are not finished. Cancel them, or wait until they are finished.',
  )
}

function withDefault(ctx: Ctx) {
  return ctx.db
    .select({ mailbox: mailboxes, defaultMailboxId: tenants.defaultMailboxId })
    .from(mailboxes)
    .innerJoin(tenants, eq(tenants.id, mailboxes.tenantId))
}

function isMailbox(ctx: Ctx, id: string) {
  return and(eq(mailboxes.tenantId, ctx.tenantId), eq(mailboxes.id, id))
}

type Found = { mailbox: Row; defaultMailboxId: string | null }

function mailboxFrom({ mailbox, defaultMailboxId }: Found): Mailbox {
  return { ...mailbox, isDefault: mailbox.id === defaultMailboxId }
}

function mustExist([row]: Found[]): Mailbox {
  if (!row)
    throw new Fault('mailbox_not_found', 'This tenant has no mailbox with this id.', { field: 'mailboxId' })
  return mailboxFrom(row)
}

async function mustBeSettable({ db, tenantId, actor }: Ctx, { displayName, agentId }: MailboxChange) {
  const unsafe = displayName ? safeHeaderText(displayName) : null
  if (unsafe !== null) throw new Fault('invalid', `displayName ${unsafe}.`, { field: 'displayName' })
  if (!agentId) return
  if (actor.kind === 'key' && actor.agentId !== null && actor.agentId !== agentId) {
    throw new Fault(
      'agent_mismatch',
      'agentId: this key belongs to another agent, and can give a mailbox to its own agent only.',
      { field: 'agentId' },
    )
  }
  const [agent] = await db
    .select({ id: agents.id })
    .from(agents)
    .where(and(eq(agents.tenantId, tenantId), eq(agents.id, agentId)))
  if (!agent)
    throw new Fault('agent_not_found', `agentId: this tenant has no agent "${agentId}".`, {
      field: 'agentId',
    })
}

function needsPerson(id: string | null): Fault {
  const message = 'Less review needs a person, or a key with the permission "approve".'
  return new Fault('human_decision_required', message, {
    field: 'autonomyLevel',
    kind: 'mailbox_autonomy',
    id,
    loosens: ['autonomyLevel'],
  })
}
