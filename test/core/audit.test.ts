import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { linkEntries } from '../../src/core/governance/audit/link.ts'
import { newTenant } from '../support/tenant.ts'

test('governed changes make audit entries without gaps, which are linked once and can be neither changed nor deleted', async () => {
  const tenant = await newTenant()
  const at = Date.now()
  await Promise.all(
    Array.from({ length: 20 }, (_, nth) =>
      tenant.post('/v1/suppressions', {
        recipientEmail: `someone-${nth}@example.com`,
        reasonCode: 'manual_dnc',
      }),
    ),
  )
  const { results } = await env.DB.prepare('SELECT * FROM audit_entries WHERE tenant_id = ?1 ORDER BY seq')
    .bind(tenant.id)
    .all()
  expect(results.map(({ seq }) => seq)).toEqual(Array.from({ length: results.length }, (_, n) => n + 1))
  expect(results.map(({ action }) => action)).toEqual([
    'tenant.opened',
    'agent.registered',
    'key.created',
    ...Array.from({ length: 20 }, () => 'suppression.created'),
  ])
  // The linked entries name nobody.
  expect(JSON.stringify(results)).not.toContain('example.com')
  const linked = await Promise.all(
    Array.from({ length: 5 }, () => linkEntries(env as never, new Date(at), tenant.id)),
  )
  expect(linked.reduce((sum, count) => sum + count, 0)).toBe(23)
  for (const statement of [
    "UPDATE audit_entries SET actor = 'x' WHERE tenant_id = ?1",
    "UPDATE audit_entries SET hash = 'x' WHERE tenant_id = ?1",
    'DELETE FROM audit_entries WHERE tenant_id = ?1',
    'DELETE FROM audit_details WHERE tenant_id = ?1',
    'INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries WHERE tenant_id = ?1',
    'INSERT OR REPLACE INTO audit_details SELECT * FROM audit_details WHERE tenant_id = ?1',
  ]) {
    await expect(env.DB.prepare(statement).bind(tenant.id).run()).rejects.toThrow(/append-only|linked once/)
  }
})
