import { and, desc, eq, isNull, lt, notInArray, or, sql } from 'drizzle-orm'
import { agents, aliases, mailboxes, tenants } from '../../schema/accounts.ts'
import { sends } from '../../schema/sending.ts'
import { agentOfKey, type Ctx, mailboxesToShow, mustBeAllowed, noSuchMailbox } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { audited } from '../journal/audit.ts'
import { ACTS, MAILBOX, type MailboxSettings } from '../policy/laxer.ts'
import { loosened } from '../policy/loosened.ts'
import { isTerminal, statesWhere } from '../policy/states.ts'
import { mustBeOwnName } from './local-part.ts'
import { actNeedsPerson, mayLoosen, settingsNeedPerson, untilWritten } from './loosen.ts'
import { isAsRead, readTerms } from './terms.ts'

type Row = typeof mailboxes.$inferSelect

/** A mailbox, and whether it is the tenant's default: the one that sends if the request names none. */
export type Mailbox = Row & { isDefault: boolean }

export type Autonomy = Row['autonomy']

/** Changes of settings. A setting that is left out keeps its value. */
export type MailboxChange = {
  [Field in Exclude<keyof MailboxSettings, 'autoReply'>]?: Row[Field] | undefined
}

/** The mailboxes that the actor may read, newest first. `before` is the last id of the previous page. */
export async function listMailboxes(
  ctx: Ctx,
  page: { before?: string | undefined; limit: number },
): Promise<Mailbox[]> {
  const visible = mailboxesToShow(ctx, undefined)
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
 * Changes a mailbox. Any key with `manage` may tighten its settings. Throws `human_decision_required` if the change loosens one
 * and the caller may not. A mailbox to which a person gives higher limits no longer shares the windows of another.
 */
export async function updateMailbox(ctx: Ctx, id: string, change: MailboxChange): Promise<Mailbox> {
  mustBeAllowed(ctx, 'manage', id)
  await mustBeSettable(ctx, change)
  const which = eq(mailboxes.id, id)
  return await untilWritten(async () => {
    const { rows, around, read } = await readTerms(ctx, which)
    const [standing] = rows
    if (!standing || !isStillReached(ctx, standing)) throw noSuchMailbox()
    mustBeKept(ctx, standing, change)
    const loosens = loosened(MAILBOX, standing, change, around)
    if (loosens.length > 0 && !mayLoosen(ctx)) throw settingsNeedPerson(loosens, { kind: 'mailbox', id })
    const isOwnBudget = loosens.some(({ field }) => field.endsWith('Limit'))
    const [changed, , , found] = await ctx.db.batch([
      ctx.db
        .update(mailboxes)
        .set({ ...change, ...(isOwnBudget ? { sharesWith: null } : {}), updatedAt: ctx.now })
        .where(and(isMailbox(ctx, id), isAsRead(ctx, which, read)))
        .returning({ id: mailboxes.id }),
      ...audited(ctx, [{ action: 'mailbox.changed', target: id, detail: change }]),
      withDefault(ctx).where(isMailbox(ctx, id)),
    ])
    return changed.length === 0 ? null : mustExist(found)
  })
}

/**
 * Deletes a mailbox. Throws `conflict` for the tenant's default mailbox, and while sends from it are not finished. Throws
 * `human_decision_required` if the caller may not loosen, and the next mailbox of the agent would begin anew.
 */
export async function deleteMailbox(ctx: Ctx, id: string): Promise<void> {
  mustBeAllowed(ctx, 'manage', id)
  const which = sql`(${mailboxes.id} = ${id} OR ${mailboxes.agentId} = (
    SELECT m.agent_id FROM mailboxes m WHERE m.tenant_id = ${ctx.tenantId} AND m.id = ${id}))`
  await untilWritten(async () => {
    const { rows, around, read } = await readTerms(ctx, which)
    const standing = rows.find((row) => row.id === id)
    if (!standing || !isStillReached(ctx, standing)) throw noSuchMailbox()
    if (around.defaultMailboxId === id) {
      throw new Fault('conflict', "This is the tenant's default mailbox. Set another defaultMailboxId first.")
    }
    mustBeForgettable(ctx, standing, rows)
    const isOpen = and(
      eq(sends.tenantId, ctx.tenantId),
      eq(sends.mailboxId, id),
      notInArray(sends.state, statesWhere(isTerminal)),
    )
    const [deleted, , , , open] = await ctx.db.batch([
      ctx.db
        .delete(mailboxes)
        .where(
          and(
            isMailbox(ctx, id),
            isAsRead(ctx, which, read),
            sql`NOT EXISTS (SELECT 1 FROM ${sends} WHERE ${isOpen})`,
          ),
        )
        .returning({ id: mailboxes.id }),
      ...audited(ctx, [{ action: 'mailbox.deleted', target: id }]),
      ctx.db
        .delete(aliases)
        .where(
          and(
            eq(aliases.tenantId, ctx.tenantId),
            eq(aliases.mailboxId, id),
            sql`NOT EXISTS (SELECT 1 FROM mailboxes m WHERE m.tenant_id = ${ctx.tenantId} AND m.id = ${id})`,
          ),
        ),
      ctx.db.select({ id: sends.id }).from(sends).where(isOpen).limit(1),
    ])
    if (deleted.length > 0) return deleted
    if (open.length === 0) return null
    throw new Fault(
      'conflict',
      'This mailbox has sends that are not finished. Cancel them, or wait until they are finished.',
    )
  })
}

/** A mailbox that is gone must not take along what its agent is held to. */
function mustBeForgettable(ctx: Ctx, mailbox: Row, rows: Row[]) {
  const isLast = mailbox.agentId !== null && rows.length === 1
  const { riskBudget } = mailbox
  if (mayLoosen(ctx) || !ACTS.deleteMailbox.isLaxer(isLast, riskBudget !== null)) return
  const present = isLast
    ? `${mailbox.address} is the last mailbox of its agent: the next one would have its settings from other agents.`
    : `riskBudget: it is ${riskBudget} now, and without the mailbox its bounces and complaints would not count.`
  throw actNeedsPerson(present, { kind: 'mailbox', id: mailbox.id, loosens: ['mailbox'] })
}

function withDefault(ctx: Ctx) {
  return ctx.db
    .select({ mailbox: mailboxes, defaultMailboxId: tenants.defaultMailboxId })
    .from(mailboxes)
    .innerJoin(tenants, eq(tenants.id, mailboxes.tenantId))
}

function isMailbox(ctx: Ctx, id: string) {
  const own = agentOfKey(ctx)
  return and(
    eq(mailboxes.tenantId, ctx.tenantId),
    eq(mailboxes.id, id),
    // The statement itself decides: a mailbox may be given to another agent meanwhile.
    own === null ? undefined : or(eq(mailboxes.agentId, own), isNull(mailboxes.agentId)),
  )
}

type Found = { mailbox: Row; defaultMailboxId: string | null }

function mailboxFrom({ mailbox, defaultMailboxId }: Found): Mailbox {
  return { ...mailbox, isDefault: mailbox.id === defaultMailboxId }
}

function mustExist([row]: Found[]): Mailbox {
  if (!row) throw noSuchMailbox()
  return mailboxFrom(row)
}

/** Throws unless the tenant has the agent, the caller may name it, and the name is safe in a header field. */
export async function mustBeSettable(ctx: Ctx, { displayName, agentId }: MailboxChange) {
  if (displayName) mustBeOwnName(ctx.env, displayName, 'displayName')
  const own = agentOfKey(ctx)
  if (agentId !== undefined && own !== null && agentId !== own) throw notToGive()
  if (!agentId) return
  const [agent] = await ctx.db
    .select({ id: agents.id })
    .from(agents)
    .where(and(eq(agents.tenantId, ctx.tenantId), eq(agents.id, agentId)))
  if (!agent)
    throw new Fault('agent_not_found', `agentId: this tenant has no agent "${agentId}".`, {
      field: 'agentId',
    })
}

/** Whether the mailbox has not been given to another agent since the key of the request was read. */
function isStillReached(ctx: Ctx, { agentId }: Row): boolean {
  const own = agentOfKey(ctx)
  return own === null || agentId === null || agentId === own
}

/** An agent's key does not take a mailbox of no agent by naming its own agent. */
function mustBeKept(ctx: Ctx, standing: Row, { agentId }: MailboxChange) {
  if (agentId !== undefined && agentOfKey(ctx) !== null && agentId !== standing.agentId) throw notToGive()
}

const notToGive = () =>
  new Fault(
    'agent_mismatch',
    "agentId: an agent's key cannot give mailboxes to agents. A person or a key of the whole tenant can.",
    { field: 'agentId' },
  )
