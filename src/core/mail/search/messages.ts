import type { Env } from '../../../env.ts'
import { type Ctx, mustBeAllowed } from '../../ground/ctx.ts'
import { type SqlValue, statement } from '../../ground/sql.ts'
import { bodyOf } from '../body.ts'
import { HTML_READ, previewOf, TEXT_READ } from '../preview.ts'
import type { ThreadSummary } from '../threads.ts'
import { isUnread } from '../views.ts'
import { type Filters, narrowed, parseQuery, spellings } from './query.ts'
import { type Arm, type Hit, type Place, type Ranking, rank, type Vectors } from './rank.ts'

/** How many more hits are looked up than were asked for: some may have been deleted a moment ago. */
const SPARE = 50

type Found = {
  id: string
  threadId: string
  fromAddress: string
  subject: string
  preview: string
  score: number
  /** In microseconds since 1970. */
  at: number
}

type MessageSearch = { q: string; filters: Filters; limit: number; arms?: Arm[] }

/**
 * The mailbox's messages that answer a query, best first and of equals the newest first. `total` counts the hits that the arms
 * contributed, at most 200 each, not every message that has one of the words.
 */
export async function searchMessages(
  ctx: Ctx,
  mailboxId: string,
  { q, filters, limit, arms }: MessageSearch,
): Promise<Vectors & { found: Found[]; total: number }> {
  const { hits, ...how } = await rankMessages(ctx, mailboxId, q, filters, arms)
  const wanted = hits.slice(0, limit + SPARE)
  const found = (await readHits(ctx, mailboxId, wanted, limit)).slice(0, limit)
  return { ...how, found, total: hits.length }
}

type FoundThread = Omit<ThreadSummary, 'place'> & { score: number }

/** The mailbox's threads that answer a query, each with the score of its best message. */
export async function searchThreads(
  ctx: Ctx,
  mailboxId: string,
  { q, filters, limit, arms }: MessageSearch,
): Promise<Vectors & { found: FoundThread[] }> {
  const { hits, ...how } = await rankMessages(ctx, mailboxId, q, filters, arms)
  return { ...how, found: await readThreads(ctx, mailboxId, hits, limit) }
}

async function rankMessages(
  ctx: Ctx,
  mailboxId: string,
  q: string,
  given: Filters,
  arms: Arm[] | undefined,
): Promise<Ranking> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const query = parseQuery(q)
  return await rank(ctx, query, placeOf(mailboxId, narrowed(query.filters, given)), arms)
}

function placeOf(mailboxId: string, filters: Filters): Place {
  const { conditions, values } = conditionsOf(filters)
  const isNarrow = conditions.length > 0
  const messages = isNarrow ? 'JOIN messages m ON m.tenant_id = v.tenant_id AND m.id = v.message_id' : ''
  return {
    kind: 'message',
    scope: mailboxId,
    isNarrow,
    values,
    matching: `EXISTS (SELECT 1 FROM views v INDEXED BY views_by_message ${messages}
      WHERE v.tenant_id = e.tenant_id AND v.message_id = e.ref_id AND v.mailbox_id = e.scope AND v.deleted_at IS NULL
        ${conditions.map((condition) => `AND ${condition}`).join(' ')})`,
  }
}

/** The filters as SQL conditions on a view `v` and its message `m`, with their parameters. */
function conditionsOf({ from, to, labels, before, after, hasAttachment }: Filters) {
  const conditions: string[] = []
  const values: Record<string, SqlValue> = {}
  const parameter = (value: SqlValue) => {
    const name = `filter${Object.keys(values).length}`
    values[name] = value
    return `:${name}`
  }
  const mustContain = (text: string, name: string) => {
    const all = parameter(JSON.stringify(spellings(name)))
    conditions.push(`EXISTS (SELECT 1 FROM json_each(${all}) s WHERE instr(lower(${text}), s.value) > 0)`)
  }
  for (const name of from) mustContain(`m.from_address || ' ' || coalesce(m.from_name, '')`, name)
  for (const name of to) mustContain('m.to_addresses || m.cc_addresses', name)
  for (const label of labels) {
    conditions.push(
      `EXISTS (SELECT 1 FROM threads t, json_each(t.labels) l WHERE t.tenant_id = v.tenant_id
        AND t.mailbox_id = v.mailbox_id AND t.id = v.thread_id
        AND lower(l.value) IN (SELECT value FROM json_each(${parameter(JSON.stringify(spellings(label)))})))`,
    )
  }
  if (before !== null) conditions.push(`v.at < ${parameter(before)}`)
  if (after !== null) conditions.push(`v.at >= ${parameter(after)}`)
  if (hasAttachment) conditions.push(`m.files <> '[]'`)
  return { conditions, values }
}

/** SQL: the views `v` of the hits `j` that the mailbox still sees. */
const SEEN = `FROM json_each(:hits) j
  CROSS JOIN search_entries e ON e.row = j.value AND e.tenant_id = :tenantId AND e.kind = 'message' AND e.scope = :mailboxId
  CROSS JOIN views v INDEXED BY views_by_message ON v.tenant_id = :tenantId AND v.message_id = e.ref_id
    AND v.mailbox_id = :mailboxId AND v.deleted_at IS NULL`

const PREVIEW_FIELDS = `substr(m.reply_text, 1, ${TEXT_READ}) AS reply_text, substr(m.text, 1, ${TEXT_READ}) AS text,
  iif(m.text IS NULL, substr(m.html, 1, ${HTML_READ}), NULL) AS html, m.body_key`

type PreviewRow = {
  subject: string
  from_address: string
  reply_text: string | null
  text: string | null
  html: string | null
  body_key: string | null
}

type HitRow = PreviewRow & { id: string; row: number; thread_id: string; at: number }

const messagesOfHits = statement<HitRow>(
  `SELECT e.row, m.id, m.thread_id, m.from_address, m.subject, ${PREVIEW_FIELDS}, v.at, min(v.folder) ${SEEN}
   CROSS JOIN messages m ON m.tenant_id = :tenantId AND m.id = v.message_id
   GROUP BY j.key ORDER BY j.key LIMIT :limit`,
)

async function readHits(ctx: Ctx, mailboxId: string, hits: Hit[], limit: number): Promise<Found[]> {
  if (hits.length === 0) return []
  const { env, tenantId } = ctx
  const rows = await messagesOfHits.all(env, { tenantId, mailboxId, hits: rowsOf(hits), limit })
  const scores = new Map(hits.map(({ row, score }) => [row, score]))
  return await Promise.all(
    rows.map(async (row) => ({
      id: row.id,
      threadId: row.thread_id,
      fromAddress: row.from_address,
      subject: row.subject,
      preview: await previewOfRow(env, row),
      score: scores.get(row.row) ?? 0,
      at: row.at,
    })),
  )
}

type ThreadRow = PreviewRow & {
  row: number
  id: string
  last_at: number
  message_count: number
  is_read: number
  starred: number | null
  archived: number | null
  labels: string | null
}

const VIEWS_OF_THREAD = `FROM views x INDEXED BY views_by_thread
  WHERE x.thread_id = c.id AND x.tenant_id = :tenantId AND x.mailbox_id = :mailboxId AND x.deleted_at IS NULL`

const threadsOfHits = statement<ThreadRow>(
  `WITH chosen AS (
     SELECT v.thread_id AS id, min(j.key) AS place, e.row ${SEEN} GROUP BY v.thread_id ORDER BY place LIMIT :limit)
   SELECT c.id, c.row, t.starred, t.archived, t.labels, coalesce(t.subject, m.subject) AS subject, m.from_address,
     ${PREVIEW_FIELDS}, max(v.at) AS last_at,
     (SELECT count(DISTINCT x.message_id) ${VIEWS_OF_THREAD}) AS message_count,
     NOT EXISTS (SELECT 1 ${VIEWS_OF_THREAD} AND ${isUnread('x')}) AS is_read
   FROM chosen c
   LEFT JOIN threads t ON t.tenant_id = :tenantId AND t.mailbox_id = :mailboxId AND t.id = c.id
   CROSS JOIN views v INDEXED BY views_by_thread ON v.thread_id = c.id AND v.tenant_id = :tenantId
     AND v.mailbox_id = :mailboxId AND v.deleted_at IS NULL
   CROSS JOIN messages m ON m.tenant_id = :tenantId AND m.id = v.message_id
   GROUP BY c.place ORDER BY c.place`,
)

async function readThreads(ctx: Ctx, mailboxId: string, hits: Hit[], limit: number): Promise<FoundThread[]> {
  if (hits.length === 0) return []
  const { env, tenantId } = ctx
  const rows = await threadsOfHits.all(env, { tenantId, mailboxId, hits: rowsOf(hits), limit })
  const scores = new Map(hits.map(({ row, score }) => [row, score]))
  return await Promise.all(
    rows.map(async (row) => ({
      id: row.id,
      subject: row.subject,
      lastPreview: await previewOfRow(env, row),
      lastFrom: row.from_address,
      lastAt: row.last_at,
      messageCount: row.message_count,
      isRead: row.is_read === 1,
      isStarred: row.starred === 1,
      isArchived: row.archived === 1,
      labels: JSON.parse(row.labels ?? '[]'),
      score: scores.get(row.row) ?? 0,
    })),
  )
}

const rowsOf = (hits: Hit[]) => JSON.stringify(hits.map((hit) => hit.row))

async function previewOfRow(env: Env, { text, html, body_key, reply_text }: PreviewRow): Promise<string> {
  const body = await bodyOf(env, { text, html, bodyKey: body_key })
  return previewOf({ ...body, replyText: reply_text })
}
