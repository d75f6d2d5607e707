import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { senderOf } from '../../src/core/accounts/sender.ts'
import { listAccounts, mustBeOperator } from '../../src/core/governance/operator.ts'
import { type Ctx, newCtx } from '../../src/core/ground/ctx.ts'
import { momentText, readMoment } from '../../src/core/ground/cursor.ts'
import { openFile } from '../../src/core/mail/files.ts'
import { type FolderFilter, listFolder } from '../../src/core/mail/folder.ts'
import { deleteMessage, markRead, toggleStar } from '../../src/core/mail/mark.ts'
import { readMessage, readThread } from '../../src/core/mail/read.ts'
import { inboxStatements, type Letter, sentStatements } from '../../src/core/mail/store.ts'
import { findReplied } from '../../src/core/sending/reply.ts'
import { newTenant, type Tenant } from '../support/tenant.ts'

const NOW = new Date('2026-11-21T10:00:00.123Z')

const letter = (tenant: Tenant, name: string): Letter => ({
  id: `msg_${tenant.id}_${name}`,
  threadId: `thread_${tenant.id}`,
  sendId: null,
  senderTenantId: null,
  fromMailboxId: null,
  rfcId: `${tenant.id}.${name}@example.com`,
  deliveryType: 'external',
  fromAddress: 'ann@example.com',
  fromContact: 'ann@example.com',
  fromName: null,
  to: [tenant.address],
  cc: [],
  bcc: [],
  replyTo: null,
  subject: name,
  text: name,
  html: null,
  replyText: null,
  bodyKey: null,
  rawKey: null,
  files: [],
  inReplyTo: null,
  references: [],
  intent: null,
  authentication: null,
  ambiguities: [],
  risk: null,
  isAutomatic: false,
  createdAt: NOW.getTime(),
  recipients: [tenant.address],
})

const arrive = async (tenant: Tenant, names: string[]) => {
  await env.DB.batch(
    inboxStatements(
      env,
      names.map((name) => letter(tenant, name)),
      NOW,
      null,
    ),
  )
}

const named = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => `${prefix}-${at}`)

const contextOf = (tenant: Tenant, db = env.DB): Ctx => {
  const permissions = ['read' as const, 'send' as const]
  const actor = {
    kind: 'key' as const,
    keyId: 'key_test',
    agentId: tenant.agentId,
    permissions,
    scopes: null,
    expiresAt: null,
    version: 1,
    reach: [tenant.mailboxId],
  }
  return newCtx({ ...env, DB: db }, NOW, tenant.id, actor)
}

/** A page as a client sees it: with places as texts, which it hands back. */
async function page(tenant: Tenant, query: { cursor?: string | null; after?: string | null; limit: number }) {
  const at = (text: string | null | undefined) => (text ? readMoment(text) : null)
  const filter: FolderFilter = {
    folder: 'inbox',
    limit: query.limit,
    before: at(query.cursor),
    after: at(query.after),
  }
  const { messages, hasMore, newestAt } = await listFolder(contextOf(tenant), tenant.mailboxId, filter)
  const last = messages.at(-1)
  return {
    subjects: messages.map(({ subject }) => subject),
    cursor: hasMore && last ? momentText(last.at) : null,
    newest: newestAt === null ? null : momentText(newestAt),
  }
}

test('a thousand messages of one millisecond each appear once in the pages, and new ones each appear once when polled', async () => {
  const tenant = await newTenant()
  const old = named('old', 1_000)
  await Promise.all([0, 250, 500, 750].map((from) => arrive(tenant, old.slice(from, from + 250))))

  const first = await page(tenant, { limit: 7 })
  let isPaging = true
  const come: string[] = []
  const arrivals = async () => {
    for (let round = 0; isPaging || round < 20; round++) {
      const names = named(`new-${round}`, 1 + (round % 9))
      await Promise.all(names.map((name) => arrive(tenant, [name])))
      come.push(...names)
    }
  }
  const polled: string[] = []
  const poll = async (after: string) => {
    const newest = await page(tenant, { after, limit: 5 })
    polled.push(...newest.subjects)
    for (let { cursor } = newest; cursor !== null; ) {
      const older = await page(tenant, { after, cursor, limit: 5 })
      polled.push(...older.subjects)
      cursor = older.cursor
    }
    return newest.newest ?? after
  }
  const polling = async () => {
    let after = first.newest ?? ''
    while (isPaging) after = await poll(after)
    return after
  }
  const paging = async () => {
    const seen = [...first.subjects]
    for (let { cursor } = first; cursor !== null; ) {
      const next = await page(tenant, { cursor, limit: 7 })
      seen.push(...next.subjects)
      cursor = next.cursor
    }
    isPaging = false
    return seen
  }
  const [seen, after] = await Promise.all([paging(), polling(), arrivals()])
  await poll(after)

  expect(seen).toHaveLength(1_000)
  expect(seen.toSorted()).toEqual(old.toSorted())
  expect(come.length).toBeGreaterThan(50)
  expect(polled).toHaveLength(come.length)
  expect(polled.toSorted()).toEqual(come.toSorted())
}, 120_000)

test('a cursor’s time keeps its microseconds in every zone, and other text is refused', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (at) => {
      const text = momentText(at)
      expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z$/)
      expect(readMoment(text)).toBe(at)
      const ahead = momentText(at - (at % 60_000_000)).replace('Z', '+05:30')
      const shifted = readMoment(ahead)
      if (shifted !== null) expect(at - (at % 60_000_000) - shifted).toBe(19_800_000_000)
    }),
  )
  expect(readMoment('2026-03-13T15:30:00Z')).toBe(1_773_415_800_000_000)
  expect(readMoment('2026-03-13T15:30:00.1Z')).toBe(1_773_415_800_100_000)
  expect(readMoment('2026-03-13T15:30:00.123456789Z')).toBe(1_773_415_800_123_456)
  const never = '9999-12-31T23:59:59Z'
  expect(momentText(readMoment(never) ?? 0)).toBe(never)
  for (const text of [
    ...['', 'yesterday', '2026-03-13', '2026-02-30T00:00:00Z', '2026-03-13T25:00:00Z', '2026-03-13T15:30:00'],
    ...['1969-12-31T23:59:59Z', '9999-12-31T23:59:59-01:00', '2026-03-13T15:30:00.Z', '1773415800'],
  ]) {
    expect(readMoment(text), text).toBeNull()
  }
})

test('every query that reads a mailbox uses an index and is one call', async () => {
  const tenant = await newTenant()
  await arrive(tenant, named('old', 3))
  await env.DB.batch(
    sentStatements(
      env,
      [{ ...letter(tenant, 'sent'), senderTenantId: tenant.id, fromMailboxId: tenant.mailboxId }],
      NOW,
      null,
    ),
  )
  const id = `msg_${tenant.id}_old-0`
  const { mailboxId } = tenant
  const asked = (work: (ctx: Ctx) => Promise<unknown>) => watched((db) => work(contextOf(tenant, db)))
  const verbs: Record<string, () => ReturnType<typeof watched>> = {
    account: () => asked((ctx) => senderOf(ctx, null)),
    'account of a named agent': () => asked((ctx) => senderOf(ctx, tenant.agentId)),
    inbox: () => asked((ctx) => listFolder(ctx, mailboxId, { folder: 'inbox', limit: 50 })),
    'of one sender': () =>
      asked((ctx) => listFolder(ctx, mailboxId, { folder: 'inbox', limit: 5, from: 'ann@example.com' })),
    'unread of one sender': () =>
      asked((ctx) =>
        listFolder(ctx, mailboxId, {
          folder: 'inbox',
          limit: 50,
          isUnread: true,
          from: 'ann@example.com',
          before: 9e15,
          after: 1,
        }),
      ),
    sent: () => asked((ctx) => listFolder(ctx, mailboxId, { folder: 'sent', limit: 50 })),
    thread: () => asked((ctx) => readThread(ctx, mailboxId, `thread_${tenant.id}`)),
    message: () => asked((ctx) => readMessage(ctx, mailboxId, id)),
    read: () => asked((ctx) => markRead(ctx, mailboxId, id, true)),
    star: () => asked((ctx) => toggleStar(ctx, mailboxId, id)),
    reply: () => asked((ctx) => findReplied(ctx, mailboxId, id)),
    file: () => asked((ctx) => openFile(ctx, mailboxId, id, 'none').catch(() => undefined)),
    delete: () => asked((ctx) => deleteMessage(ctx, mailboxId, id)),
    'accounts of all': () =>
      watched((db) =>
        listAccounts({ ...env, DB: db }, { status: 'active', isFrozenOnly: true, limit: 10, after: null }),
      ),
  }
  for (const [verb, run] of Object.entries(verbs)) {
    const { statements, calls } = await run()
    expect({ verb, calls }).toEqual({ verb, calls: 1 })
    expect(statements.length).toBeGreaterThan(0)
    for (const { sql, binds } of statements) {
      const explained = env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`).bind(...binds)
      const { results } = await explained.all<{ detail: string }>()
      const scans = results
        .map(({ detail }) => detail)
        .filter(
          (detail) =>
            /^SCAN (?!CONSTANT ROW|\(|c$|w$|wanted\b|json_each)/.test(detail) ||
            // That would be the whole mailbox.
            /^SEARCH v .*\(tenant_id=\? AND mailbox_id=\?\)$/.test(detail),
        )
      expect({ verb, scans, plan: scans.length > 0 ? results.map(({ detail }) => detail) : [] }).toEqual({
        ...{ verb, scans: [], plan: [] },
      })
    }
  }
})

test('the operator’s routes are closed if the configured key is missing or too short', () => {
  for (const key of [undefined, '', 'x'.repeat(31)]) {
    for (const presented of [key ?? null, null, 'x'.repeat(32)]) {
      expect(() => mustBeOperator({ ...env, OPERATOR_KEY: key }, presented)).toThrow(
        expect.objectContaining({ code: 'not_configured' }),
      )
    }
  }
  const open = { ...env, OPERATOR_KEY: 'x'.repeat(32) }
  expect(() => mustBeOperator(open, 'x'.repeat(32))).not.toThrow()
  expect(() => mustBeOperator(open, null)).toThrow(expect.objectContaining({ code: 'unauthorized' }))
})

/** The statements that a verb ran, with what was bound to them, and in how many calls. */
async function watched(work: (db: D1Database) => Promise<unknown>) {
  const statements: { sql: string; binds: unknown[] }[] = []
  let calls = 0
  const watch = (of: D1PreparedStatement, sql: string): D1PreparedStatement =>
    new Proxy(of, {
      get(target, name) {
        if (name === 'bind') {
          return (...binds: unknown[]) => {
            statements.push({ sql, binds })
            return watch(target.bind(...binds), sql)
          }
        }
        if (name === 'all' || name === 'raw' || name === 'run' || name === 'first') calls += 1
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  const db = new Proxy(env.DB, {
    get(target, name) {
      if (name === 'prepare') return (sql: string) => watch(target.prepare(sql), sql)
      if (name === 'batch') calls += 1
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  await work(db)
  return { statements, calls }
}
