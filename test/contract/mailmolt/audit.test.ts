import { expect, test } from 'vitest'
import { call, newTenant } from '../../support/tenant.ts'

test('the audit log is listed newest first, page by page, with actor, action and target', async () => {
  const tenant = await newTenant()
  const { body: made } = await tenant.post('/v1/suppressions', {
    recipientEmail: 'ann@example.com',
    reasonCode: 'manual_dnc',
  })
  await tenant.owner.del(`/v1/suppressions/${made.id}`)
  const { status, body } = await tenant.get('/v1/compliance/audit-log?limit=2')
  expect(status).toBe(200)
  expect(body).toMatchObject({ total: 5, has_more: true, next_cursor: expect.any(String) })
  expect(body.data[0]).toMatchObject({
    id: expect.stringMatching(/^aud_/),
    at: expect.any(String),
    actor: expect.stringMatching(/^key:key_/),
    action: 'suppression.lifted',
    target: made.id,
    detail: {},
  })
  expect(body.data[1]).toMatchObject({ action: 'suppression.created', detail: { email: 'ann@example.com' } })
  const { body: rest } = await tenant.get(
    `/v1/compliance/audit-log?limit=100&cursor=${encodeURIComponent(body.next_cursor)}`,
  )
  expect(rest.data.map(({ action }: { action: string }) => action)).toEqual([
    'key.created',
    'agent.registered',
    'tenant.opened',
  ])
  expect(rest).toMatchObject({ has_more: false, next_cursor: null })
  for (const query of ['limit=0', 'limit=101', 'format=xml', 'cursor=nowhere']) {
    expect((await tenant.get(`/v1/compliance/audit-log?${query}`)).status).toBe(422)
  }
  expect((await call('GET', '/v1/compliance/audit-log')).status).toBe(401)
})

test('the whole log is exported as NDJSON that ends with a signed head, and as CSV without formulas', async () => {
  const tenant = await newTenant()
  await tenant.post('/v1/templates', { slug: 'x', name: '=1+1', type: 'transactional' })
  const lines = await tenant.get('/v1/compliance/audit-log?format=ndjson')
  expect(lines.headers.get('content-type')).toContain('application/x-ndjson')
  const entries = String(lines.body)
    .trimEnd()
    .split('\n')
    .map((line: string) => JSON.parse(line))
  const { head } = entries.pop()
  expect(entries.map(({ seq }: { seq: number }) => seq)).toEqual([1, 2, 3, 4])
  expect(head).toMatchObject({ tenant_id: tenant.id, seq: 4, hash: entries[3].hash })
  const { body: key } = await call('GET', '/v1/compliance/audit-key')
  expect(key).toMatchObject({ algorithm: 'Ed25519', key_id: head.key_id })
  const { body: page } = await tenant.get('/v1/compliance/audit-log')
  expect(page.chain).toMatchObject({ unlinked: 0, head: { seq: 4, hash: head.hash } })

  const table = await tenant.get('/v1/compliance/audit-log?format=csv')
  expect(table.headers.get('content-type')).toContain('text/csv')
  const cells = String(table.body)
    .split('\r\n')
    .slice(1)
    .flatMap((row) => row.split('","'))
  expect(cells.filter((cell) => /^"?[=+\-@]/.test(cell))).toEqual([])
  expect(String(table.body)).toContain('template.created')
})
