import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { call, grant, newTenant, type Tenant } from '../../support/tenant.ts'

const at = (key: string) => `/v1/agents/me/memory/${encodeURIComponent(key)}`
const search = (tenant: Tenant, body: Record<string, unknown>) =>
  tenant.post('/v1/agents/me/memory/search', body)

test('a memory entry is written, read, replaced as a whole, listed without its value, found and deleted', async () => {
  const tenant = await newTenant()
  const expires = new Date(Date.now() + 3_600_000).toISOString()
  const first = await tenant.put(at('customer:ann'), {
    key: 'customer:ann',
    value: 'Ann prefers invoices by post.',
    kind: 'preference',
    importance: 80,
    expires_at: expires,
  })
  expect(first.status).toBe(200)
  expect(first.body).toEqual({
    key: 'customer:ann',
    value: 'Ann prefers invoices by post.',
    kind: 'preference',
    importance: 80,
    expires_at: expires,
    created_at: expect.any(String),
    updated_at: first.body.created_at,
  })
  expect((await tenant.get('/v1/agents/me/memory/customer%3Aann')).body).toEqual(first.body)
  const { value: _, ...told } = first.body
  expect((await tenant.get('/v1/agents/me/memory')).body).toEqual({
    data: [told],
    total: 1,
    has_more: false,
    next_cursor: null,
  })

  const second = await tenant.put(at('customer:ann'), { value: 'Ann moved to Lyon.' })
  expect(second.body).toEqual({
    ...first.body,
    value: 'Ann moved to Lyon.',
    kind: null,
    importance: 0,
    expires_at: null,
    updated_at: expect.any(String),
  })
  const { body } = await search(tenant, { q: 'where did ann move' })
  expect(body).toEqual({
    query: 'where did ann move',
    mode: 'hybrid',
    vectors: 'embedded',
    data: [{ ...second.body, score: expect.any(Number) }],
    total: 1,
  })
  expect((await search(tenant, { q: '"invoices by post"' })).body.data).toEqual([])

  const deleted = await tenant.del('/v1/agents/me/memory/customer%3Aann')
  expect(deleted).toMatchObject({ status: 204, body: '' })
  expect(await tenant.del(at('customer:ann'))).toMatchObject({ status: 204 })
  expect(await tenant.get(at('customer:ann'))).toMatchObject({ status: 404, body: { error: 'not_found' } })
  expect((await search(tenant, { q: 'lyon' })).body).toMatchObject({ data: [], total: 0 })
})

test('lengths are counted in code points, and values that are too long or invalid are refused', async () => {
  const tenant = await newTenant()
  const crab = '🦀'
  expect(
    (await tenant.put(at(crab.repeat(256)), { value: crab.repeat(32_768), kind: crab.repeat(64) })).status,
  ).toBe(200)
  expect((await tenant.get(at(crab.repeat(256)))).body.value).toBe(crab.repeat(32_768))
  expect((await tenant.put(at('empty'), { value: '' })).status).toBe(200)
  const soon = new Date(Date.now() + 60_000).toISOString()
  const wrong: [string, unknown][] = [
    [crab.repeat(257), { value: '' }],
    ['x'.repeat(257), { value: '' }],
    ['k', { value: `${crab.repeat(32_768)}x` }],
    ['k', {}],
    ['k', { value: 5 }],
    ['k', { value: '', kind: 'x'.repeat(65) }],
    ['k', { value: '', importance: 101 }],
    ['k', { value: '', importance: -1 }],
    ['k', { value: '', importance: 1.5 }],
    ['k', { value: '', importance: '5' }],
    ['k', { value: '', expires_at: new Date(Date.now() - 1000).toISOString() }],
    ['k', { value: '', expires_at: 'tomorrow' }],
    ['k', { value: '', expires_at: '2099-02-30T00:00:00Z' }],
    ['k', { key: '', value: '' }],
  ]
  for (const [key, body] of wrong) {
    const answer = await tenant.put(at(key), body)
    expect({ key, body, status: answer.status }).toEqual({ key, body, status: 422 })
  }
  expect((await tenant.put(at('k'), '{"value"')).status).toBe(400)
  expect(
    (await call('PUT', '/v1/agents/me/memory/%ff', { key: tenant.key, body: { value: '' } })).status,
  ).toBe(422)
  expect((await tenant.put(at('k'), { value: '', expires_at: null })).status).toBe(200)
  // The path names the entry, even if the body names another.
  expect((await tenant.put(at('k'), { key: 'other', value: '' })).body.key).toBe('k')
  expect((await tenant.put(at('k'), { value: '', expires_at: soon })).body.expires_at).toBe(soon)
  // The formats of Go and .NET, and a far year that stands for "never".
  for (const until of ['2099-01-01T00:00:00.123456789+05:30', '9999-12-31T23:59:59Z']) {
    const { status, body } = await tenant.put(at('k'), { value: '', expires_at: until })
    expect({ status, at: Date.parse(body.expires_at) }).toEqual({ status: 200, at: Date.parse(until) })
  }
  expect((await search(tenant, { q: ' ' })).status).toBe(422)
  expect((await search(tenant, { q: 'x', limit: 0 })).status).toBe(422)
  expect((await search(tenant, {})).status).toBe(422)
})

test('any text can be a key; it is percent-decoded once', async () => {
  const tenant = await newTenant()
  const keys = [
    'search',
    'a/b',
    'a%2Fb',
    'a%252Fb',
    '100%',
    'A',
    'a',
    'ключ',
    'with space',
    'a+b',
    '?x=1',
    '#',
    '../etc',
    'nul\u0000l',
    'é',
    'e\u0301',
    "'--",
  ]
  for (const key of keys) {
    expect((await tenant.put(at(key), { key, value: `of ${key}` })).body).toMatchObject({
      key,
      value: `of ${key}`,
    })
  }
  for (const key of keys) expect((await tenant.get(at(key))).body).toMatchObject({ key, value: `of ${key}` })
  const listed: string[] = []
  let cursor: string | null = null
  do {
    const from: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const { body } = await tenant.get(`/v1/agents/me/memory?limit=5${from}`)
    expect(body.total).toBe(keys.length)
    listed.push(...body.data.map((each: { key: string }) => each.key))
    cursor = body.next_cursor
  } while (cursor !== null)
  expect(listed.toSorted()).toEqual(keys.toSorted())
  expect(new Set(listed).size).toBe(keys.length)
  for (const key of keys) expect((await tenant.del(at(key))).status).toBe(204)
  expect((await tenant.get('/v1/agents/me/memory')).body.total).toBe(0)
})

test('a hundred concurrent writes leave one entry with one complete value', async () => {
  const tenant = await newTenant()
  const puts = Array.from({ length: 100 }, (_, n) =>
    tenant.put(at('race'), { value: `word${n}word `.repeat(200), kind: `kind${n}`, importance: n }),
  )
  for (const { status } of await Promise.all(puts)) expect(status).toBe(200)
  const { body } = await tenant.get(at('race'))
  const n = body.importance
  expect(body).toMatchObject({ value: `word${n}word `.repeat(200), kind: `kind${n}` })
  const entries = await env.DB.prepare('SELECT count(*) AS n FROM search_entries WHERE tenant_id = ?')
    .bind(tenant.id)
    .first()
  expect(entries).toEqual({ n: 1 })
  for (let other = 0; other < 100; other++) {
    const { data } = (await search(tenant, { q: `"word${other}word"` })).body
    expect(data).toHaveLength(other === n ? 1 : 0)
  }
})

test('memory belongs to one agent: that of the key, the one named, or the only one of the tenant', async () => {
  const [tenant, stranger] = await Promise.all([newTenant(), newTenant()])
  await tenant.put(at('shared'), { value: 'first agent' })
  await stranger.put(at('shared'), { value: 'stranger' })
  expect((await tenant.owner.get(at('shared'))).body.value).toBe('first agent')
  const named = { 'x-agent-id': tenant.agentId }
  expect((await tenant.owner.get(at('shared'), named)).body.value).toBe('first agent')
  expect((await tenant.owner.get(at('shared'), { 'x-agent-id': stranger.agentId })).status).toBe(404)
  expect(await tenant.get(at('shared'), { 'x-agent-id': stranger.agentId })).toMatchObject({
    status: 403,
    body: { error: 'agent_mismatch' },
  })
  const { body: second } = await tenant.owner.post('/v1/agent/register', { agentName: 'second' })
  expect(await tenant.owner.get(at('shared'))).toMatchObject({
    status: 403,
    body: { error: 'agent_required' },
  })
  const other = { 'x-agent-id': second.id }
  expect((await tenant.owner.get(at('shared'), other)).status).toBe(404)
  await tenant.owner.put(at('shared'), { value: 'second agent' }, other)
  expect((await tenant.get(at('shared'))).body.value).toBe('first agent')
  expect((await search(tenant, { q: 'agent' })).body.data).toMatchObject([{ value: 'first agent' }])
  const found = await tenant.owner.post('/v1/agents/me/memory/search', { q: 'agent' }, other)
  expect(found.body.data).toMatchObject([{ value: 'second agent' }])

  const reader = tenant.as(await grant(tenant.id, ['read']))
  expect((await reader.get(at('shared'), named)).status).toBe(200)
  expect((await reader.put(at('shared'), { value: '' }, named)).status).toBe(403)
  expect((await reader.del(at('shared'), named)).status).toBe(403)
  const scoped = tenant.as(
    await grant(tenant.id, ['read'], [{ mailboxId: tenant.mailboxId, permissions: ['read'] }]),
  )
  expect((await scoped.get(at('shared'), named)).status).toBe(403)
  expect((await call('GET', at('shared'))).status).toBe(401)
})
