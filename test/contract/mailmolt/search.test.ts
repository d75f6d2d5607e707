import fc from 'fast-check'
import { expect, test } from 'vitest'
import { put } from '../../support/findable.ts'
import { upTo } from '../../support/scale.ts'
import { call, grant, newTenant } from '../../support/tenant.ts'

const FRAGMENTS = [
  ...[
    '"',
    '""',
    '"""',
    '*',
    '**',
    '^',
    '(',
    ')',
    '((',
    '+',
    '-',
    ':',
    '{',
    '}',
    ',',
    ';',
    '%',
    '_',
    '\\',
    "'",
    '`',
  ],
  ...[
    'NEAR(',
    'NEAR(a b, 2)',
    ' AND ',
    ' OR ',
    ' NOT ',
    'and',
    'NOT secret',
    'title:',
    'scope:',
    '{title body}:',
    '- title:',
  ],
  ...[
    'secret',
    'sec*',
    '"secret plan"',
    'plan',
    'merger',
    '東京',
    'é',
    '🦀',
    '👩‍👩‍👧',
    '\u0000',
    '\u202e',
    '\ufeff',
    '\ud800',
    '\u{10ffff}',
  ],
  ...[
    "' OR 1=1 --",
    "'; DROP TABLE messages; --",
    'UNION SELECT * FROM keys',
    '?1',
    ':q',
    '@x',
    '$y',
    '/*',
    '*/',
    '--',
    'NULL',
  ],
  ...[
    'constructor:x',
    'from:',
    'from:"',
    'from:%',
    'to:_',
    'before:',
    'before:9999-99-99',
    'after:-1',
    'after:2026-01-01',
    'has:',
    'has:attachment',
  ],
  ...[
    'label:',
    'label:"[]"',
    'is:unread',
    'rank',
    'rowid',
    'search_fts',
    'MATCH',
    'a'.repeat(300),
    '1'.repeat(200),
    '0x41',
    '1e999',
  ],
]

/** The same thousand queries in every run. */
const hostile = [
  ...new Set(
    fc.sample(
      fc
        .array(fc.oneof(fc.constantFrom(...FRAGMENTS), fc.string({ unit: 'binary', maxLength: 20 })), {
          minLength: 1,
          maxLength: 12,
        })
        .chain((parts) => fc.constantFrom('', ' ').map((between) => parts.join(between))),
      { numRuns: 1_100, seed: 20_260_601 },
    ),
  ),
].slice(0, upTo(1_000, 250))

test('search answers in the published shape, and names the search mode', async () => {
  const tenant = await newTenant()
  const id = await put(tenant, {
    subject: 'Invoice 4711',
    text: 'Net 30, please.',
    from: 'billing@acme.test',
  })
  await put(tenant, { subject: 'Lunch on Friday' })
  const { status, body } = await tenant.get('/v1/search?q=invoice')
  expect(status).toBe(200)
  expect(body).toEqual({
    query: 'invoice',
    mode: 'hybrid',
    vectors: 'embedded',
    data: [
      {
        id,
        thread_id: `thread_${id}`,
        from_addr: 'billing@acme.test',
        subject: 'Invoice 4711',
        preview: 'Net 30, please.',
        score: expect.closeTo(1),
        created_at: expect.stringMatching(/^2026-06-01T00:00:/),
      },
    ],
    total: 1,
  })
  expect((await tenant.get('/v1/search/threads?q=invoices')).body.data).toEqual([
    {
      id: `thread_${id}`,
      subject: 'Invoice 4711',
      last_message_preview: 'Net 30, please.',
      last_message_from: 'billing@acme.test',
      last_message_at: body.data[0].created_at,
      message_count: 1,
      is_read: false,
      starred: false,
      archived: false,
      labels: [],
      score: expect.any(Number),
    },
  ])
})

test('a name is found in any letter case and in every script', async () => {
  const tenant = await newTenant()
  const names = ['Åsa Öberg', 'JÖRG MÜLLER', 'Иван Петров', 'Ann']
  const ids: string[] = []
  for (const fromName of names) ids.push(await put(tenant, { fromName, to: ['me@münchen.de'] }))
  await tenant.patch(`/v1/threads/thread_${ids[0]}`, { labels: ['Ärger'] })
  for (const [query, found] of [
    ...['from:Åsa', 'from:åsa', 'from:ÅSA', 'from:"åsa öberg"', 'from:öBERG'].map((q) => [q, [0]] as const),
    ...['from:jörg', 'from:Müller', 'from:"Jörg Müller"'].map((q) => [q, [1]] as const),
    ...['from:иван', 'from:"ИВАН ПЕТРОВ"'].map((q) => [q, [2]] as const),
    ...['label:Ärger', 'label:ärger', 'label:ÄRGER'].map((q) => [q, [0]] as const),
    ['from:ANN@EXAMPLE.COM to:MÜNCHEN', [0, 1, 2, 3]] as const,
    ['from:Søren', []] as const,
  ]) {
    const { body } = await tenant.get(`/v1/search?q=${encodeURIComponent(query)}`)
    const at = body.data.map(({ id }: { id: string }) => ids.indexOf(id)).sort()
    expect({ query, at }).toEqual({ query, at: found })
  }
})

test('limits and filters are checked, and a blank query is refused', async () => {
  const tenant = await newTenant()
  const ids: string[] = []
  for (let at = 0; at < 12; at++)
    ids.push(
      await put(tenant, { subject: 'Weekly report', from: at === 3 ? 'n3@acme.test' : 'ann@example.com' }),
    )
  expect((await tenant.get('/v1/search?q=report')).body.data).toHaveLength(10)
  expect((await tenant.get('/v1/search?q=report&limit=100')).body).toMatchObject({ total: 12 })
  expect((await tenant.get('/v1/search?q=report&limit=1')).body.data[0].id).toBe(ids.at(-1))
  expect((await tenant.get('/v1/search?q=report&from=n3@')).body.data).toMatchObject([{ id: ids[3] }])
  expect((await tenant.get('/v1/search?q=report%20from:n3@')).body.data).toMatchObject([{ id: ids[3] }])
  expect((await tenant.get('/v1/search?q=report&after=2027-01-01')).body.data).toEqual([])
  expect((await tenant.get('/v1/search?q=report&has=attachment')).body.data).toEqual([])
  expect((await tenant.get('/v1/search?q=report&before=2026-06-01T00:00:00%2B02:00')).body.data).toEqual([])
  const wrong = [
    '',
    '?q=',
    '?q=%20%09',
    '?q=a&limit=0',
    '?q=a&limit=x',
    '?q=a&before=soon',
    '?q=a&has=wings',
    `?q=${'x'.repeat(1001)}`,
  ]
  for (const query of wrong) {
    for (const path of ['/v1/search', '/v1/search/threads']) {
      const { status, body } = await tenant.get(`${path}${query}`)
      expect({ query, status, body }).toMatchObject({
        status: 422,
        body: { error: 'invalid', message: expect.any(String) },
      })
    }
  }
  expect((await tenant.get(`/v1/search?q=${encodeURIComponent('🦀'.repeat(1000))}`)).status).toBe(200)
})

test('a search covers only the mailbox of the caller', async () => {
  const tenant = await newTenant()
  const other = await newTenant()
  const id = await put(tenant, { subject: 'Ours alone' })
  await put(other, { subject: 'Ours alone' })
  expect((await tenant.get('/v1/search?q=alone')).body.data).toMatchObject([{ id }])
  expect(
    (await tenant.owner.get('/v1/search?q=alone', { 'x-agent-id': tenant.agentId })).body.data,
  ).toMatchObject([{ id }])
  expect(await tenant.get('/v1/search?q=alone', { 'x-agent-id': other.agentId })).toMatchObject({
    status: 404,
  })
  const second = await tenant.owner.post('/v1/agent/mailboxes', {
    address: `s-${crypto.randomUUID().slice(0, 8)}`,
  })
  const scopes = [{ mailboxId: second.body.id, permissions: ['read'] }]
  const elsewhere = tenant.as(await grant(tenant.id, ['read'], scopes))
  expect(await elsewhere.get('/v1/search?q=alone')).toMatchObject({
    status: 403,
    body: { error: 'mailbox_scope_denied' },
  })
  const sender = tenant.as(await grant(tenant.id, ['send']))
  expect((await sender.get('/v1/search?q=alone')).status).toBe(403)
  expect((await call('GET', '/v1/search?q=alone')).status).toBe(401)
})

test('hostile queries never cause a 5xx, and find only messages of the caller', async () => {
  const [tenant, other] = await Promise.all([newTenant(), newTenant()])
  const own = new Set<string>()
  for (const subject of ['Secret plan', 'Secret merger', 'a b c 1', '東京 🦀']) {
    own.add(await put(tenant, { subject, text: `${subject} NEAR AND OR NOT title rank` }))
    await put(other, { subject, text: `${subject} NEAR AND OR NOT title rank` })
    await tenant.put(`/v1/agents/me/memory/${encodeURIComponent(subject)}`, { value: `mine: ${subject}` })
    await other.put(`/v1/agents/me/memory/${encodeURIComponent(subject)}`, { value: `theirs: ${subject}` })
  }
  expect(hostile).toHaveLength(upTo(1_000, 250))
  const statuses = new Map<number, number>()
  let found = 0
  for (let at = 0; at < hostile.length; at += 20) {
    await Promise.all(
      hostile.slice(at, at + 20).map(async (q, place) => {
        const path = place % 4 === 0 ? '/v1/search/threads' : '/v1/search'
        const mail = await tenant.get(`${path}?q=${encodeURIComponent(q.toWellFormed())}`)
        const memory = await tenant.post('/v1/agents/me/memory/search', { q })
        for (const { status } of [mail, memory]) statuses.set(status, (statuses.get(status) ?? 0) + 1)
        const bad = [
          ...(mail.body.data ?? []).filter(({ id }: { id: string }) => !own.has(id.replace('thread_', ''))),
          ...(memory.body.data ?? []).filter(({ value }: { value: string }) => !value.startsWith('mine')),
        ]
        found += (mail.body.data?.length ?? 0) + (memory.body.data?.length ?? 0)
        expect({
          q,
          bad,
          statuses: [mail.status, memory.status].filter((s) => s !== 200 && s !== 422),
        }).toEqual({
          q,
          bad: [],
          statuses: [],
        })
      }),
    )
  }
  // If all queries were refused or found nothing, the test would prove nothing.
  expect(statuses.get(200)).toBeGreaterThan(1.5 * hostile.length)
  expect(found).toBeGreaterThan(hostile.length / 2)
}, 180_000)
