import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { statement } from '../ground/sql.ts'
import { CHOSEN_MESSAGES, type Folder, type Message, type MessageRow, pageOf } from './message.ts'
import { isAlsoInInbox } from './views.ts'

/** A place in a list that is sorted newest first and, within one microsecond, by id. */
export type Place = { at: number; id: string }

type MessageFilter = {
  limit: number
  /** List only what comes after this place. */
  after: Place | null
  /** Messages that the mailbox wrote itself count as read. */
  isRead: boolean | null
  threadId: string | null
}

type MessagePage = {
  messages: Message[]
  hasMore: boolean
  /** How many messages match the filter in all, on every page. */
  total: number
}

/** Inbox and Sent folder as one list, newest first. A message that a mailbox wrote to itself is listed once. */
export async function listMessages(
  ctx: Ctx,
  mailboxId: string,
  { limit, after, isRead, threadId }: MessageFilter,
): Promise<MessagePage> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const { env, tenantId } = ctx
  const { list, count } = listStatements(threadId !== null, isRead)
  const own = { tenantId, mailboxId, ...(threadId === null ? {} : { threadId }) }
  const [rows, totals] = await env.DB.batch([
    list.bind(env, {
      ...own,
      at: after?.at ?? Number.MAX_SAFE_INTEGER,
      afterId: after?.id ?? '',
      limit: limit + 1,
    }),
    count.bind(env, own),
  ])
  const [counted] = count.rows(totals)
  return { ...(await pageOf(ctx, list.rows(rows), limit)), total: counted?.total ?? 0 }
}

function listStatements(hasThread: boolean, isRead: boolean | null) {
  const folders: Folder[] = isRead === false ? ['inbox'] : ['inbox', 'sent']
  const matching = folders.map((folder) => matchingViews(folder, hasThread, isRead))
  const chosen = matching.map(
    (views) => `SELECT * FROM (
      SELECT v.* FROM ${views} AND v.at <= :at AND (v.at < :at OR v.message_id > :afterId)
      ORDER BY v.at DESC LIMIT :limit)`,
  )
  return {
    list: statement<MessageRow>(
      `WITH chosen AS (
         SELECT * FROM (${chosen.join(' UNION ALL ')}) ORDER BY at DESC, message_id LIMIT :limit) ${CHOSEN_MESSAGES}`,
    ),
    count: statement<{ total: number }>(
      `SELECT ${matching.map((views) => `(SELECT count(*) FROM ${views})`).join(' + ')} AS total`,
    ),
  }
}

function matchingViews(folder: Folder, hasThread: boolean, isRead: boolean | null): string {
  const read = folder === 'sent' || isRead === null ? '' : `AND v.read_at IS ${isRead ? 'NOT NULL' : 'NULL'}`
  return `views v ${hasThread ? 'INDEXED BY views_by_thread' : ''}
    WHERE v.tenant_id = :tenantId AND v.mailbox_id = :mailboxId AND v.folder = '${folder}' AND v.deleted_at IS NULL
      ${hasThread ? 'AND v.thread_id = :threadId' : ''} ${read} ${folder === 'sent' ? `AND NOT ${isAlsoInInbox('v')}` : ''}`
}
