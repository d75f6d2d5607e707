import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { type Folder, type Message, type MessageRow, readRows, WITH_MESSAGES } from './read.ts'

/** A place in a list that is newest first, and of what came in the same microsecond by id. */
export type Place = { at: number; id: string }

export type MessageFilter = {
  limit: number
  /** Only what comes after this place. */
  after: Place | null
  /** What the mailbox wrote itself counts as read. */
  isRead: boolean | null
  threadId: string | null
}

export type MessagePage = {
  messages: Message[]
  hasMore: boolean
  /** How many fit the filter in all, wherever the page begins. */
  total: number
}

/** Inbox and Sent folder as one list, newest first. A message that a mailbox wrote to itself stands in it once. */
export async function listMessages(
  ctx: Ctx,
  mailboxId: string,
  { limit, after, isRead, threadId }: MessageFilter,
): Promise<MessagePage> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const { DB } = ctx.env
  const own = [ctx.tenantId, mailboxId, threadId]
  const source = threadId === null ? 'views v' : 'views v INDEXED BY views_by_thread'
  const folders: Folder[] = isRead === false ? ['inbox'] : ['inbox', 'sent']
  const fitting = folders.map((folder) => `${source} WHERE ${fits(folder, threadId, isRead)}`)
  const chosen = fitting.map(
    (views) => `SELECT * FROM (
      SELECT v.* FROM ${views} AND v.at <= ?4 AND (v.at < ?4 OR v.message_id > ?5) ORDER BY v.at DESC LIMIT ?6)`,
  )
  const [rows, totals] = await DB.batch([
    DB.prepare(
      `WITH chosen AS (
         SELECT * FROM (${chosen.join(' UNION ALL ')}) ORDER BY at DESC, message_id LIMIT ?6) ${WITH_MESSAGES}`,
    ).bind(...own, after?.at ?? Number.MAX_SAFE_INTEGER, after?.id ?? '', limit + 1),
    DB.prepare(
      `SELECT ${fitting.map((views) => `(SELECT count(*) FROM ${views})`).join(' + ')} AS total`,
    ).bind(...own),
  ])
  const found = (rows as D1Result<MessageRow>).results
  const [counted] = (totals as D1Result<{ total: number }>).results
  const shown = found.slice(0, limit)
  return {
    messages: await readRows(ctx, shown),
    hasMore: (found[0]?.found ?? 0) > shown.length,
    total: counted?.total ?? 0,
  }
}

function fits(folder: Folder, threadId: string | null, isRead: boolean | null): string {
  const read = folder === 'sent' || isRead === null ? '' : `AND v.read_at IS ${isRead ? 'NOT NULL' : 'NULL'}`
  const once = `AND NOT EXISTS (SELECT 1 FROM views i WHERE i.tenant_id = v.tenant_id
    AND i.message_id = v.message_id AND i.mailbox_id = v.mailbox_id AND i.folder = 'inbox')`
  return `v.tenant_id = ?1 AND v.mailbox_id = ?2 AND v.folder = '${folder}' AND v.deleted_at IS NULL
    AND ${threadId === null ? '?3 IS NULL' : 'v.thread_id = ?3'} ${read} ${folder === 'sent' ? once : ''}`
}

/** One message as it stands, without reading it. What others have is not found, as what nobody has. */
export async function seeMessage(ctx: Ctx, mailboxId: string, id: string): Promise<Message> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const { results } = await ctx.env.DB.prepare(
    `WITH chosen AS (
       SELECT v.* FROM views v INDEXED BY views_by_message
       WHERE v.tenant_id = ?1 AND v.mailbox_id = ?2 AND v.message_id = ?3 AND v.deleted_at IS NULL
       ORDER BY v.folder LIMIT 1) ${WITH_MESSAGES}`,
  )
    .bind(ctx.tenantId, mailboxId, id)
    .all<MessageRow>()
  const [message] = await readRows(ctx, results)
  if (!message) throw new Fault('not_found', 'Message not found.')
  return message
}

/** How many messages of the inbox are unread. */
export async function countUnread(ctx: Ctx, mailboxId: string): Promise<number> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const row = await ctx.env.DB.prepare(
    `SELECT count(*) AS unread FROM views v WHERE v.tenant_id = ?1 AND v.mailbox_id = ?2 AND v.folder = 'inbox'
       AND v.read_at IS NULL AND v.deleted_at IS NULL`,
  )
    .bind(ctx.tenantId, mailboxId)
    .first<{ unread: number }>()
  return row?.unread ?? 0
}
