import { eq, type SQL, sql } from 'drizzle-orm'
import { mailboxes } from '../../schema/accounts.ts'
import { agentOfKey, type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId } from '../ground/ids.ts'
import { rowWhere } from '../ground/sql.ts'
import { audited } from '../journal/audit.ts'
import { ACTS, MAILBOX, type MailboxSettings, USUAL_MAILBOX } from '../policy/laxer.ts'
import { loosened, strictest } from '../policy/loosened.ts'
import { takeAddress } from './given-addresses.ts'
import { ownAddress } from './local-part.ts'
import { mayLoosen, settingsNeedPerson, untilWritten } from './loosen.ts'
import { type Mailbox, type MailboxChange, mustBeSettable } from './mailboxes.ts'
import { isAsRead, readTerms, type Terms } from './terms.ts'

/**
 * Opens a mailbox. What a person opens, or a key with `loosen`, starts with the tenant's cooldown and the autonomy of its default
 * mailbox, and has windows of its own. What another key opens starts with the strictest settings that stand, and shares the
 * windows of a mailbox that stands: no number of mailboxes lets an agent send more. Asking for less than that throws
 * `human_decision_required`.
 */
export async function openMailbox(ctx: Ctx, wanted: MailboxChange & { address: string }): Promise<Mailbox> {
  mustBeAllowed(ctx, 'manage')
  const { address, ...asked } = wanted
  const { email, contact } = ownAddress(ctx.env, address)
  const ownAgentId = agentOfKey(ctx)
  const agentId = asked.agentId === undefined ? ownAgentId : asked.agentId
  await mustBeSettable(ctx, { ...asked, agentId })
  const id = newId('mbx', ctx.now)
  const which = heldAgainst(ctx, agentId)
  return await untilWritten(async () => {
    const terms = await readTerms(ctx, which)
    const { start, sharesWith } = startOf(ctx, terms)
    const settings = { ...start, ...given(asked), agentId }
    const loosens = loosened(MAILBOX, start, settings, terms.around)
    if (loosens.length > 0 && !mayLoosen(ctx)) {
      throw settingsNeedPerson(loosens, { kind: 'mailbox', id: null })
    }
    if (!(await takeAddress(ctx, ctx.tenantId, contact))) throw isTaken(email)
    const row = {
      ...{ tenantId: ctx.tenantId, id, address: email, contact, sharesWith },
      ...{ createdAt: ctx.now, updatedAt: ctx.now },
    }
    const [[opened], , , taken] = await ctx.db.batch([
      ctx.db
        .insert(mailboxes)
        .select(rowWhere(mailboxes, { ...settings, ...row }, isAsRead(ctx, which, terms.read)))
        .onConflictDoNothing()
        .returning(),
      ...audited(ctx, [
        { action: 'mailbox.opened', target: id, detail: { ...settings, address: email, sharesWith } },
      ]),
      ctx.db.select({ id: mailboxes.id }).from(mailboxes).where(eq(mailboxes.contact, contact)),
    ])
    if (opened) return { ...opened, isDefault: false }
    if (taken.length === 0) return null
    throw isTaken(email)
  })
}

const isTaken = (email: string) =>
  new Fault('conflict', `The address ${email} is taken. Choose another.`, { field: 'address' })

/** The mailboxes whose settings and windows hold for a new one: those of its agent, else the default mailbox or, to a key of an agent, all. */
function heldAgainst(ctx: Ctx, agentId: string | null): SQL {
  const isDefault = sql`${mailboxes.id} = (SELECT t.default_mailbox_id FROM tenants t WHERE t.id = ${ctx.tenantId})`
  if (mayLoosen(ctx)) return isDefault
  const own = agentOfKey(ctx)
  if (own === null) return sql`(${isDefault} OR ${mailboxes.agentId} IS ${agentId ?? ''})`
  return sql`(${mailboxes.agentId} IS ${own} OR NOT EXISTS (
    SELECT 1 FROM mailboxes m WHERE m.tenant_id = ${ctx.tenantId} AND m.agent_id = ${own}))`
}

/** What a new mailbox starts with. */
function startOf(ctx: Ctx, { rows, around }: Terms): { start: MailboxSettings; sharesWith: string | null } {
  const standard = rows.find(({ id }) => id === around.defaultMailboxId)
  if (mayLoosen(ctx) || !ACTS.openMailbox.isLaxer()) {
    return { start: { ...USUAL_MAILBOX, autonomy: standard?.autonomy ?? 'auto' }, sharesWith: null }
  }
  const beside = standard ?? rows[0]
  return {
    start: strictest(MAILBOX, [USUAL_MAILBOX, ...rows], around),
    sharesWith: beside ? (beside.sharesWith ?? beside.id) : null,
  }
}

/** The settings that a request gives. */
function given(change: MailboxChange): Partial<MailboxSettings> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
}
