import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { type SqlValue, type Statement, statement } from '../ground/sql.ts'
import { messageExists, missing } from './views.ts'

/**
 * One statement for each change, so that simultaneous changes follow one another. A message that a mailbox wrote to itself has
 * two views, and both change.
 */
const change = (set: string) =>
  statement<{ starred: number }>(
    `UPDATE views INDEXED BY views_by_message SET ${set}
     WHERE tenant_id = :tenantId AND mailbox_id = :mailboxId AND message_id = :id AND deleted_at IS NULL
     RETURNING starred`,
  )
const changeRead = change('read_at = iif(:isRead, coalesce(read_at, :now), NULL)')
const changeStar = change('starred = 1 - starred')
const changeToDeleted = change('deleted_at = :now')
const deleteRepeatably = statement<{ message_id: string }>(
  `UPDATE views INDEXED BY views_by_message SET deleted_at = coalesce(deleted_at, :now)
   WHERE tenant_id = :tenantId AND mailbox_id = :mailboxId AND message_id = :id RETURNING message_id`,
)

/** Marks a message as read or unread in this mailbox. The time of the first reading is kept. */
export async function markRead(ctx: Ctx, mailboxId: string, id: string, isRead: boolean): Promise<void> {
  mustBeAllowed(ctx, 'read', mailboxId)
  await changeView(ctx, mailboxId, id, changeRead, { isRead: isRead ? 1 : 0, now: ctx.now.getTime() })
}

/** Stars or unstars a message in this mailbox. True if it is starred now. */
export async function toggleStar(ctx: Ctx, mailboxId: string, id: string): Promise<boolean> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const view = await changeView(ctx, mailboxId, id, changeStar, {})
  return view.starred === 1
}

/** Deletes a message from this mailbox for good. Other mailboxes keep it. */
export async function deleteMessage(ctx: Ctx, mailboxId: string, id: string): Promise<void> {
  mustBeAllowed(ctx, 'send', mailboxId)
  await changeView(ctx, mailboxId, id, changeToDeleted, { now: ctx.now.getTime() })
}

/**
 * As `deleteMessage`, but may be repeated. Throws `not_found` whether nobody or only another mailbox has the message.
 */
export async function forgetMessage(ctx: Ctx, mailboxId: string, id: string): Promise<void> {
  mustBeAllowed(ctx, 'send', mailboxId)
  const values = { tenantId: ctx.tenantId, mailboxId, id, now: ctx.now.getTime() }
  const deleted = await deleteRepeatably.all(ctx.env, values)
  if (deleted.length === 0) throw new Fault('not_found', 'Message not found.')
}

async function changeView(
  { env, tenantId }: Ctx,
  mailboxId: string,
  id: string,
  update: Statement<{ starred: number }>,
  values: Record<string, SqlValue>,
) {
  const own = { tenantId, mailboxId, id }
  const [changed, existence] = await env.DB.batch([
    update.bind(env, { ...own, ...values }),
    messageExists.bind(env, own),
  ])
  const [view] = update.rows(changed)
  if (!view) throw missing(messageExists.rows(existence), 'message')
  return view
}
