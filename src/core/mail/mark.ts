import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { absent, standingOf } from './read.ts'

/** Marks a message read or unread in the mailbox's own view; when it was first read stays. */
export async function markRead(ctx: Ctx, mailboxId: string, id: string, isRead: boolean): Promise<void> {
  mustBeAllowed(ctx, 'read', mailboxId)
  await change(ctx, mailboxId, id, 'read_at = iif(?4, coalesce(read_at, ?5), NULL)', [
    isRead ? 1 : 0,
    time(ctx),
  ])
}

/** Stars a message that is not starred in the mailbox's own view, and the other way about. True where it is starred now. */
export async function toggleStar(ctx: Ctx, mailboxId: string, id: string): Promise<boolean> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const view = await change(ctx, mailboxId, id, 'starred = 1 - starred', [])
  return view.starred === 1
}

/** Deletes a message from the mailbox's own view, for good; nobody else's is touched. */
export async function deleteMessage(ctx: Ctx, mailboxId: string, id: string): Promise<void> {
  mustBeAllowed(ctx, 'send', mailboxId)
  await change(ctx, mailboxId, id, 'deleted_at = ?4', [time(ctx)])
}

/** As `deleteMessage`, however often it is asked for. What others have is not found, as what nobody has. */
export async function forgetMessage(ctx: Ctx, mailboxId: string, id: string): Promise<void> {
  mustBeAllowed(ctx, 'send', mailboxId)
  const { results } = await ctx.env.DB.prepare(
    `UPDATE views INDEXED BY views_by_message SET deleted_at = coalesce(deleted_at, ?4)
     WHERE tenant_id = ?1 AND mailbox_id = ?2 AND message_id = ?3 RETURNING message_id`,
  )
    .bind(ctx.tenantId, mailboxId, id, time(ctx))
    .all()
  if (results.length === 0) throw new Fault('not_found', 'Message not found.')
}

/** One statement, so that changes at the same time follow one another. What a mailbox wrote to itself has two views. */
async function change(ctx: Ctx, mailboxId: string, id: string, set: string, binds: number[]) {
  const { DB } = ctx.env
  const own = [ctx.tenantId, mailboxId, id]
  const [changed, standing] = await DB.batch([
    DB.prepare(
      `UPDATE views INDEXED BY views_by_message SET ${set} WHERE tenant_id = ?1 AND mailbox_id = ?2 AND message_id = ?3 AND deleted_at IS NULL
       RETURNING starred`,
    ).bind(...own, ...binds),
    standingOf(ctx, own),
  ])
  const [view] = (changed as D1Result<{ starred: number }>).results
  if (!view) throw absent(standing, 'message')
  return view
}

const time = (ctx: Ctx) => ctx.now.getTime()
