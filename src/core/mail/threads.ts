import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { statement } from '../ground/sql.ts'
import { bodyOf } from './body.ts'
import type { Place } from './messages.ts'
import { HTML_READ, previewOf, TEXT_READ } from './preview.ts'
import { isUnread as isUnreadView } from './views.ts'

/** A thread as the mailbox sees it, without its messages. Times are in microseconds since 1970. */
export type ThreadSummary = {
  id: string
  subject: string
  /** Of the newest message that the mailbox still has. */
  lastPreview: string
  lastFrom: string
  lastAt: number
  messageCount: number
  isRead: boolean
  isStarred: boolean
  isArchived: boolean
  labels: string[]
  /** Its place in the list of threads. */
  place: Place
}

/** Which threads to list. Null means any. */
type ThreadFilter = {
  limit: number
  after: Place | null
  isUnread: boolean | null
  isStarred: boolean | null
  isArchived: boolean | null
  label: string | null
}

type ThreadChange = {
  isRead?: boolean | undefined
  isArchived?: boolean | undefined
  isStarred?: boolean | undefined
  labels?: string[] | undefined
}

const VIEWS = `FROM views x INDEXED BY views_by_thread
  WHERE x.thread_id = t.id AND x.tenant_id = :tenantId AND x.mailbox_id = :mailboxId AND x.deleted_at IS NULL`
const HAS_UNREAD = `EXISTS (SELECT 1 ${VIEWS} AND ${isUnreadView('x')})`
/** A thread whose messages are all deleted is not shown until it gets new mail. */
const OWN = `threads t WHERE t.tenant_id = :tenantId AND t.mailbox_id = :mailboxId AND EXISTS (SELECT 1 ${VIEWS})`

/** SQL: the summaries of the threads in the relation `chosen`. */
const SUMMARIES = `
  SELECT t.id, t.subject, t.last_at, t.archived, t.starred, t.labels, m.from_address, m.body_key,
    substr(m.reply_text, 1, ${TEXT_READ}) AS reply_text, substr(m.text, 1, ${TEXT_READ}) AS text,
    iif(m.text IS NULL, substr(m.html, 1, ${HTML_READ}), NULL) AS html,
    (SELECT count(DISTINCT x.message_id) ${VIEWS}) AS message_count,
    (SELECT max(x.at) ${VIEWS}) AS newest_at, ${HAS_UNREAD} AS has_unread
  FROM chosen t
  CROSS JOIN messages m ON m.tenant_id = :tenantId
    AND m.id = (SELECT x.message_id ${VIEWS} ORDER BY x.at DESC LIMIT 1)
  ORDER BY t.last_at DESC, t.id`

type Row = {
  id: string
  subject: string
  last_at: number
  archived: number
  starred: number
  labels: string
  from_address: string
  body_key: string | null
  reply_text: string | null
  text: string | null
  html: string | null
  message_count: number
  newest_at: number
  has_unread: number
}

/** A page of the mailbox's threads, the thread with the newest message first. */
export async function listThreads(
  ctx: Ctx,
  mailboxId: string,
  filter: ThreadFilter,
): Promise<{ threads: ThreadSummary[]; hasMore: boolean; total: number }> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const { limit, after, label } = filter
  const { env, tenantId } = ctx
  const { list, count } = listStatements(filter)
  const own = { tenantId, mailboxId, label }
  const [rows, totals] = await env.DB.batch([
    list.bind(env, {
      ...own,
      at: after?.at ?? Number.MAX_SAFE_INTEGER,
      afterId: after?.id ?? '',
      limit: limit + 1,
    }),
    count.bind(env, own),
  ])
  const found = list.rows(rows)
  const [counted] = count.rows(totals)
  return {
    threads: await Promise.all(found.slice(0, limit).map((row) => summaryOf(ctx, row))),
    hasMore: found.length > limit,
    total: counted?.total ?? 0,
  }
}

function listStatements({ isUnread, isStarred, isArchived }: ThreadFilter) {
  const matching = `${OWN}
    ${isUnread === null ? '' : `AND ${isUnread ? '' : 'NOT'} ${HAS_UNREAD}`}
    ${isStarred === null ? '' : `AND t.starred = ${isStarred ? 1 : 0}`}
    ${isArchived === null ? '' : `AND t.archived = ${isArchived ? 1 : 0}`}
    AND (:label IS NULL OR EXISTS (SELECT 1 FROM json_each(t.labels) l WHERE l.value = :label))`
  return {
    list: statement<Row>(
      `WITH chosen AS (SELECT t.* FROM ${matching} AND t.last_at <= :at AND (t.last_at < :at OR t.id > :afterId)
         ORDER BY t.last_at DESC, t.id LIMIT :limit) ${SUMMARIES}`,
    ),
    count: statement<{ total: number }>(`SELECT count(*) AS total FROM ${matching}`),
  }
}

const oneThread = statement<Row>(`WITH chosen AS (SELECT t.* FROM ${OWN} AND t.id = :id) ${SUMMARIES}`)

/** One thread. Throws `not_found` whether nobody or only another mailbox has it. */
export async function seeThread(ctx: Ctx, mailboxId: string, id: string): Promise<ThreadSummary> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const row = await oneThread.first(ctx.env, { tenantId: ctx.tenantId, mailboxId, id })
  return await summaryOf(ctx, row)
}

const updateThread = statement(
  `UPDATE threads SET archived = coalesce(:isArchived, archived), starred = coalesce(:isStarred, starred),
     labels = coalesce(:labels, labels) WHERE tenant_id = :tenantId AND mailbox_id = :mailboxId AND id = :id`,
)
const updateViews = statement(
  `UPDATE views INDEXED BY views_by_thread SET read_at = iif(:isRead, coalesce(read_at, :now), NULL)
   WHERE thread_id = :id AND tenant_id = :tenantId AND mailbox_id = :mailboxId AND folder = 'inbox'
     AND :isRead IS NOT NULL`,
)

/** Changes the given fields of a thread, for this mailbox only. `isRead` marks all its messages as read or unread. */
export async function changeThread(
  ctx: Ctx,
  mailboxId: string,
  id: string,
  { isRead, isArchived, isStarred, labels }: ThreadChange,
): Promise<ThreadSummary> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const { env, tenantId } = ctx
  const own = { tenantId, mailboxId, id }
  const [, , changed] = await env.DB.batch([
    updateThread.bind(env, {
      ...own,
      isArchived: bit(isArchived),
      isStarred: bit(isStarred),
      labels: labels === undefined ? null : JSON.stringify(labels),
    }),
    updateViews.bind(env, { ...own, isRead: bit(isRead), now: ctx.now.getTime() }),
    oneThread.bind(env, own),
  ])
  return await summaryOf(ctx, oneThread.rows(changed)[0])
}

const bit = (value: boolean | undefined) => (value === undefined ? null : Number(value))

async function summaryOf({ env }: Ctx, row: Row | null | undefined): Promise<ThreadSummary> {
  if (!row) throw new Fault('not_found', 'Thread not found.')
  const body = await bodyOf(env, { text: row.text, html: row.html, bodyKey: row.body_key })
  return {
    id: row.id,
    subject: row.subject,
    lastPreview: previewOf({ ...body, replyText: row.reply_text }),
    lastFrom: row.from_address,
    lastAt: row.newest_at,
    messageCount: row.message_count,
    isRead: row.has_unread === 0,
    isStarred: row.starred === 1,
    isArchived: row.archived === 1,
    labels: JSON.parse(row.labels),
    place: { at: row.last_at, id: row.id },
  }
}
