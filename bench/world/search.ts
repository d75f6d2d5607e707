import { Hono } from 'hono'
import { z } from 'zod'
import { newCtx } from '../../src/core/ground/ctx.ts'
import { scopeToken } from '../../src/core/mail/search/entries.ts'
import { indexMessages } from '../../src/core/mail/search/indexing.ts'
import { searchMessages } from '../../src/core/mail/search/messages.ts'
import { matchExpressions, NO_FILTERS, parseQuery } from '../../src/core/mail/search/query.ts'
import type { BenchEnv } from './floor.ts'

const Place = z.object({ tenantId: z.string(), mailboxId: z.string() })
const Mails = Place.extend({
  /** How many messages were stored before these. */
  after: z.number().int().default(0),
  mails: z
    .array(
      z.object({
        id: z.string(),
        fromName: z.string(),
        from: z.string(),
        subject: z.string(),
        text: z.string(),
      }),
    )
    .max(500),
})

/** Routes for the evaluation and the benchmark of search: they fill a mailbox and search it. */
export const search = new Hono<{ Bindings: BenchEnv }>()

/** Stores and indexes messages, oldest first. */
search.post('/mails', async (c) => {
  const { tenantId, mailboxId, mails, after } = Mails.parse(await c.req.json())
  const { DB } = c.env
  const rows = JSON.stringify(mails)
  const base = Date.UTC(2026, 0, 1) + after
  await DB.batch([
    DB.prepare(
      `INSERT INTO messages (tenant_id, id, thread_id, rfc_id, delivery_type, from_address, from_name, to_addresses,
         cc_addresses, subject, text, files, reference_ids, ambiguities, created_at)
       SELECT ?1, j.value ->> 'id', j.value ->> 'id', j.value ->> 'id', 'external', j.value ->> 'from',
         j.value ->> 'fromName', '[]', '[]', j.value ->> 'subject', j.value ->> 'text', '[]', '[]', '[]', ?2 + j.key
       FROM json_each(?3) j`,
    ).bind(tenantId, base, rows),
    DB.prepare(
      `INSERT INTO views (tenant_id, mailbox_id, folder, at, message_id, thread_id, from_contact)
       SELECT ?1, ?4, 'inbox', (?2 + j.key) * 1000, j.value ->> 'id', j.value ->> 'id', j.value ->> 'from'
       FROM json_each(?3) j`,
    ).bind(tenantId, base, rows, mailboxId),
  ])
  const refs = mails.map(({ id }) => ({ messageId: id, mailboxId }))
  await indexMessages(c.env, new Date(base + mails.length), tenantId, refs)
  return c.json({ status: 'ok' })
})

const Question = Place.extend({
  q: z.string(),
  arms: z.array(z.enum(['keyword', 'embedded', 'model'])),
})

/** Returns the ids of the ten best results. `arms` are the kinds of search to use. */
search.post('/ask', async (c) => {
  const { tenantId, mailboxId, q, arms } = Question.parse(await c.req.json())
  const ctx = newCtx(c.env, new Date(), tenantId, { kind: 'system', name: 'bench' })
  const { found } = await searchMessages(ctx, mailboxId, { q, filters: NO_FILTERS, limit: 10, arms })
  return c.json({ ids: found.map(({ id }) => id) })
})

/** Returns the full-text expression for a search. */
search.post('/match', async (c) => {
  const { tenantId, mailboxId, q } = Place.extend({ q: z.string() }).parse(await c.req.json())
  const { any } = matchExpressions(parseQuery(q), await scopeToken('message', tenantId, mailboxId))
  return c.json({ match: any })
})

/** The least that a search can cost: one full-text query over the same rows, sorted by rank. */
search.post('/bare', async (c) => {
  const { match } = z.object({ match: z.string() }).parse(await c.req.json())
  const { results } = await c.env.DB.prepare(
    'SELECT rowid FROM search_fts WHERE search_fts MATCH ? ORDER BY rank LIMIT 10',
  )
    .bind(match)
    .all()
  return c.json({ status: 'ok', results })
})
