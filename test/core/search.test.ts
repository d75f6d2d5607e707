import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { newCtx } from '../../src/core/ground/ctx.ts'
import { embed, nearnessTo, stem } from '../../src/core/mail/search/embedding.ts'
import { scopeToken } from '../../src/core/mail/search/entries.ts'
import { unindexMessage } from '../../src/core/mail/search/indexing.ts'
import { searchMessages, searchThreads } from '../../src/core/mail/search/messages.ts'
import { matchExpressions, NO_FILTERS, parseQuery } from '../../src/core/mail/search/query.ts'
import { fused } from '../../src/core/mail/search/rank.ts'
import { words } from '../../src/core/mail/search/words.ts'
import type { Env } from '../../src/env.ts'
import { index, NOW, put } from '../support/findable.ts'
import { newModel } from '../support/model.ts'
import { newTenant, type Tenant } from '../support/tenant.ts'

const ctxOf = (tenant: Tenant, within: Env = env) =>
  newCtx(within, new Date(), tenant.id, { kind: 'system', name: 'test' })

async function find(tenant: Tenant, q: string, filters: Partial<typeof NO_FILTERS> = {}, within: Env = env) {
  const given = { q, filters: { ...NO_FILTERS, ...filters }, limit: 100 }
  const { found, ...how } = await searchMessages(ctxOf(tenant, within), tenant.mailboxId, given)
  return { ids: found.map(({ id }) => id), found, ...how }
}

const count = async (sql: string, ...binds: unknown[]) =>
  (
    await env.DB.prepare(`SELECT count(*) AS n FROM ${sql}`)
      .bind(...binds)
      .first<{ n: number }>()
  )?.n

test('a query becomes an expression that contains only words, limited to the scope', () => {
  const query = parseQuery(
    'Invoice "net 30" from:ann@example.com INV-2026-7 refu* before:2026-02-30 has:wings (NEAR',
  )
  expect(query.filters).toEqual({ ...NO_FILTERS, from: ['ann@example.com'] })
  expect(query.phrases).toEqual([{ words: ['net', '30'], isPrefix: false }])
  expect(matchExpressions(query, 'T')).toEqual({
    all: '"Tnet T30"',
    any: '("Tnet T30") AND ("Tnet T30" OR "Tinvoice" OR "Tinv T2026 T7" OR "Trefu" * OR "Tbefore T2026 T02 T30" OR "Thas Twings" OR "Tnear")',
  })
  const many = parseQuery('to:a '.repeat(100) + 'word '.repeat(50))
  expect(many.filters.to).toHaveLength(8)
  expect(many.terms.map(({ words }) => words.join())).toEqual(['to,a', 'word'])
  expect(matchExpressions(parseQuery('"" * ** (((  --'), 'T')).toEqual({ any: null, all: null })
  expect(matchExpressions(parseQuery('to be or not'), 'T').any).toBe('"Tnot"')
  expect(matchExpressions(parseQuery('who are you'), 'T').any).toBe('"Twho" OR "Tare" OR "Tyou"')
  expect(
    parseQuery('AFTER:2026-01-02T03:04:05Z before:2026-03-01 HAS:Attachment label:"to do"').filters,
  ).toEqual({
    ...NO_FILTERS,
    after: Date.UTC(2026, 0, 2, 3, 4, 5) * 1000,
    before: Date.UTC(2026, 2, 1) * 1000,
    hasAttachment: true,
    labels: ['to do'],
  })
  expect(words('Zoë’s ΣΟΦΟΣ ﬁle 東京都 \u0000\ud800 a_b AV2093 3,418.20')).toEqual([
    'zoe',
    's',
    'σοφος',
    'file',
    '東京',
    '京都',
    'a',
    'b',
    'av',
    '2093',
    '3418',
    '20',
  ])
})

test('an embedded vector never changes; it is near for similar texts and far for others', () => {
  const of = (title: string) => embed({ title, body: '', names: '' })
  expect(of('Invoice 4711')).toBe(of('invoice, 4711!'))
  expect(of('Invoice 4711')).toMatch(/^[#-[]{256}$/)
  const near = (a: string, b: string) => nearnessTo(of(a))(of(b))
  expect(near('Your invoice', 'the invoices')).toBeGreaterThan(0.5)
  expect(near('recieve the shipmnet', 'received a shipment')).toBeGreaterThan(0.2)
  expect(near('refund', 'reimbursement')).toBeGreaterThan(0.2)
  expect(near('quarterly figures', 'quantum gardening')).toBeLessThan(0.3)
  expect(near('', 'anything')).toBe(0)
  expect(['meetings', 'meeting', 'cancelled', 'cancels', 'studies', 'study'].map(stem)).toEqual([
    'meet',
    'meet',
    'cancel',
    'cancel',
    'studi',
    'studi',
  ])
})

test('ranks are fused: an entry that is high in both lists wins, and of equals the newest', () => {
  const list = (...rows: number[]) => rows.map((row) => ({ row, at: row }))
  expect(fused([list(1, 2, 3), list(3, 2)]).map(({ row }) => row)).toEqual([3, 2, 1])
  expect(fused([list(1), list(2)]).map(({ row }) => row)).toEqual([2, 1])
  expect(fused([list(1), list(1)])[0]?.score).toBeCloseTo(1)
})

test('messages are found by subject, text, markup, names, files and large bodies, and shown with a preview', async () => {
  const tenant = await newTenant()
  await env.MAIL.put(
    'bodies/search',
    JSON.stringify({ text: `Zanzibar ${'padding '.repeat(40_000)}`, html: null }),
  )
  const bySubject = await put(tenant, { subject: 'Quarterly forecast', text: 'Numbers attached.' })
  const byText = await put(tenant, {
    text: 'Please see the  quarterly\n\nforecast  below.',
    from: 'bob@acme.test',
  })
  const byHtml = await put(tenant, { html: '<p>A <b>marmalade</b> offer</p>' })
  const byName = await put(tenant, { fromName: 'Gwendolyn Fairfax', files: ['blueprint-final.pdf'] })
  const large = await put(tenant, { bodyKey: 'bodies/search' })
  const forecast = await find(tenant, 'quarterly forecast')
  expect(forecast.ids.slice(0, 2)).toEqual([bySubject, byText])
  expect(forecast).toMatchObject({ vectors: 'embedded' })
  expect(forecast.found[1]).toMatchObject({
    threadId: `thread_${byText}`,
    fromAddress: 'bob@acme.test',
    subject: 'Hello',
    preview: 'Please see the quarterly forecast below.',
  })
  expect((await find(tenant, 'marmalade')).found[0]).toMatchObject({
    id: byHtml,
    preview: 'A marmalade offer',
  })
  expect((await find(tenant, 'Fairfax')).ids[0]).toBe(byName)
  expect((await find(tenant, 'blueprint')).ids[0]).toBe(byName)
  const zanzibar = (await find(tenant, 'zanzibar')).found[0]
  expect(zanzibar?.id).toBe(large)
  expect(zanzibar?.preview).toHaveLength(200)
  expect((await find(tenant, '"forecast quarterly"')).ids).toEqual([])
  expect((await find(tenant, 'marm*')).ids[0]).toBe(byHtml)
  expect((await find(tenant, 'forecasting')).ids).toContain(bySubject)
  expect((await find(tenant, 'xylophone zither')).ids).toEqual([])
})

test('indexing a message twice at the same time makes one entry; a deleted message has none', async () => {
  const tenant = await newTenant()
  const id = await put(tenant, { subject: 'Singular' }, { isIndexed: false })
  await Promise.all(Array.from({ length: 20 }, () => index(tenant, [id, id])))
  expect(await count('search_entries WHERE tenant_id = ?', tenant.id)).toBe(1)
  const token = await scopeToken('message', tenant.id, tenant.mailboxId)
  const matching = () => count('search_fts WHERE search_fts MATCH ?', `"${token}singular"`)
  expect(await matching()).toBe(1)
  expect((await find(tenant, 'singular')).ids).toEqual([id])

  await env.DB.prepare('UPDATE views SET deleted_at = 1 WHERE tenant_id = ?').bind(tenant.id).run()
  expect((await find(tenant, 'singular')).ids).toEqual([])
  expect((await find(tenant, 'after:2020-01-01')).ids).toEqual([])
  await unindexMessage(env, tenant.id, id, tenant.mailboxId)
  expect(await matching()).toBe(0)
  await index(tenant, [id])
  expect(await count('search_entries WHERE tenant_id = ?', tenant.id)).toBe(0)
  expect(await matching()).toBe(0)
})

test('a message that a mailbox sent to itself is found once, and a page has as many results as requested', async () => {
  const tenant = await newTenant()
  const id = await put(tenant, { subject: 'To myself', folder: 'sent' })
  await env.DB.prepare(
    `INSERT INTO views SELECT tenant_id, mailbox_id, 'inbox', at, message_id, thread_id, from_contact, NULL, 0, NULL
     FROM views WHERE message_id = ?`,
  )
    .bind(id)
    .run()
  expect((await find(tenant, 'myself')).ids).toEqual([id])
  const ids: string[] = []
  for (let at = 0; at < 12; at++)
    ids.push(await put(tenant, { subject: 'Weekly numbers' }, { isIndexed: false }))
  await index(tenant, ids)
  const { found, total } = await searchMessages(ctxOf(tenant), tenant.mailboxId, {
    q: 'weekly',
    filters: NO_FILTERS,
    limit: 5,
  })
  expect(found.map((each) => each.id)).toEqual(ids.toReversed().slice(0, 5))
  expect(total).toBe(12)
})

test('filters narrow the results, written inside the query or given beside it', async () => {
  const tenant = await newTenant()
  const march = await put(tenant, {
    subject: 'Report March',
    from: 'ann@acme.test',
    fromName: 'Ann O’Hara',
    at: Date.UTC(2026, 2, 15),
    files: ['a.pdf'],
  })
  const april = await put(tenant, {
    subject: 'Report April',
    from: 'bob@other.test',
    to: ['team@list.test'],
    at: Date.UTC(2026, 3, 15),
    thread: `thread_april_${tenant.id}`,
  })
  await env.DB.prepare(`UPDATE threads SET labels = '["Finance","to do"]' WHERE id = ?`)
    .bind(`thread_april_${tenant.id}`)
    .run()
  const cases: [string, Partial<typeof NO_FILTERS>, string[]][] = [
    ['report', {}, [april, march]],
    ['report from:ACME', {}, [march]],
    ['report from:o’hara', {}, [march]],
    ['report', { from: ['bob@'] }, [april]],
    ['report from:acme', { from: ['bob@'] }, []],
    ['report to:team@list.test', {}, [april]],
    ['report before:2026-04-01', {}, [march]],
    ['report after:2026-04-15', {}, [april]],
    ['report', { after: Date.UTC(2026, 3, 15) * 1000 + 60_000_000 }, []],
    ['report has:attachment', {}, [march]],
    ['report', { hasAttachment: true }, [march]],
    ['report label:finance', {}, [april]],
    ['report label:"TO DO"', {}, [april]],
    ['label:nothing', {}, []],
    ['after:2026-01-01', {}, [april, march]],
    ['from:"\' OR 1=1 --"', {}, []],
    ['from:%', {}, []],
  ]
  for (const [q, filters, expected] of cases) {
    expect({ q, filters, ids: (await find(tenant, q, filters)).ids }).toEqual({ q, filters, ids: expected })
  }
})

test('the same words in other mailboxes are not found, even if mail and queries name the scope', async () => {
  const [ann, bob] = await Promise.all([newTenant(), newTenant()])
  const second = await ann.owner.post('/v1/agent/mailboxes', {
    address: `second-${crypto.randomUUID().slice(0, 8)}`,
  })
  const other = { ...ann, mailboxId: second.body.id as string }
  const [annToken, bobToken] = await Promise.all(
    [ann, bob].map((each) => scopeToken('message', each.id, each.mailboxId)),
  )
  const mine = await put(ann, { subject: 'Secret merger plan', text: `${bobToken}secret ${bobToken}` })
  const elsewhere = await put(other, { subject: 'Secret merger plan' })
  const theirs = await put(bob, { subject: 'Secret merger plan', text: `${annToken}secret ${annToken}` })
  const queries = [
    'secret',
    'merger plan',
    `${bobToken}secret`,
    bobToken ?? '',
    `"${bobToken}secret"`,
    `${bobToken}*`,
    'scope:secret',
    `title:${bobToken}secret OR secret`,
    `secret" OR "${bobToken}secret`,
    '*',
    'sec*',
    'from:ann',
    'after:2000-01-01',
  ]
  for (const q of queries) {
    expect([[], [mine]]).toContainEqual((await find(ann, q)).ids)
    expect([[], [elsewhere]]).toContainEqual((await find(other, q)).ids)
    expect([[], [theirs]]).toContainEqual((await find(bob, q.replaceAll(bobToken ?? '', annToken ?? ''))).ids)
  }
  // The expression by itself is confined already, before any condition on the rows.
  for (const q of queries) {
    const { any } = matchExpressions(parseQuery(q), annToken ?? '')
    if (any === null) continue
    const { results } = await env.DB.prepare(
      `SELECT e.tenant_id, e.scope FROM search_fts f JOIN search_entries e ON e.row = f.rowid WHERE search_fts MATCH ?`,
    )
      .bind(any)
      .all()
    expect(results.every((row) => row.tenant_id === ann.id && row.scope === ann.mailboxId)).toBe(true)
  }
  // And the rows are confined by themselves, whatever the expression brings.
  await env.DB.prepare(
    `INSERT OR REPLACE INTO search_fts (rowid, title, body, names)
     SELECT row, ?1, ?1, ?1 FROM search_entries WHERE ref_id IN (?2, ?3)`,
  )
    .bind(`${annToken}secret ${annToken}merger`, theirs, elsewhere)
    .run()
  for (const q of ['secret', 'merger', '"secret merger"']) {
    expect(await find(ann, q)).toMatchObject({ ids: [mine], total: 1 })
  }
  await expect(
    searchMessages(
      newCtx(env, new Date(), ann.id, {
        kind: 'key',
        keyId: 'k',
        agentId: null,
        permissions: ['send'],
        scopes: null,
        expiresAt: null,
        version: 1,
        reach: null,
      }),
      ann.mailboxId,
      { q: 'secret', filters: NO_FILTERS, limit: 10 },
    ),
  ).rejects.toMatchObject({ code: 'insufficient_scope' })
})

test('threads are found by their best message and shown by their newest', async () => {
  const tenant = await newTenant()
  const thread = `thread_search_${tenant.id}`
  await put(tenant, { subject: 'Roof repair', text: 'The roof leaks', thread, at: NOW })
  await put(tenant, {
    subject: 'Re: Roof repair',
    text: 'On Monday',
    thread,
    from: 'bob@example.com',
    at: NOW + 60_000,
  })
  await put(tenant, { subject: 'Lunch' })
  const { found } = await searchThreads(ctxOf(tenant), tenant.mailboxId, {
    q: 'leaks roof',
    filters: NO_FILTERS,
    limit: 10,
  })
  expect(found).toMatchObject([
    {
      id: thread,
      subject: 'Roof repair',
      lastPreview: 'On Monday',
      lastFrom: 'bob@example.com',
      messageCount: 2,
      isRead: false,
    },
  ])
})

test('a configured model finds by meaning; if it fails, the embedded vectors are used and the answer says so', async () => {
  const tenant = await newTenant()
  const said: Record<string, number[]> = {
    kangaroo: [1, 0, 0.1],
    marsupial: [0.9, 0.1, 0],
    tractor: [0, 1, 0],
  }
  const run = async (_: string, { text }: { text: string[] }) => ({
    data: text.map((each) => Object.entries(said).find(([word]) => each.includes(word))?.[1] ?? [0, 0, 1]),
  })
  const withModel = { ...env, AI: { run } } as unknown as Env
  const kangaroo = await put(tenant, { subject: 'A kangaroo' }, { isIndexed: false })
  const tractor = await put(tenant, { subject: 'A tractor' }, { isIndexed: false })
  await index(tenant, [kangaroo, tractor], withModel)
  expect(await find(tenant, 'marsupial')).toMatchObject({ ids: [], vectors: 'embedded' })
  const byModel = await find(tenant, 'marsupial', {}, withModel)
  expect(byModel).toMatchObject({ ids: [kangaroo], vectors: '@cf/baai/bge-m3' })
  expect(byModel).not.toHaveProperty('fallback')

  const broken = [
    async () => {
      throw new Error('no neurons left')
    },
    async () => ({ data: [] }),
    async () => ({ data: [[Number.NaN]] }),
    async () => null,
  ]
  for (const fails of broken) {
    const withBroken = { ...env, AI: { run: fails } } as unknown as Env
    await index(tenant, [tractor], withBroken)
    const found = await find(tenant, 'tractors', {}, withBroken)
    expect(found).toMatchObject({
      ids: [tractor],
      vectors: 'embedded',
      fallback: expect.stringMatching(/^model_/),
    })
  }

  const model = await newModel({ embedding: [1, 0, 0] })
  const own = { ...env, ...model, EMBEDDING_MODEL: model.MODEL_NAME } as unknown as Env
  await index(tenant, [tractor], own)
  expect(await find(tenant, 'tractor', {}, own)).toMatchObject({ vectors: model.MODEL_NAME })
  const silent = await newModel()
  const nowhere = { ...env, ...silent, EMBEDDING_MODEL: silent.MODEL_NAME } as unknown as Env
  expect(await find(tenant, 'tractor', {}, nowhere)).toMatchObject({
    ids: [tractor],
    vectors: 'embedded',
    fallback: 'model_failed',
  })
})

test('Vectorize is queried within the namespace of the scope, and only the scope’s own rows are accepted', async () => {
  const [ann, bob] = await Promise.all([newTenant(), newTenant()])
  const kept: VectorizeVector[] = []
  const vectorize = {
    upsert: async (vectors: VectorizeVector[]) => kept.push(...vectors),
    deleteByIds: async (ids: string[]) =>
      kept.splice(0, kept.length, ...kept.filter(({ id }) => !ids.includes(id))),
    query: async (_: number[], { namespace }: { namespace: string }) => ({
      matches: kept.filter((each) => each.namespace === namespace).map((each) => ({ ...each, score: 0.9 })),
    }),
  }
  const AI = { run: async (_: string, { text }: { text: string[] }) => ({ data: text.map(() => [1, 0]) }) }
  const within = { ...env, AI, VECTORS: vectorize } as unknown as Env
  const mine = await put(ann, { subject: 'Alpha' }, { isIndexed: false })
  const theirs = await put(bob, { subject: 'Alpha' }, { isIndexed: false })
  await index(ann, [mine], within)
  await index(bob, [theirs], within)
  expect(kept.map(({ id }) => id.length)).toEqual([64, 64])
  expect(await find(ann, 'omega', {}, within)).toMatchObject({ ids: [mine], vectors: '@cf/baai/bge-m3' })
  for (const each of kept) each.metadata = { refId: theirs }
  expect((await find(ann, 'omega', {}, within)).ids).toEqual([])
  vectorize.query = async () => {
    throw new Error('down')
  }
  expect(await find(ann, 'alpha', {}, within)).toMatchObject({ ids: [mine], fallback: 'vectorize_failed' })
  await unindexMessage(within, ann.id, mine, ann.mailboxId)
  expect(kept).toHaveLength(1)
})
