import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { statement } from '../ground/sql.ts'
import { CHOSEN_MESSAGES, type Message, type MessageRow, messageOf, pageOf } from './message.ts'
import { isAlsoInInbox, messageExists, missing, threadExists } from './views.ts'

/** The most messages of a thread in one answer. */
const THREAD_PAGE = 500

type Thread = {
  id: string
  subject: string
  /** Oldest first. */
  messages: Message[]
  /** The thread has older messages than these. */
  hasMore: boolean
}

const subjectOfThread = statement<{ subject: string }>(
  'SELECT subject FROM threads WHERE tenant_id = :tenantId AND mailbox_id = :mailboxId AND id = :id',
)

const messagesOfThread = statement<MessageRow>(
  `WITH chosen AS (
     SELECT v.* FROM views v INDEXED BY views_by_thread
     WHERE v.thread_id = :id AND v.tenant_id = :tenantId AND v.mailbox_id = :mailboxId AND v.deleted_at IS NULL
       AND v.at < :before AND (v.folder = 'inbox' OR NOT ${isAlsoInInbox('v')})
     ORDER BY v.at DESC, v.message_id LIMIT ${THREAD_PAGE + 1}) ${CHOSEN_MESSAGES}`,
)

/**
 * A thread as the mailbox sees it: its newest messages, or the newest before a moment in microseconds. Throws
 * `not_a_participant` if only other mailboxes of the tenant have the thread.
 */
export async function readThread(
  ctx: Ctx,
  mailboxId: string,
  id: string,
  { before = null }: { before?: number | null } = {},
): Promise<Thread> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const { env, tenantId } = ctx
  const own = { tenantId, mailboxId, id }
  const [threads, views, existence] = await env.DB.batch([
    subjectOfThread.bind(env, own),
    messagesOfThread.bind(env, { ...own, before: before ?? Number.MAX_SAFE_INTEGER }),
    threadExists.bind(env, own),
  ])
  const rows = messagesOfThread.rows(views)
  if (rows.length === 0 && before === null) throw missing(threadExists.rows(existence), 'thread')
  const { messages, hasMore } = await pageOf(ctx, rows, THREAD_PAGE)
  messages.reverse()
  const [thread] = subjectOfThread.rows(threads)
  return { id, subject: thread?.subject ?? messages[0]?.subject ?? '', messages, hasMore }
}

const markReadOnce = statement(
  `UPDATE views INDEXED BY views_by_message SET read_at = :now
   WHERE tenant_id = :tenantId AND mailbox_id = :mailboxId AND message_id = :id
     AND folder = 'inbox' AND read_at IS NULL AND deleted_at IS NULL`,
)

const oneMessage = statement<MessageRow>(
  `WITH chosen AS (
     SELECT v.* FROM views v INDEXED BY views_by_message
     WHERE v.tenant_id = :tenantId AND v.mailbox_id = :mailboxId AND v.message_id = :id AND v.deleted_at IS NULL
     ORDER BY v.folder LIMIT 1) ${CHOSEN_MESSAGES}`,
)

/** One message, marked as read if it is in the inbox. Throws `not_a_participant` if only others of the tenant have it. */
export async function readMessage(ctx: Ctx, mailboxId: string, id: string): Promise<Message> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const { env, tenantId } = ctx
  const own = { tenantId, mailboxId, id }
  const [, views, existence] = await env.DB.batch([
    markReadOnce.bind(env, { ...own, now: ctx.now.getTime() }),
    oneMessage.bind(env, own),
    messageExists.bind(env, own),
  ])
  const [row] = oneMessage.rows(views)
  if (!row) throw missing(messageExists.rows(existence), 'message')
  return await messageOf(env, row)
}

/** One message, without marking it as read. Throws `not_found` if this mailbox does not have it. */
export async function seeMessage(ctx: Ctx, mailboxId: string, id: string): Promise<Message> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const row = await oneMessage.first(ctx.env, { tenantId: ctx.tenantId, mailboxId, id })
  if (!row) throw new Fault('not_found', 'Message not found.')
  return await messageOf(ctx.env, row)
}
