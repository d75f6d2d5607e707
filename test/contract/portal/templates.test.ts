import { expect, test } from 'vitest'
import { newPerson, signIn } from '../../support/portal.ts'
import { newTenant } from '../../support/tenant.ts'

const WORDS = { name: 'Offer', slug: 'offer', type: 'marketing', variables: 'firstName, days:number' }
const TEXT = 'Hello {{ firstName }}, {{ days }} days. {{ unsubscribe_url }}'

/** The part of a page about one field: its label, its value and its remarks. */
const fieldOf = (body: string, name: string) =>
  body.split('<div class="field">').find((part) => part.includes(`<label for="${name}">`)) ?? ''

test('a template is written as a draft with lint remarks at its fields, previewed with sample values, approved and published', async () => {
  const tenant = await newTenant()
  const people = await Promise.all([newPerson(tenant.id, 'owner'), newPerson(tenant.id, 'approver')])
  const [owner, approver] = await Promise.all(people.map(({ email }) => signIn(email)))
  if (!owner || !approver) throw new Error('a person could not sign in')
  expect((await approver.get('/portal/templates/new')).status).toBe(403)

  // Checking saves nothing, and keeps the typed values in the form.
  const bad = {
    ...WORDS,
    subject: 'Hi {{ nobody }}',
    text: 'act now',
    html: '<a href="http://a.example">x</a>',
  }
  const checked = await owner.post('/portal/templates/new', { ...bad, step: 'check' })
  expect(checked.status).toBe(200)
  expect(fieldOf(checked.body, 'subject')).toMatch(/undeclared variable<\/span> <span>nobody/)
  expect(fieldOf(checked.body, 'text')).toMatch(/spam phrase<\/span> <span>act now/)
  expect(fieldOf(checked.body, 'html')).toMatch(/insecure url<\/span> <span>http:\/\/a.example/)
  expect(fieldOf(checked.body, 'html')).toContain('aria-describedby="html-hint html-remarks"')
  expect(fieldOf(checked.body, 'variables')).toMatch(/unused variable<\/span> <span>firstName/)
  expect(checked.body).toContain('missing unsubscribe')
  expect(checked.body).toContain('value="Hi {{ nobody }}"')
  const broken = await owner.post('/portal/templates/new', { ...bad, text: 'a\n{{ x', step: 'check' })
  expect(fieldOf(broken.body, 'text')).toMatch(/syntax error<\/span> <span>line 2/)

  for (const [field, wrong] of [
    ['slug', { slug: 'No Slug' }],
    ['subject', { subject: ' ' }],
    ['text', { text: '', html: '' }],
    ['variables', { variables: 'a, b c!' }],
    ['name', { name: 'x'.repeat(201) }],
  ] as const) {
    const refused = await owner.post('/portal/templates/new', { ...bad, ...wrong })
    expect([field, refused.status]).toEqual([field, 422])
    expect(fieldOf(refused.body, field)).toContain('aria-invalid="true"')
  }

  const made = await owner.post('/portal/templates/new', { ...bad, approvalRequired: 'on' })
  expect(made).toMatchObject({ status: 303, location: expect.stringMatching(/^\/portal\/templates\/tpl_/) })
  const path = made.location ?? ''
  expect((await owner.get(path)).body).not.toContain('/publish"')
  expect((await owner.post(`${path}/versions/1/publish`)).status).toBe(422)

  // The form for the second version starts with the content of the first.
  const writing = await owner.get(`${path}/edit`)
  expect(fieldOf(writing.body, 'variables')).toContain('value="firstName, days:number"')
  expect(fieldOf(writing.body, 'subject')).toContain('undeclared variable')
  const good = { subject: 'Hi {{ firstName }}', text: TEXT, html: '', variables: WORDS.variables }
  const preview = await owner.post('/portal/templates/preview', good)
  expect(preview.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none';/)
  expect(preview.body).toContain('Hello [firstName], 14 days.')
  const second = await owner.post(`${path}/edit`, good)
  expect(second.location).toBe(`${path}?version=2`)
  expect((await owner.get(second.location ?? '')).body).toContain('Submit for approval')
  expect((await owner.post(`${path}/versions/2/publish`)).status).toBe(303)

  const { body: waits } = await approver.get(`${path}?version=2`)
  expect(waits).toContain('Approve and publish')
  expect(waits).not.toContain('/delete"')
  expect((await approver.post(`${path}/versions/2/decide`, { decision: 'perhaps' })).status).toBe(422)
  expect((await approver.post(`${path}/versions/2/decide`, { decision: 'approve' })).status).toBe(303)
  expect((await approver.post(`${path}/versions/2/decide`, { decision: 'reject' })).status).toBe(409)
  const { body: known } = await tenant.get('/v1/templates/offer')
  expect(known).toMatchObject({ publishedVersion: 2, approvalRequired: true })
  const send = { templateId: 'offer', payload: { firstName: 'Ann', days: 3 } }
  expect((await tenant.send('reader@example.com', 'offer', send)).body.status).toBe('queued')

  // A variable that the template does not declare has a sample value, too, and so has a nested one.
  const nested = { ...good, variables: '', text: '{{ user.name }} of {{ user.firm.city }}' }
  expect((await owner.post('/portal/templates/preview', nested)).body).toContain(
    '[user.name] of [user.firm.city]',
  )
  expect((await owner.post(`${path}/delete`)).status).toBe(303)
  expect((await tenant.get('/v1/templates/offer')).status).toBe(404)
})
