import { expect, test } from 'vitest'
import { newPerson, post, signIn, visit } from '../../support/portal.ts'
import { call, eventually, newTenant } from '../../support/tenant.ts'

test('only an owner makes an export, sees its progress and downloads it', async () => {
  const tenant = await newTenant()
  const owner = await signIn((await newPerson(tenant.id, 'owner')).email)
  const approver = await signIn((await newPerson(tenant.id, 'approver')).email)
  const stranger = await signIn((await newPerson((await newTenant()).id, 'owner')).email)
  expect((await owner.get('/portal/data')).body).toContain('Nothing has been exported yet.')
  expect(await owner.post('/portal/data/exports')).toMatchObject({ status: 303, location: '/portal/data' })
  const path = await eventually(async () => {
    const { body } = await owner.get('/portal/data')
    return /\/portal\/data\/exports\/exp_[0-9a-z]+\/download/.exec(body)?.[0]
  })
  const page = await owner.get('/portal/data')
  expect(page.body).toMatch(/ready<\/span>.*data-label="Size"><div[^>]*>[\d.]+ KiB</s)
  expect(page.body).not.toContain('/v1/compliance/archives/')
  const followed = await owner.get(path)
  expect(followed.status).toBe(303)
  const link = new URL(followed.location ?? '')
  expect(link.pathname).toMatch(/^\/v1\/compliance\/archives\//)
  const file = await call('GET', link.pathname)
  expect(file.status).toBe(200)
  expect(String(file.body).slice(0, 2)).toBe('PK')
  expect((await approver.get('/portal/data')).body).toContain('Only an owner can export or delete')
  expect((await approver.get(path)).status).toBe(403)
  expect((await stranger.get(path)).status).toBe(404)
  const { body: log } = await tenant.owner.get('/v1/compliance/audit-log')
  expect(log.data[0]).toMatchObject({
    action: 'tenant.export_requested',
    actor: expect.stringMatching(/^human:/),
  })
})

test('an owner erases the account by typing DELETE; from then on only the token shows the progress', async () => {
  const tenant = await newTenant()
  const { email } = await newPerson(tenant.id, 'owner')
  const owner = await signIn(email)
  const approver = await signIn((await newPerson(tenant.id, 'approver')).email)
  const page = await owner.get('/portal/data')
  for (const left of ['audit entries', 'billing records', 'backups of the database']) {
    expect(page.body).toContain(`<dt>${left}</dt>`)
  }
  for (const confirm of ['', 'delete', '<script>boom()</script>']) {
    const refused = await owner.post('/portal/data/erasure', { confirm })
    expect(refused.status).toBe(422)
    expect(refused.body).toMatch(/id="confirm"[^>]*aria-invalid="true"/)
    expect(refused.body).not.toContain('<script>boom')
  }
  expect((await owner.post('/portal/data/erasure', { confirm: 'delete' })).body).toContain('value="delete"')
  expect((await approver.post('/portal/data/erasure', { confirm: 'DELETE' })).status).toBe(403)
  expect((await tenant.get('/v1/agents/me')).status).toBe(200)

  const ordered = await owner.post('/portal/data/erasure', { confirm: 'DELETE' })
  expect(ordered.status).toBe(200)
  const id = /<code>(era_[0-9a-z]+)<\/code>/.exec(ordered.body)?.[1] ?? ''
  const token = /mm_era_[0-9a-z]+/.exec(ordered.body)?.[0] ?? ''
  expect(ordered.body).not.toContain('aria-label="Portal"')
  expect(await owner.get('/portal')).toMatchObject({ status: 303, location: '/portal/sign-in' })
  expect(await approver.get('/portal')).toMatchObject({ status: 303, location: '/portal/sign-in' })
  expect((await tenant.get('/v1/agents/me')).status).toBe(401)

  expect((await visit(`/portal/erased?id=${id}`)).body).toContain(`value="${id}"`)
  const told = await post('/portal/erased', { id, token })
  expect(told).toMatchObject({ status: 200, body: expect.stringContaining('is being erased') })
  expect(told.body).toMatch(/\d+ rows and \d+ files/)
  for (const given of [{ id, token: `${token}x` }, { id, token: '' }, { id: 'era_nobodys', token }, {}]) {
    const refused = await post('/portal/erased', given as Record<string, string>)
    expect(refused.status).toBe(422)
    expect(refused.body).not.toContain(token)
  }
})
