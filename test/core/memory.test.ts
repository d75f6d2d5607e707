import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { newCtx } from '../../src/core/ground/ctx.ts'
import {
  forgetExpired,
  keepMemory,
  listMemories,
  MEMORIES_AT_MOST,
  readMemory,
  searchMemories,
} from '../../src/core/mail/memory.ts'
import { scopeToken } from '../../src/core/mail/search/entries.ts'
import { newTenant, type Tenant } from '../support/tenant.ts'

const NOON = new Date('2026-06-01T12:00:00Z')
const later = (ms: number) => new Date(NOON.getTime() + ms)
const ctxAt = (tenant: Tenant, now: Date) => newCtx(env, now, tenant.id, { kind: 'system', name: 'test' })

const note = (key: string, value: string, more: { kind?: string; expiresAt?: Date } = {}) => ({
  key,
  value,
  kind: null,
  importance: 0,
  expiresAt: null,
  ...more,
})

test('a memory is gone for every reader at the millisecond it expires, and is deleted later with its search entry', async () => {
  const tenant = await newTenant()
  const me = tenant.agentId
  const expiresAt = later(1000)
  const kept = await keepMemory(ctxAt(tenant, NOON), me, note('code', 'ephemeral pineapple', { expiresAt }))
  await keepMemory(ctxAt(tenant, NOON), me, note('stays', 'permanent pineapple'))
  const seen = async (now: Date) => {
    const ctx = ctxAt(tenant, now)
    const { found, total } = await searchMemories(ctx, me, { q: 'pineapple', kind: null, limit: 10 })
    const list = await listMemories(ctx, me, { after: null, limit: 10 })
    const read = await readMemory(ctx, me, 'code').catch((fault) => fault.code)
    return { found: found.map(({ key }) => key).sort(), total, listed: list.total, read: read.value ?? read }
  }
  expect(await seen(later(999))).toEqual({
    found: ['code', 'stays'],
    total: 2,
    listed: 2,
    read: 'ephemeral pineapple',
  })
  expect(await seen(later(1000))).toEqual({ found: ['stays'], total: 1, listed: 1, read: 'not_found' })

  const token = await scopeToken('memory', tenant.id, me)
  const rows = async () => [
    await count('memories WHERE tenant_id = ?', tenant.id),
    await count('search_entries WHERE tenant_id = ?', tenant.id),
    await count('search_fts WHERE search_fts MATCH ?', `"${token}pineapple"`),
  ]
  await forgetExpired(env, later(999))
  expect(await rows()).toEqual([2, 2, 2])
  expect(await forgetExpired(env, later(1000))).toBeGreaterThanOrEqual(1)
  expect(await rows()).toEqual([1, 1, 1])

  const again = await keepMemory(
    ctxAt(tenant, later(5000)),
    me,
    note('code', 'anew', { expiresAt: later(6000) }),
  )
  expect(again.createdAt).toEqual(later(5000))
  const after = await keepMemory(ctxAt(tenant, later(7000)), me, note('code', 'once more'))
  expect(after.createdAt).toEqual(later(7000))
  expect(kept.createdAt).toEqual(NOON)
  await expect(
    keepMemory(ctxAt(tenant, NOON), me, note('past', '', { expiresAt: NOON })),
  ).rejects.toMatchObject({ code: 'invalid' })
})

test('memories are found by words and by meaning, and can be limited to one kind', async () => {
  const tenant = await newTenant()
  const me = tenant.agentId
  const ctx = ctxAt(tenant, NOON)
  await keepMemory(ctx, me, note('billing_contact', 'Gwendolyn handles all invoices', { kind: 'person' }))
  await keepMemory(ctx, me, note('invoice_rule', 'Invoices above 500 need two signatures', { kind: 'rule' }))
  await keepMemory(ctx, me, note('lunch', 'The team eats at noon', { kind: 'habit' }))
  const keys = async (q: string, kind: string | null = null) =>
    (await searchMemories(ctx, me, { q, kind, limit: 10 })).found.map(({ key }) => key)
  expect((await keys('invoices')).toSorted()).toEqual(['billing_contact', 'invoice_rule'])
  expect(await keys('invoices', 'rule')).toEqual(['invoice_rule'])
  expect(await keys('billing')).toContain('billing_contact')
  expect((await keys('gwendolin'))[0]).toBe('billing_contact')
  expect(await keys('from:gwendolyn')).toContain('billing_contact')
  expect(await keys('***')).toEqual([])
  expect(await keys('invoices', "rule' OR 1=1")).toEqual([])
})

test('an agent keeps at most ten thousand memories; expired ones do not count', async () => {
  const tenant = await newTenant()
  const me = tenant.agentId
  await env.DB.prepare(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?4)
     INSERT INTO memories (tenant_id, agent_id, key, value, created_at, updated_at, expires_at)
     SELECT ?1, ?2, 'k' || i, 'v', 1, 1, iif(i = 1, ?3, NULL) FROM n`,
  )
    .bind(tenant.id, me, later(1000).getTime(), MEMORIES_AT_MOST)
    .run()
  const ctx = ctxAt(tenant, NOON)
  await expect(keepMemory(ctx, me, note('one more', 'x'))).rejects.toMatchObject({ code: 'conflict' })
  expect(await count('search_entries WHERE tenant_id = ?', tenant.id)).toBe(0)
  expect((await keepMemory(ctx, me, note('k2', 'replaced'))).value).toBe('replaced')
  expect((await keepMemory(ctxAt(tenant, later(1000)), me, note('one more', 'x'))).key).toBe('one more')
  await expect(keepMemory(ctxAt(tenant, later(1000)), me, note('two more', 'x'))).rejects.toMatchObject({
    code: 'conflict',
  })
})

async function count(of: string, bind: unknown) {
  const row = await env.DB.prepare(`SELECT count(*) AS n FROM ${of}`).bind(bind).first<{ n: number }>()
  return row?.n
}
