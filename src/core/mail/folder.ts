import { parseAddress } from '../ground/address.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { statement } from '../ground/sql.ts'
import { CHOSEN_MESSAGES, type Folder, type Message, type MessageRow, pageOf } from './message.ts'
import { UNREAD_COUNT } from './views.ts'

/** Which messages of a folder to list, newest first: those before and after these moments, in microseconds. */
export type FolderFilter = {
  folder: Folder
  limit: number
  before?: number | null
  after?: number | null
  isUnread?: boolean
  /** The sender's address. For the inbox only. */
  from?: string | null
}

type FolderPage = {
  messages: Message[]
  hasMore: boolean
  /** How many messages match in all, on every page. */
  total: number
  /** How many messages of the whole inbox are unread. */
  unreadCount: number
  /** The newest moment in the folder at the time of this read. */
  newestAt: number | null
}

const countUnreadMessages = statement<{ unread: number }>(`SELECT ${UNREAD_COUNT} AS unread`)

/** The state of a whole folder: unread messages of the inbox, and the newest moment of the folder. */
const folderState = statement<{ unread: number; newest: number | null }>(
  `SELECT ${UNREAD_COUNT} AS unread, (SELECT max(v.at) FROM views v
     WHERE v.tenant_id = :tenantId AND v.mailbox_id = :mailboxId AND v.folder = :folder) AS newest`,
)

/** A page of a folder, newest first, with the state of the whole folder at the same moment. */
export async function listFolder(
  ctx: Ctx,
  mailboxId: string,
  { folder, limit, before = null, after = null, isUnread = false, from = null }: FolderFilter,
): Promise<FolderPage> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const { env, tenantId } = ctx
  const sender = from === null ? null : (parseAddress(from)?.contact ?? from.toLowerCase())
  const { list, count } = folderStatements(folder, isUnread, sender !== null)
  const chosen = { tenantId, mailboxId, ...(sender === null ? {} : { sender }) }
  const [rows, totals, states] = await env.DB.batch([
    list.bind(env, {
      ...chosen,
      before: before ?? Number.MAX_SAFE_INTEGER,
      after: after ?? -1,
      limit: limit + 1,
    }),
    count.bind(env, chosen),
    folderState.bind(env, { tenantId, mailboxId, folder }),
  ])
  const [total] = count.rows(totals)
  const [state] = folderState.rows(states)
  return {
    ...(await pageOf(ctx, list.rows(rows), limit)),
    total: total?.total ?? 0,
    unreadCount: state?.unread ?? 0,
    newestAt: state?.newest ?? null,
  }
}

function folderStatements(folder: Folder, isUnread: boolean, hasSender: boolean) {
  // The folder is part of the text: SQLite uses the partial index `views_by_sender` only if it sees `folder = 'inbox'`.
  const matching = `views v ${hasSender ? 'INDEXED BY views_by_sender' : ''}
    WHERE v.tenant_id = :tenantId AND v.mailbox_id = :mailboxId AND v.folder = '${folder}' AND v.deleted_at IS NULL
      ${isUnread ? 'AND v.read_at IS NULL' : ''} ${hasSender ? 'AND v.from_contact = :sender' : ''}`
  return {
    list: statement<MessageRow>(
      `WITH chosen AS (SELECT v.* FROM ${matching} AND v.at < :before AND v.at > :after
         ORDER BY v.at DESC LIMIT :limit) ${CHOSEN_MESSAGES}`,
    ),
    count: statement<{ total: number }>(`SELECT count(*) AS total FROM ${matching}`),
  }
}

/** How many messages of the inbox are unread. */
export async function countUnread(ctx: Ctx, mailboxId: string): Promise<number> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const row = await countUnreadMessages.first(ctx.env, { tenantId: ctx.tenantId, mailboxId })
  return row?.unread ?? 0
}
