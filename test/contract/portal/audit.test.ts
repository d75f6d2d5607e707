import { env } from 'cloudflare:workers'
import { expect, onTestFinished, test } from 'vitest'
import { newPerson, signIn } from '../../support/portal.ts'
import { newTenant } from '../../support/tenant.ts'

const SCRIPT = '<script>boom()</script>'

test('the audit log is read in pages, filtered by action, actor and target, and exported', async () => {
  const tenant = await newTenant()
  const person = await newPerson(tenant.id, 'owner')
  const owner = await signIn(person.email)
  const viewer = await signIn((await newPerson(tenant.id, 'viewer')).email)
  const canary = await tenant.owner.post('/v1/oversight/canaries', { label: SCRIPT })
  expect((await owner.post('/portal/keys', { label: 'for the log', read: 'on' })).status).toBe(200)
  await Promise.all(
    Array.from({ length: 55 }, (_, nth) =>
      tenant.post('/v1/suppressions', { recipientEmail: `s${nth}@example.com`, reasonCode: 'manual_dnc' }),
    ),
  )
  const rows = (body: string) =>
    [...body.matchAll(/data-label="Action"><div[^>]*>([^<]+)</g)].map(([, what]) => what)

  const first = await viewer.get('/portal/audit')
  expect(rows(first.body)).toHaveLength(50)
  const older = /href="(\/portal\/audit\?before=\d+)"/.exec(first.body)?.[1] ?? ''
  const second = await viewer.get(older)
  expect([...rows(first.body), ...rows(second.body)]).toHaveLength(60)
  expect(rows(second.body).at(-1)).toBe('tenant.opened')
  expect(second.body).toContain('&lt;script&gt;boom()&lt;/script&gt;')
  expect(second.body).not.toContain(SCRIPT)

  const shown = async (query: string) => rows((await viewer.get(`/portal/audit?${query}`)).body)
  expect(await shown('action=canary')).toEqual(['canary.planted'])
  expect(await shown('action=canary.planted')).toEqual(['canary.planted'])
  expect(await shown('action=can')).toEqual([])
  expect(await shown(`actor=human:${person.id}`)).toEqual(['key.created'])
  expect((await shown('actor=key')).length).toBe(50)
  expect(await shown(`target=${canary.body.id}&action=canary`)).toEqual(['canary.planted'])
  expect(await shown(`action=${encodeURIComponent("' OR 1=1 --")}`)).toEqual([])
  expect(await shown('before=nothing')).toHaveLength(50)
  const byPerson = await viewer.get(`/portal/audit?actor=human:${person.id}`)
  expect(byPerson.body).toMatch(new RegExp(`data-label="By"><div[^>]*>${person.email}<`))

  const lines = await viewer.get('/portal/audit.ndjson')
  expect(lines.headers.get('content-disposition')).toBe('attachment; filename="audit-log.ndjson"')
  const parsed = lines.body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(parsed).toHaveLength(61)
  expect(parsed.at(-1).head).toMatchObject({ tenant_id: tenant.id, seq: 60, signature: expect.any(String) })
  const table = await viewer.get('/portal/audit.csv')
  expect(table.headers.get('content-type')).toBe('text/csv; charset=utf-8')
  expect(table.body.trimEnd().split('\r\n')).toHaveLength(61)
})

test('the audit log is verified on its page, which names the first entry that has been changed or is missing', async () => {
  const tenant = await newTenant()
  const viewer = await signIn((await newPerson(tenant.id, 'viewer')).email)
  for (let nth = 0; nth < 5; nth++) {
    await tenant.post('/v1/suppressions', { recipientEmail: `v${nth}@example.com`, reasonCode: 'manual_dnc' })
  }
  const verify = async () => (await viewer.get('/portal/audit/verify')).body
  expect(await verify()).toMatch(
    /Entries 1 to 8 are unchanged, and none is missing\. The signature of the last entry is valid/,
  )
  expect((await viewer.get('/portal/audit/verify?after=8')).body).toContain('There is no entry yet.')
  expect((await viewer.get('/portal/audit/verify?after=999')).body).toContain(
    'Entry 999 has been changed or is missing',
  )

  const sql = (statement: string, ...binds: unknown[]) =>
    env.DB.prepare(statement)
      .bind(tenant.id, ...binds)
      .run()
  // Somebody with access to the database can drop the triggers and change entries; verification finds it.
  const { results: triggers } = await env.DB.prepare(
    `SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit\\_%\\_refuse\\_replace' ESCAPE '\\'`,
  ).all<{ name: string; sql: string }>()
  expect(triggers).toHaveLength(2)
  for (const { name } of triggers) await env.DB.prepare(`DROP TRIGGER ${name}`).run()
  onTestFinished(async () => {
    for (const { sql: created } of triggers) await env.DB.prepare(created).run()
  })
  const entry = (columns: string, seq: number, seqAs = seq) =>
    sql(
      `INSERT OR REPLACE INTO audit_entries (tenant_id, seq, id, at, actor, action, target, commitment, prev_hash, hash)
       SELECT tenant_id, ?3, id, at, actor, ${columns}, commitment, prev_hash, hash FROM audit_entries
       WHERE tenant_id = ?1 AND seq = ?2`,
      seq,
      seqAs,
    )
  await entry("'suppression.lifted', target", 5)
  expect(await verify()).toContain(
    'Entry 5 has been changed or is missing: its hash does not match its content.',
  )
  await entry("'suppression.created', target", 5)
  expect(await verify()).toContain('role="status"')
  await sql(
    `INSERT OR REPLACE INTO audit_details (tenant_id, entry_id, salt, detail)
     SELECT d.tenant_id, d.entry_id, d.salt, '{}' FROM audit_details d JOIN audit_entries e
       ON e.tenant_id = d.tenant_id AND e.id = d.entry_id WHERE e.tenant_id = ?1 AND e.seq = 6`,
  )
  expect(await verify()).toContain('Entry 6 has been changed or is missing: its detail was changed.')
  await entry('action, target', 5, 4)
  expect(await verify()).toContain('Entry 4 has been changed or is missing')
  const other = await newTenant()
  const otherOwner = await signIn((await newPerson(other.id, 'owner')).email)
  expect((await otherOwner.get('/portal/audit/verify')).body).toContain('Entries 1 to 3')
  for (const signature of ['AAAA', btoa('\0'.repeat(64))]) {
    await env.DB.prepare('UPDATE audit_heads SET signature = ?2 WHERE tenant_id = ?1')
      .bind(other.id, signature)
      .run()
    expect((await otherOwner.get('/portal/audit/verify')).body).toContain(
      'The signature of the last entry is wrong',
    )
  }
  await env.DB.prepare('UPDATE audit_heads SET seq = 9 WHERE tenant_id = ?1').bind(other.id).run()
  expect((await otherOwner.get('/portal/audit/verify')).body).toContain(
    'Entry 4 has been changed or is missing: the log ends',
  )
})
