import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { newPerson, signIn } from '../../support/portal.ts'
import { call, newTenant } from '../../support/tenant.ts'

const SCRIPT = '<script>boom()</script>'

/** The status of a login with these credentials. */
async function session(username: string, password: string) {
  const authorization = `Basic ${btoa(`${username}:${password}`)}`
  return (await call('GET', '/v1/smtp/session', { headers: { authorization } })).status
}

test('an owner creates an SMTP password, which is shown once and works until it is revoked; nobody else sees it', async () => {
  const tenant = await newTenant()
  const owner = await signIn((await newPerson(tenant.id, 'owner')).email)
  const approver = await signIn((await newPerson(tenant.id, 'approver')).email)
  const { body: other } = await tenant.owner.post('/v1/agent/mailboxes', {
    address: `other-${crypto.randomUUID().slice(0, 8)}`,
  })

  const page = await owner.get('/portal/smtp')
  expect(page.body).toContain('No program has a password yet.')
  expect(page.body).toMatch(/<code>localhost<.*<code>587<.*<code>465</s)
  expect((await owner.get(`/portal/smtp?mailbox=${other.id}`)).body).toContain(
    `<option value="${other.id}" selected="">`,
  )
  const made = await owner.post('/portal/smtp', { name: SCRIPT, mailbox: tenant.mailboxId })
  const password = /mm_smtp_[A-Za-z0-9]+/.exec(made.body)?.[0] ?? ''
  expect(made.status).toBe(200)
  expect(made.body).toContain(`<p class="secret">${password}</p>`)
  expect(made.body).toContain(tenant.address)
  expect(await session(tenant.address, password)).toBe(200)
  expect(await session(other.address, password)).toBe(401)

  const listed = await owner.get('/portal/smtp')
  expect(listed.body).not.toContain(password)
  expect(listed.body).toContain('&lt;script&gt;boom()&lt;/script&gt;')
  expect(listed.body).not.toContain(SCRIPT)
  expect(listed.body).toMatch(/<time[^>]*>\d{4}-\d\d-\d\d \d\d:\d\d UTC<\/time>.*<time/s)
  const id = /\/portal\/smtp\/(smtp_[0-9a-z]+)\/revoke/.exec(listed.body)?.[1]
  const refused = await approver.get('/portal/smtp')
  expect(refused.body).toContain('Only an owner can see')
  expect(refused.body).not.toContain(id)
  expect((await approver.post(`/portal/smtp/${id}/revoke`)).status).toBe(403)
  expect((await approver.post('/portal/smtp', { mailbox: tenant.mailboxId })).status).toBe(403)

  expect(await owner.post(`/portal/smtp/${id}/revoke`)).toMatchObject({ status: 303 })
  expect(await session(tenant.address, password)).toBe(401)
  expect((await owner.get('/portal/smtp')).body).toContain('No program has a password yet.')
  const { body: log } = await tenant.owner.get('/v1/compliance/audit-log')
  expect(log.data.slice(0, 2)).toMatchObject([
    { action: 'smtp_credential.revoked', target: id },
    { action: 'smtp_credential.created', target: id, detail: { name: SCRIPT } },
  ])

  // A mailbox has at most twenty passwords: the next is refused at its field, and the typed values stay.
  const insert = env.DB.prepare(
    `INSERT INTO smtp_credentials (tenant_id, id, mailbox_id, agent_id, name, hash, created_by, created_at)
     VALUES (?1, ?2, ?3, NULL, ?2, ?2, 'test', 1)`,
  )
  const rows = (mailboxId: string, many: number) =>
    Array.from({ length: many }, () => insert.bind(tenant.id, `smtp_${crypto.randomUUID()}`, mailboxId))
  await env.DB.batch([...rows(other.id, 20), ...rows(tenant.mailboxId, 31)])
  const full = await owner.post('/portal/smtp', { name: 'one too many', mailbox: other.id })
  expect(full.status).toBe(422)
  expect(full.body).toContain('Revoke one that is no longer used.')
  expect(full.body).toContain('value="one too many"')
  expect(full.body).toContain(`<option value="${other.id}" selected="">`)

  // Fifty on the first page, and the last one on the second.
  const first = await owner.get('/portal/smtp')
  const older = /href="(\/portal\/smtp\?before=[^"]+)"/.exec(first.body)?.[1] ?? ''
  const count = (body: string) => body.match(/\/revoke"/g)?.length
  expect([count(first.body), count((await owner.get(older)).body)]).toEqual([50, 1])
})
