import { momentText } from '../../core/ground/cursor.ts'
import { searchMessages, searchThreads } from '../../core/mail/search/messages.ts'
import { type Filters, filterMoment, QUERY_AT_MOST } from '../../core/mail/search/query.ts'
import { createRoute, json, router, z } from '../http.ts'
import { me } from '../me.ts'
import { A_MOMENT } from './words.ts'

const Moment = z
  .string()
  .refine((text) => filterMoment(text) !== null, `${A_MOMENT}, or a date`)
  .transform((text) => filterMoment(text))

/** The search fields, in the query or in the body. */
export const Q = z
  .string()
  .refine((q) => q.trim() !== '', 'must not be blank')
  .refine((q) => [...q].length <= QUERY_AT_MOST, `must be at most ${QUERY_AT_MOST} characters`)

const SearchQuery = z.object({
  q: Q.openapi({ example: 'invoice "net 30" from:acme after:2026-01-01' }),
  /** The published document has no limit; at most 100 results are returned. */
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .default(10)
    .transform((limit) => Math.min(limit, 100)),
  from: z.string().min(1).max(320).optional(),
  to: z.string().min(1).max(320).optional(),
  label: z.string().min(1).max(64).optional(),
  before: Moment.optional(),
  after: Moment.optional(),
  has: z.enum(['attachment']).optional(),
})

/** How the results were found, and by which embedding. `fallback`: why a configured model was not used. */
export const How = {
  mode: z.enum(['hybrid']),
  vectors: z.string(),
  fallback: z.string().optional(),
}

const SearchView = z
  .object({
    query: z.string(),
    ...How,
    data: z.array(
      z.object({
        id: z.string(),
        thread_id: z.string(),
        from_addr: z.string(),
        subject: z.string(),
        preview: z.string(),
        score: z.number(),
        created_at: z.string(),
      }),
    ),
    total: z.number().int(),
  })
  .openapi('Search')

const ThreadSearchView = z
  .object({
    query: z.string(),
    ...How,
    data: z.array(
      z.object({
        id: z.string(),
        subject: z.string(),
        last_message_preview: z.string(),
        last_message_from: z.string(),
        last_message_at: z.string(),
        message_count: z.number().int(),
        is_read: z.boolean(),
        starred: z.boolean(),
        archived: z.boolean(),
        labels: z.array(z.string()),
        score: z.number(),
      }),
    ),
  })
  .openapi('ThreadSearch')

const DESCRIPTION = `Words, "phrases", beginnings of words (invo*) and the filters from:, to:, label:, before:, after: and \
has:attachment; each filter is also a query parameter. Everything else is searched as words.`

export const search = router()

search.openapi(
  createRoute({
    method: 'get',
    path: '/search',
    tags: ['messages'],
    security: [{ bearer: [] }],
    summary: 'Hybrid keyword + vector search across the inbox',
    description: DESCRIPTION,
    request: { query: SearchQuery },
    responses: { 200: json(SearchView) },
  }),
  async (c) => {
    const { q, limit, ...narrowing } = c.req.valid('query')
    const { mailbox } = await me(c)
    const { found, total, ...how } = await searchMessages(c.var.ctx, mailbox.id, {
      q,
      limit,
      filters: filtersOf(narrowing),
    })
    const data = found.map(({ id, threadId, fromAddress, subject, preview, score, at }) => ({
      id,
      thread_id: threadId,
      from_addr: fromAddress,
      subject,
      preview,
      score,
      created_at: momentText(at),
    }))
    return c.json({ query: q, mode: 'hybrid' as const, ...how, data, total }, 200)
  },
)

search.openapi(
  createRoute({
    method: 'get',
    path: '/search/threads',
    tags: ['threads'],
    security: [{ bearer: [] }],
    summary: 'Hybrid keyword + vector search across threads',
    description: DESCRIPTION,
    request: { query: SearchQuery },
    responses: { 200: json(ThreadSearchView) },
  }),
  async (c) => {
    const { q, limit, ...narrowing } = c.req.valid('query')
    const { mailbox } = await me(c)
    const { found, ...how } = await searchThreads(c.var.ctx, mailbox.id, {
      q,
      limit,
      filters: filtersOf(narrowing),
    })
    const data = found.map((thread) => ({
      id: thread.id,
      subject: thread.subject,
      last_message_preview: thread.lastPreview,
      last_message_from: thread.lastFrom,
      last_message_at: momentText(thread.lastAt),
      message_count: thread.messageCount,
      is_read: thread.isRead,
      starred: thread.isStarred,
      archived: thread.isArchived,
      labels: thread.labels,
      score: thread.score,
    }))
    return c.json({ query: q, mode: 'hybrid' as const, ...how, data }, 200)
  },
)

type Narrowing = Omit<z.infer<typeof SearchQuery>, 'q' | 'limit'>

function filtersOf({ from, to, label, before, after, has }: Narrowing): Filters {
  return {
    from: from === undefined ? [] : [from],
    to: to === undefined ? [] : [to],
    labels: label === undefined ? [] : [label],
    before: before ?? null,
    after: after ?? null,
    hasAttachment: has === 'attachment',
  }
}
