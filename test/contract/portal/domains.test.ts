import { expect, test } from 'vitest'
import { newPerson, signIn } from '../../support/portal.ts'
import { newTenant } from '../../support/tenant.ts'

const SCRIPT = '"><script>boom()</script>.example.com'

test('an owner adds a domain, sees the records to copy, and removes it; a viewer may only read', async () => {
  const tenant = await newTenant()
  const owner = await signIn((await newPerson(tenant.id, 'owner')).email)
  const viewer = await signIn((await newPerson(tenant.id, 'viewer')).email)
  const domain = `mail-${crypto.randomUUID().slice(0, 8)}.example.org`
  expect((await owner.get('/portal/domains')).body).toContain('Agents send from our domain.')

  // An invalid domain is refused at its field, which keeps the typed value as text.
  for (const typed of ['no domain', 'co.uk', SCRIPT]) {
    const refused = await owner.post('/portal/domains', { domain: typed })
    expect(refused.status).toBe(422)
    expect(refused.body).toMatch(/id="domain"[^>]*aria-invalid="true"/)
    expect(refused.body).not.toContain('<script>boom')
  }
  const added = await owner.post('/portal/domains', { domain })
  const path = added.location ?? ''
  expect(added.status).toBe(303)
  expect(path).toMatch(/^\/portal\/domains\/dom_[0-9a-z]+$/)
  const again = await owner.post('/portal/domains', { domain })
  expect(again.status).toBe(422)
  expect(again.body).toContain(`${domain} has been added already.`)

  const { body: known } = await tenant.owner.get(`/v1/custom-domains/${path.split('/').at(-1)}`)
  const page = await owner.get(path)
  expect(known.dns_records).toHaveLength(5)
  for (const { name, value } of known.dns_records) {
    expect(page.body).toContain(`<code>${name}</code>`)
    expect(page.body).toContain(`data-copy="${value}"`)
  }
  expect(page.body.match(/not looked up<\/span>/g)).toHaveLength(5)

  const attached = await owner.post(`${path}/attach`, { agent: tenant.agentId })
  expect(attached.status).toBe(422)
  expect(attached.body).toContain('verify it first')

  const seen = await viewer.get(path)
  expect(seen.body).toContain(domain)
  expect(seen.body).not.toContain('Verify now')
  expect((await viewer.get('/portal/domains')).body).not.toContain(
    '<form method="post" action="/portal/domains',
  )
  expect((await viewer.post(`${path}/verify`)).status).toBe(403)

  const { body: log } = await tenant.owner.get('/v1/compliance/audit-log')
  expect(log.data[0]).toMatchObject({ action: 'domain.added', actor: expect.stringMatching(/^human:/) })
  expect(await owner.post(`${path}/delete`)).toMatchObject({ status: 303, location: '/portal/domains' })
  expect((await owner.get(path)).status).toBe(404)
})
