import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Ctx, newCtx } from '../../src/core/ground/ctx.ts'
import { listMessages, type Place } from '../../src/core/mail/messages.ts'
import { listThreads } from '../../src/core/mail/threads.ts'
import { newTenant, type Tenant } from '../support/tenant.ts'

type View = { folder: 'inbox' | 'sent'; at: number; id: string; thread: string; isRead: boolean }

const contextOf = (tenant: Tenant): Ctx =>
  newCtx(env, new Date(), tenant.id, { kind: 'system', name: 'test' })

/** Views at chosen microseconds, which in two folders may be the same, and their threads, which may share one too. */
async function keep(tenant: Tenant, views: View[]) {
  const rows = JSON.stringify(views)
  const own = [tenant.id, tenant.mailboxId, rows]
  await env.DB.batch([
    env.DB.prepare('DELETE FROM views WHERE tenant_id = ?').bind(tenant.id),
    env.DB.prepare('DELETE FROM threads WHERE tenant_id = ?').bind(tenant.id),
    env.DB.prepare('DELETE FROM messages WHERE tenant_id = ?').bind(tenant.id),
    env.DB.prepare(
      `INSERT INTO messages (tenant_id, id, thread_id, rfc_id, delivery_type, from_address, to_addresses, cc_addresses,
         subject, text, files, reference_ids, ambiguities, created_at)
       SELECT DISTINCT ?1, value ->> 'id', value ->> 'thread', ?2, 'external', 'a@example.com', '[]', '[]', 's', 't',
         '[]', '[]', '[]', 1 FROM json_each(?3)`,
    ).bind(...own),
    env.DB.prepare(
      `INSERT INTO views (tenant_id, mailbox_id, folder, at, message_id, thread_id, from_contact, read_at)
       SELECT ?1, ?2, value ->> 'folder', value ->> 'at', value ->> 'id', value ->> 'thread', 'a@example.com',
         iif(value ->> 'isRead', 1, NULL) FROM json_each(?3)`,
    ).bind(...own),
    env.DB.prepare(
      `INSERT INTO threads (tenant_id, mailbox_id, id, subject, last_at)
       SELECT ?1, ?2, value ->> 'thread', 's', max(value ->> 'at') FROM json_each(?3) GROUP BY value ->> 'thread'`,
    ).bind(...own),
  ])
}

/** Every page of a list, one after the other, and what each page said there is in all. */
async function walk<Item>(
  next: (after: Place | null) => Promise<{ items: Item[]; hasMore: boolean; total: number }>,
  placeOf: (item: Item) => Place,
) {
  const items: Item[] = []
  const totals = new Set<number>()
  for (let after: Place | null | undefined = null; after !== undefined; ) {
    const page = await next(after)
    items.push(...page.items)
    totals.add(page.total)
    const last = page.items.at(-1)
    after = page.hasMore && last ? placeOf(last) : undefined
  }
  return { items, totals: [...totals] }
}

test('inbox, sent and threads list everything once and in order, even if many messages have the same time', async () => {
  const tenant = await newTenant()
  const ctx = contextOf(tenant)
  const folder = fc.constantFrom('inbox' as const, 'sent' as const)
  const moment = fc.record({
    folder,
    at: fc.integer({ min: 1, max: 12 }),
    isRead: fc.boolean(),
    thread: fc.nat(4),
  })
  const views = fc.uniqueArray(moment, { selector: ({ folder, at }) => `${folder}${at}`, maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(views, fc.nat(), fc.integer({ min: 1, max: 6 }), async (moments, seed, limit) => {
      const kept = moments.map(({ folder, at, isRead, thread }, index): View => {
        const letter = String.fromCharCode(97 + ((seed + index * 7) % 26))
        return {
          folder,
          at,
          isRead,
          id: `msg_${letter}${index}_${tenant.id}`,
          thread: `thread_${thread}_${tenant.id}`,
        }
      })
      await keep(tenant, kept)
      const newestFirst = kept.toSorted((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1))
      const isSeenRead = (view: View) => view.folder === 'sent' || view.isRead
      for (const isRead of [null, true, false]) {
        const wanted = newestFirst.filter((view) => isRead === null || isSeenRead(view) === isRead)
        const { items, totals } = await walk(
          async (after) => {
            const filter = { limit, after, isRead, threadId: null }
            const { messages, ...page } = await listMessages(ctx, tenant.mailboxId, filter)
            return { ...page, items: messages }
          },
          ({ at, id }) => ({ at, id }),
        )
        expect(items.map(({ id }) => id)).toEqual(wanted.map(({ id }) => id))
        expect(totals).toEqual([wanted.length])
      }

      const threads = [...Map.groupBy(newestFirst, ({ thread }) => thread)]
        .map(([id, [newest, ...older]]) => ({ id, at: newest?.at ?? 0, count: older.length + 1 }))
        .sort((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1))
      const all = { isUnread: null, isStarred: null, isArchived: null, label: null }
      const { items, totals } = await walk(
        async (after) => {
          const { threads, ...page } = await listThreads(ctx, tenant.mailboxId, { ...all, limit, after })
          return { ...page, items: threads }
        },
        ({ place }) => place,
      )
      expect(items.map(({ id, lastAt, messageCount }) => ({ id, at: lastAt, count: messageCount }))).toEqual(
        threads,
      )
      expect(totals).toEqual([threads.length])
    }),
    { numRuns: 40 },
  )
})
