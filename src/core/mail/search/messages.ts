import type { Env } from '../../../env.ts'
import type { StoredFile } from '../../../schema/letters.ts'
import { type Ctx, mustBeAllowed } from '../../ground/ctx.ts'
import { textOfHtml } from '../../reading/text/html.ts'
import { bodyOf } from '../body.ts'
import { previewOf, HTML_READ as SHOWN_HTML, TEXT_READ as SHOWN_TEXT } from '../preview.ts'
import type { ThreadSummary } from '../threads.ts'
import {
  dropVectors,
  type Entry,
  entryStatements,
  forgetStatement,
  keepVectors,
  prepareEntries,
} from './entries.ts'
import { type Filters, narrowed, parseQuery, spellings } from './query.ts'
import { type Arm, type Hit, type Place, type Ranking, rank, type Vectors } from './rank.ts'

export type MessageRef = { messageId: string; mailboxId: string }

/** How much of a text and of its markup is read from the database to be indexed, in characters. */
const TEXT_READ = 32_768
const HTML_READ = 131_072
/** Messages whose texts are held at once. */
const AT_ONCE = 50
/** Hits looked up beyond those that were asked for: some may have been deleted a moment ago. */
const SPARE = 50

type Row = {
  mailbox_id: string
  id: string
  created_at: number
  from_address: string
  from_name: string | null
  to_addresses: string
  cc_addresses: string
  subject: string
  text: string | null
  html: string | null
  body_key: string | null
  files: string
}

/** Makes messages findable in the mailboxes that see them, once however often they are named. Deleted ones stay away. */
export async function indexMessages(
  env: Env,
  now: Date,
  tenantId: string,
  refs: MessageRef[],
): Promise<void> {
  for (let at = 0; at < refs.length; at += AT_ONCE) {
    await indexSome(env, now, tenantId, refs.slice(at, at + AT_ONCE))
  }
}

/** Takes a message out of what one mailbox finds. */
export async function forgetMessage(
  env: Env,
  tenantId: string,
  messageId: string,
  mailboxId: string,
): Promise<void> {
  await forgetStatement(env, 'message', tenantId, mailboxId, messageId).run()
  await dropVectors(env, 'message', tenantId, [{ scope: mailboxId, refId: messageId }])
}

async function indexSome(env: Env, now: Date, tenantId: string, refs: MessageRef[]): Promise<void> {
  const { results } = await env.DB.prepare(
    `SELECT DISTINCT v.mailbox_id, m.id, m.created_at, m.from_address, m.from_name, m.to_addresses, m.cc_addresses,
       m.subject, substr(m.text, 1, ${TEXT_READ}) AS text, m.body_key, m.files,
       iif(m.text IS NULL, substr(m.html, 1, ${HTML_READ}), NULL) AS html
     FROM json_each(?2) j
     CROSS JOIN views v INDEXED BY views_by_message ON v.tenant_id = ?1 AND v.message_id = j.value ->> 'messageId'
       AND v.mailbox_id = j.value ->> 'mailboxId' AND v.deleted_at IS NULL
     CROSS JOIN messages m ON m.tenant_id = v.tenant_id AND m.id = v.message_id`,
  )
    .bind(tenantId, JSON.stringify(refs))
    .all<Row>()
  if (results.length === 0) return
  const entries: Entry[] = []
  for (const row of results) {
    const body = await wordsOf(env, row)
    entries.push({
      scope: row.mailbox_id,
      refId: row.id,
      at: Math.min(row.created_at, now.getTime()),
      title: row.subject,
      body,
      names: namesOf(row),
    })
  }
  const prepared = await prepareEntries(env, 'message', tenantId, entries)
  await env.DB.batch(entryStatements(env, prepared))
  await keepVectors(env, prepared)
}

/** What a message says, from wherever its body lies. */
async function wordsOf(env: Env, { text, html, body_key }: Omit<Row, 'mailbox_id'>): Promise<string> {
  const body = await bodyOf(env, { text, html, bodyKey: body_key })
  return body.text ?? (body.html === null ? '' : textOfHtml(body.html.slice(0, HTML_READ)))
}

function namesOf({ from_name, from_address, to_addresses, cc_addresses, files }: Row): string {
  const read: StoredFile[] = JSON.parse(files)
  const others: string[] = [...JSON.parse(to_addresses), ...JSON.parse(cc_addresses)]
  return [from_name ?? '', from_address, ...others, ...read.map((file) => file.filename)].join(' \n ')
}

export type Found = {
  id: string
  threadId: string
  fromAddress: string
  subject: string
  preview: string
  score: number
  /** In microseconds since 1970. */
  at: number
}

export type MessageSearch = { q: string; filters: Filters; limit: number; arms?: Arm[] }

/**
 * The mailbox's messages that answer a query, best first and of equals the newest first. `total` is how many were found
 * among the best of each way of looking, not how many hold some word.
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

export type FoundThread = Omit<ThreadSummary, 'place'> & { score: number }

/** The mailbox's threads that answer a query, each as good as its best message. */
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
  const conditions: string[] = []
  const binds: unknown[] = []
  const must = (condition: string, ...values: unknown[]) => {
    conditions.push(condition)
    binds.push(...values)
  }
  const mustHold = (text: string, name: string) => {
    const [only, ...others] = spellings(name)
    if (others.length === 0) return must(`instr(lower(${text}), ?) > 0`, only)
    const all = JSON.stringify([only, ...others])
    must(`EXISTS (SELECT 1 FROM json_each(?) s WHERE instr(lower(${text}), s.value) > 0)`, all)
  }
  for (const name of filters.from) mustHold(`m.from_address || ' ' || coalesce(m.from_name, '')`, name)
  for (const name of filters.to) mustHold('m.to_addresses || m.cc_addresses', name)
  for (const label of filters.labels) {
    must(
      `EXISTS (SELECT 1 FROM threads t, json_each(t.labels) l WHERE t.tenant_id = v.tenant_id
        AND t.mailbox_id = v.mailbox_id AND t.id = v.thread_id
        AND lower(l.value) IN (SELECT value FROM json_each(?)))`,
      JSON.stringify(spellings(label)),
    )
  }
  if (filters.before !== null) must('v.at < ?', filters.before)
  if (filters.after !== null) must('v.at >= ?', filters.after)
  if (filters.hasAttachment) must(`m.files <> '[]'`)
  const isNarrow = conditions.length > 0
  return {
    kind: 'message',
    scope: mailboxId,
    isNarrow,
    binds,
    fits: `EXISTS (SELECT 1 FROM views v INDEXED BY views_by_message ${isNarrow ? 'JOIN messages m ON m.tenant_id = v.tenant_id AND m.id = v.message_id' : ''}
      WHERE v.tenant_id = e.tenant_id AND v.message_id = e.ref_id AND v.mailbox_id = e.scope AND v.deleted_at IS NULL
        ${conditions.map((condition) => `AND ${condition}`).join(' ')})`,
  }
}

/**
 * The views `v` of hits `j`, as the mailbox itself still sees them. Here as elsewhere the index is named: left to choose, SQLite
 * reads the whole mailbox for each message.
 */
const SEEN = `FROM json_each(?3) j
  CROSS JOIN search_entries e ON e.row = j.value AND e.tenant_id = ?1 AND e.kind = 'message' AND e.scope = ?2
  CROSS JOIN views v INDEXED BY views_by_message ON v.tenant_id = ?1 AND v.message_id = e.ref_id AND v.mailbox_id = ?2 AND v.deleted_at IS NULL`

const TEXT_OF = `substr(m.reply_text, 1, ${SHOWN_TEXT}) AS reply_text, substr(m.text, 1, ${SHOWN_TEXT}) AS text,
  iif(m.text IS NULL, substr(m.html, 1, ${SHOWN_HTML}), NULL) AS html, m.body_key`

type Shown = Pick<Row, 'text' | 'html' | 'body_key' | 'subject' | 'from_address'> & {
  reply_text: string | null
}

type HitRow = Shown & {
  id: string
  row: number
  thread_id: string
  at: number
}

async function readHits(ctx: Ctx, mailboxId: string, hits: Hit[], limit: number): Promise<Found[]> {
  if (hits.length === 0) return []
  const { env, tenantId } = ctx
  const { results } = await env.DB.prepare(
    `SELECT e.row, m.id, m.thread_id, m.from_address, m.subject, ${TEXT_OF}, v.at, min(v.folder) ${SEEN}
     CROSS JOIN messages m ON m.tenant_id = ?1 AND m.id = v.message_id
     GROUP BY j.key ORDER BY j.key LIMIT ?4`,
  )
    .bind(tenantId, mailboxId, JSON.stringify(hits.map((hit) => hit.row)), limit)
    .all<HitRow>()
  const scores = new Map(hits.map(({ row, score }) => [row, score]))
  return await Promise.all(
    results.map(async (row) => ({
      id: row.id,
      threadId: row.thread_id,
      fromAddress: row.from_address,
      subject: row.subject,
      preview: await shownOf(env, row),
      score: scores.get(row.row) ?? 0,
      at: row.at,
    })),
  )
}

type ThreadRow = Shown & {
  row: number
  id: string
  last_at: number
  message_count: number
  is_read: number
  starred: number | null
  archived: number | null
  labels: string | null
}

async function readThreads(ctx: Ctx, mailboxId: string, hits: Hit[], limit: number): Promise<FoundThread[]> {
  if (hits.length === 0) return []
  const { env, tenantId } = ctx
  const ofThread = 'x.thread_id = c.id AND x.tenant_id = ?1 AND x.mailbox_id = ?2 AND x.deleted_at IS NULL'
  const { results } = await env.DB.prepare(
    `WITH chosen AS (
       SELECT v.thread_id AS id, min(j.key) AS place, e.row ${SEEN} GROUP BY v.thread_id ORDER BY place LIMIT ?4)
     SELECT c.id, c.row, t.starred, t.archived, t.labels, coalesce(t.subject, m.subject) AS subject, m.from_address, ${TEXT_OF}, max(v.at) AS last_at,
       (SELECT count(DISTINCT x.message_id) FROM views x INDEXED BY views_by_thread WHERE ${ofThread}) AS message_count,
       NOT EXISTS (SELECT 1 FROM views x INDEXED BY views_by_thread WHERE ${ofThread} AND x.folder = 'inbox' AND x.read_at IS NULL) AS is_read
     FROM chosen c
     LEFT JOIN threads t ON t.tenant_id = ?1 AND t.mailbox_id = ?2 AND t.id = c.id
     CROSS JOIN views v INDEXED BY views_by_thread ON v.thread_id = c.id AND v.tenant_id = ?1 AND v.mailbox_id = ?2 AND v.deleted_at IS NULL
     CROSS JOIN messages m ON m.tenant_id = ?1 AND m.id = v.message_id
     GROUP BY c.place ORDER BY c.place`,
  )
    .bind(tenantId, mailboxId, JSON.stringify(hits.map((hit) => hit.row)), limit)
    .all<ThreadRow>()
  const scores = new Map(hits.map(({ row, score }) => [row, score]))
  return await Promise.all(
    results.map(async (row) => ({
      id: row.id,
      subject: row.subject,
      lastPreview: await shownOf(env, row),
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

async function shownOf(env: Env, { text, html, body_key, reply_text }: Shown): Promise<string> {
  const body = await bodyOf(env, { text, html, bodyKey: body_key })
  return previewOf({ ...body, replyText: reply_text })
}
