import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { newPerson, post, signIn, visit } from '../../support/portal.ts'
import { newTenant } from '../../support/tenant.ts'

const SCRIPT = '<script>boom()</script>'

test('an owner sees the usage of the plan, changes the plan on a page of the payment provider, and ends it', async () => {
  const tenant = await newTenant()
  const owner = await signIn((await newPerson(tenant.id, 'owner')).email)
  const viewer = await signIn((await newPerson(tenant.id, 'viewer')).email)
  await tenant.send('one@example.com', 'one')
  const page = await owner.get('/portal/billing')
  expect(page.body).toMatch(
    /The plan is free\..*<progress id="use-today" max="100" value="1">.*1 of 100, 99 left/s,
  )
  expect(page.body).toContain('1 of 3,000, 2,999 left')

  expect((await owner.post('/portal/billing/plan', { plan: 'golden' })).status).toBe(422)
  const offered = await owner.post('/portal/billing/plan', { plan: 'growth' })
  // The content security policy lets no form lead to another site; a link may.
  expect(offered.status).toBe(200)
  const url = new URL(/class="button primary" href="([^"]+)"/.exec(offered.body)?.[1] ?? '')
  expect(url.pathname).toMatch(/^\/dev\/checkout\/cs_local_/)
  expect((await owner.get('/portal/billing')).body).toContain('The plan is free.')
  await post(url.pathname)
  const paid = await owner.get('/portal/billing?session_id=cs')
  expect(paid.body).toMatch(/The plan is growth\..*It is paid until <time/s)
  expect(paid.body).toContain('Your payment takes effect within a minute')
  expect((await owner.post('/portal/billing/plan', { plan: 'growth' })).location).toBe('/portal/billing')

  const opened = await owner.post('/portal/billing/portal')
  const invoices = new URL(/class="button primary" href="([^"]+)"/.exec(opened.body)?.[1] ?? '')
  expect((await visit(invoices.pathname)).body).toContain('The plan is growth')
  expect(await owner.post('/portal/billing/plan', { plan: 'free' })).toMatchObject({
    status: 303,
    location: '/portal/billing',
  })
  expect((await owner.get('/portal/billing')).body).toContain('The plan is free.')

  const seen = await viewer.get('/portal/billing')
  expect(seen.body).toContain('The plan is free.')
  expect(seen.body).not.toContain('<button class="small" type="submit" name="plan"')
  for (const path of ['/plan', '/portal', '/bonds']) {
    const refused = await viewer.post(`/portal/billing${path}`, { plan: 'team', tier: 'starter' })
    expect(refused.status).toBe(403)
  }
})

test('a bond is posted once even if its form is sent twice; only a bond without its money can be withdrawn', async () => {
  const tenant = await newTenant()
  const owner = await signIn((await newPerson(tenant.id, 'owner')).email)
  expect((await owner.get('/portal/billing')).body).toContain('No bond has been posted.')
  const wrong = await owner.post('/portal/billing/bonds', { tier: SCRIPT })
  expect(wrong.status).toBe(422)
  expect(wrong.body).toMatch(/id="tier"[^>]*aria-invalid="true"/)
  const insert = env.DB.prepare(
    `INSERT INTO bonds (tenant_id, id, provider, tier, amount_usd_cents, status, customer_id, reason, created_at, updated_at)
     VALUES (?1, ?2, 'local', 'enterprise', 200000, ?3, 'cus', ?4, ?5, ?5)`,
  )
  const id = `bond_${crypto.randomUUID()}`
  await insert.bind(tenant.id, id, 'pending', null, Date.now()).run()
  await insert.bind(tenant.id, `bond_0${crypto.randomUUID()}`, 'released', SCRIPT, Date.now()).run()
  const page = await owner.get('/portal/billing')
  expect(page.body).toContain('$2,000')
  expect(page.body).toContain('&lt;script&gt;boom()&lt;/script&gt;')
  expect(page.body).not.toContain(SCRIPT)
  const another = await owner.post('/portal/billing/bonds', { tier: 'starter' })
  expect(another.status).toBe(422)
  expect(another.body).toContain('waits for a card')
  expect(another.body).toContain('<option value="starter" selected="">')
  expect((await owner.post(`/portal/billing/bonds/${id}/withdraw`)).status).toBe(303)
  expect((await owner.post(`/portal/billing/bonds/${id}/withdraw`)).status).toBe(303)
  expect((await owner.get('/portal/billing')).body).toContain('withdrawn')

  const both = await Promise.all([
    owner.post('/portal/billing/bonds', { tier: 'starter', once: 'a' }),
    owner.post('/portal/billing/bonds', { tier: 'starter', once: 'a' }),
  ])
  expect(both.map(({ location }) => location)).toEqual(['/portal/billing', '/portal/billing'])
  const { body } = await tenant.get('/v1/bonds')
  const posted = body.data.filter(({ status }: { status: string }) => status === 'posted')
  expect(posted).toMatchObject([{ tier: 'starter', amount_usd_cents: 9_900 }])
  const held = await owner.get('/portal/billing')
  expect(held.body).toContain('held until the operator releases it')
  expect(held.body).not.toContain('Post a bond')
  expect((await owner.post(`/portal/billing/bonds/${posted[0].id}/withdraw`)).status).toBe(409)
  const { body: log } = await tenant.owner.get('/v1/compliance/audit-log?limit=100')
  const actions = log.data.filter(({ target }: { target: string }) => target === id)
  expect(actions.map(({ action }: { action: string }) => action)).toContain('bond.released')
})
