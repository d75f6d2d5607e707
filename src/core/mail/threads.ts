import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { bodyOf } from './body.ts'
import type { Place } from './messages.ts'
import { HTML_READ, previewOf, TEXT_READ } from './preview.ts'

/** A conversation as the mailbox sees it, without its messages. Times are microseconds since 1970. */
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
  /** Where it stands among the others. */
  place: Place
}

/** Which threads to list; null is no matter. */
export type ThreadFilter = {
  limit: number
  after: Place | null
  isUnread: boolean | null
  isStarred: boolean | null
  isArchived: boolean | null
  label: string | null
}

export type ThreadChange = {
  isRead?: boolean | undefined
  isArchived?: boolean | undefined
  isStarred?: boolean | undefined
  labels?: string[] | undefined
}

const VIEWS = `FROM views x INDEXED BY views_by_thread
  WHERE x.thread_id = t.id AND x.tenant_id = ?1 AND x.mailbox_id = ?2 AND x.deleted_at IS NULL`
const HAS_UNREAD = `EXISTS (SELECT 1 ${VIEWS} AND x.folder = 'inbox' AND x.read_at IS NULL)`
/** A thread whose messages are all deleted is gone; new mail brings it back. */
const OWN = `threads t WHERE t.tenant_id = ?1 AND t.mailbox_id = ?2 AND EXISTS (SELECT 1 ${VIEWS})`

const SUMMARY = `
  SELECT t.id, t.subject, t.last_at, t.archived, t.starred, t.labels, m.from_address, m.body_key,
    substr(m.reply_text, 1, ${TEXT_READ}) AS reply_text, substr(m.text, 1, ${TEXT_READ}) AS text,
    iif(m.text IS NULL, substr(m.html, 1, ${HTML_READ}), NULL) AS html,
    (SELECT count(DISTINCT x.message_id) ${VIEWS}) AS message_count,
    (SELECT max(x.at) ${VIEWS}) AS newest_at, ${HAS_UNREAD} AS has_unread
  FROM chosen t
  CROSS JOIN messages m ON m.tenant_id = ?1
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

/** A page of the mailbox's threads, the one with the newest message first. */
export async function listThreads(
  ctx: Ctx,
  mailboxId: string,
  filter: ThreadFilter,
): Promise<{ threads: ThreadSummary[]; hasMore: boolean; total: number }> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const { limit, after, isUnread, isStarred, isArchived, label } = filter
  const { DB } = ctx.env
  const fits = `${OWN}
    ${isUnread === null ? '' : `AND ${isUnread ? '' : 'NOT'} ${HAS_UNREAD}`}
    ${isStarred === null ? '' : `AND t.starred = ${isStarred ? 1 : 0}`}
    ${isArchived === null ? '' : `AND t.archived = ${isArchived ? 1 : 0}`}
    AND (?3 IS NULL OR EXISTS (SELECT 1 FROM json_each(t.labels) l WHERE l.value = ?3))`
  const own = [ctx.tenantId, mailboxId, label]
  const [rows, totals] = await DB.batch([
    DB.prepare(
      `WITH chosen AS (SELECT t.* FROM ${fits} AND t.last_at <= ?4 AND (t.last_at < ?4 OR t.id > ?5)
         ORDER BY t.last_at DESC, t.id LIMIT ?6) ${SUMMARY}`,
    ).bind(...own, after?.at ?? Number.MAX_SAFE_INTEGER, after?.id ?? '', limit + 1),
    DB.prepare(`SELECT count(*) AS total FROM ${fits}`).bind(...own),
  ])
  const found = (rows as D1Result<Row>).results
  const [counted] = (totals as D1Result<{ total: number }>).results
  return {
    threads: await Promise.all(found.slice(0, limit).map((row) => summaryOf(ctx, row))),
    hasMore: found.length > limit,
    total: counted?.total ?? 0,
  }
}

/** One thread as it stands. What others have is not found, as what nobody has. */
export async function seeThread(ctx: Ctx, mailboxId: string, id: string): Promise<ThreadSummary> {
  mustBeAllowed(ctx, 'read', mailboxId)
  return await foundThread(ctx, await ctx.env.DB.batch([summaryStatement(ctx, mailboxId, id)]))
}

/** Changes what is given of a thread in the mailbox's own view; reading it reads all its messages, and so does unreading. */
export async function changeThread(
  ctx: Ctx,
  mailboxId: string,
  id: string,
  { isRead, isArchived, isStarred, labels }: ThreadChange,
): Promise<ThreadSummary> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const { DB } = ctx.env
  const own = [ctx.tenantId, mailboxId, id]
  const changed = await DB.batch([
    DB.prepare(
      `UPDATE threads SET archived = coalesce(?4, archived), starred = coalesce(?5, starred),
         labels = coalesce(?6, labels) WHERE tenant_id = ?1 AND mailbox_id = ?2 AND id = ?3`,
    ).bind(...own, bit(isArchived), bit(isStarred), labels === undefined ? null : JSON.stringify(labels)),
    DB.prepare(
      `UPDATE views INDEXED BY views_by_thread SET read_at = iif(?4, coalesce(read_at, ?5), NULL)
       WHERE thread_id = ?3 AND tenant_id = ?1 AND mailbox_id = ?2 AND folder = 'inbox' AND ?4 IS NOT NULL`,
    ).bind(...own, bit(isRead), ctx.now.getTime()),
    summaryStatement(ctx, mailboxId, id),
  ])
  return await foundThread(ctx, changed)
}

const bit = (value: boolean | undefined) => (value === undefined ? null : Number(value))

function summaryStatement({ env: { DB }, tenantId }: Ctx, mailboxId: string, id: string) {
  return DB.prepare(`WITH chosen AS (SELECT t.* FROM ${OWN} AND t.id = ?3) ${SUMMARY}`).bind(
    tenantId,
    mailboxId,
    id,
  )
}

async function foundThread(ctx: Ctx, answers: D1Result[]): Promise<ThreadSummary> {
  const [row] = (answers.at(-1) as D1Result<Row>).results
  if (!row) throw new Fault('not_found', 'Thread not found.')
  return await summaryOf(ctx, row)
}

async function summaryOf({ env }: Ctx, row: Row): Promise<ThreadSummary> {
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
