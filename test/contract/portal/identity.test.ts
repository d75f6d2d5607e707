import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { newUnclaimed } from '../../support/claim.ts'
import { letters, newPerson, post, signIn, visit } from '../../support/portal.ts'
import { newTenant, type Tenant } from '../../support/tenant.ts'

let count = 0
const newDomain = () => `d${Date.now().toString(36)}${count++}.example.org`

/** A verified domain of a tenant, as DNS would have proved it. */
async function verifiedDomain(tenant: Tenant, domain: string): Promise<string> {
  const id = `dom_${crypto.randomUUID()}`
  await env.DB.prepare(
    `INSERT INTO domains (tenant_id, id, domain, mode, status, token, selector, public_key, sealed_key, agent_id, verified_at, created_at)
     VALUES (?1, ?2, ?3, 'byoc', 'verified', 'token', 'mp', 'key', 'sealed', ?4, 1, 1)`,
  )
    .bind(tenant.id, id, domain, tenant.agentId)
    .run()
  return id
}

const attach = (tenant: Tenant, id: string, by = tenant.owner) =>
  by.post(`/v1/custom-domains/${id}/attach`, { agent_id: tenant.agentId })

const aliasesOf = async (id: string) =>
  (await env.DB.prepare('SELECT contact FROM aliases WHERE domain_id = ?1').bind(id).all()).results

test('an address whose mail we receive is never a person’s: not when it is entered, and not when it is used', async () => {
  const tenant = await newTenant()
  const domain = newDomain()
  const id = await verifiedDomain(tenant, domain)
  expect((await attach(tenant, id)).status).toBe(200)
  const [{ contact = '' } = {}] = (await aliasesOf(id)) as { contact: string }[]
  expect(contact).toContain(`@${domain}`)

  const owner = await newPerson(tenant.id, 'owner')
  const browser = await signIn(owner.email)
  for (const email of [
    contact,
    contact.toUpperCase(),
    tenant.address,
    `x@sub.${tenant.address.split('@')[1]}`,
  ]) {
    const invited = await browser.post('/portal/people', { email, role: 'viewer' })
    expect({ email, status: invited.status }).toEqual({ email, status: 422 })
    expect(invited.body).toContain('Give an address of your own')
    const added = await browser.post('/portal/people/addresses', { address: email })
    expect({ email, status: added.status }).toEqual({ email, status: 422 })
    const agent = await newUnclaimed()
    expect((await agent.claim(email)).status).toBe(422)
  }
  // An address that was a person's before is refused when a link is asked for, and when one is used.
  const late = await newPerson(tenant.id, 'owner')
  await post('/portal/sign-in', { email: late.email })
  const [letter] = await letters(late.email, 'Your link to sign in')
  const link = /\/portal\/enter\/[A-Za-z0-9_-]+/.exec(letter?.text ?? '')?.[0] ?? ''
  await env.DB.prepare(
    `INSERT INTO aliases (tenant_id, mailbox_id, domain_id, address, contact, created_at) VALUES (?1, 'mbx_x', ?2, ?3, ?3, 1)`,
  )
    .bind(tenant.id, id, late.email)
    .run()
  expect((await post(link)).status).toBe(410)
  await post('/portal/sign-in', { email: late.email })
  const asked = await letters(late.email, 'Your link to sign in')
  expect(asked).toHaveLength(1)
})

test('a domain in which a person of the account has their address is attached by that person, with a second way in', async () => {
  const tenant = await newTenant()
  const domain = newDomain()
  const jane = await newPerson(tenant.id, 'owner', { email: `jane@${domain}` })
  const ann = await newPerson(tenant.id, 'owner')
  const id = await verifiedDomain(tenant, domain)
  const [janes, anns] = [await signIn(jane.email), await signIn(ann.email)]
  const inPortal = (browser: typeof janes) =>
    browser.post(`/portal/domains/${id}/attach`, { agent: tenant.agentId })

  for (const by of [tenant.owner, tenant.as(tenant.key)])
    expect(await attach(tenant, id, by)).toMatchObject({
      status: 403,
      body: { error: 'human_decision_required' },
    })
  expect((await inPortal(anns)).status).toBe(403)
  expect((await inPortal(janes)).status).toBe(403)
  expect(await aliasesOf(id)).toEqual([])

  // Another address counts when its mailed link was used, and not before. An address in the same domain does not help.
  const confirm = async (address: string) => {
    expect((await janes.post('/portal/people/addresses', { address })).status).toBe(303)
    const [letter] = await letters(address, 'Confirm another address')
    const path = /\/portal\/address\/[A-Za-z0-9_-]+/.exec(letter?.text ?? '')?.[0] ?? ''
    for (let times = 0; times < 2; times++) expect((await visit(path)).status).toBe(200)
    return path
  }
  expect((await post(await confirm(`second@${domain}`))).status).toBe(200)
  expect((await inPortal(janes)).status).toBe(403)
  const second = `jane-${crypto.randomUUID()}@example.com`
  const path = await confirm(second)
  expect((await inPortal(janes)).status).toBe(403)
  expect((await post(path)).status).toBe(200)
  expect((await post(path)).status).toBe(410)
  expect((await inPortal(janes)).status).toBe(303)
  expect(await aliasesOf(id)).toHaveLength(1)

  // The second address opens this account, and is kept while the domain is verified.
  const entered = await signIn(second)
  expect((await entered.get('/portal/people')).body).toContain(jane.email)
  await janes.post('/portal/people/addresses/remove', { contact: `second@${domain}` })
  expect((await janes.post('/portal/people/addresses/remove', { contact: second })).status).toBe(409)
  // It goes with its person.
  expect((await anns.post(`/portal/people/${jane.id}/remove`)).status).toBe(303)
  expect((await entered.get('/portal/people')).status).toBe(303)
})

test('a person of several accounts acts in the one that the form was opened in, and joins only the one they enter', async () => {
  const [first, second] = await Promise.all([newTenant(), newTenant()])
  const { email } = await newPerson(first.id, 'owner')
  await newPerson(second.id, 'owner', { email })
  const stranger = await newTenant()
  const host = await newPerson(stranger.id, 'owner')
  expect((await (await signIn(host.email)).post('/portal/people', { email, role: 'owner' })).status).toBe(303)

  const browser = await signIn(email)
  const csrfOf = (body: string) => /name="csrf" value="([0-9a-f]{64})"/.exec(body)?.[1] ?? ''
  await browser.post('/portal/accounts', { tenant: first.id })
  const csrf = csrfOf((await browser.get('/portal/people')).body)
  const choose = csrfOf((await browser.get('/portal/accounts')).body)
  expect(choose).toBe(csrf)
  expect((await browser.post('/portal/accounts', { csrf: choose, tenant: second.id })).status).toBe(303)
  const stale = await browser.post('/portal/people', { csrf, email: 'x@example.com', role: 'viewer' })
  expect(stale.status).toBe(403)
  const people = await env.DB.prepare(
    'SELECT tenant_id FROM owners WHERE contact = ?1 AND verified_at IS NOT NULL',
  )
    .bind(email)
    .all()
  expect(people.results.map((row) => row.tenant_id).sort()).toEqual([first.id, second.id].sort())
})
