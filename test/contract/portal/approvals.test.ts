import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { letters, newPerson, post, signIn, visit } from '../../support/portal.ts'
import { call, eventually, newTenant, type Tenant } from '../../support/tenant.ts'

const MARKED = '<b>bold</b><script>parent.broken = 1</script>'

/** Makes a held send and waits until it is rendered: its approval, and the hash of the message. */
async function held(tenant: Tenant, to: string, firstName = 'Ann') {
  const { body } = await tenant.send(to, crypto.randomUUID(), { payload: { firstName } })
  expect(body.status).toBe('pending_approval')
  const id: string = body.approvalQueueId
  const sha256 = await eventually(async () => {
    const { body: shown } = await tenant.owner.get(`/v1/send/approvals/${id}`)
    return (shown.message?.sha256 as string | undefined) ?? undefined
  })
  return { id, sha256, requestId: body.requestId as string }
}

const reader = () => `reader-${crypto.randomUUID()}@example.com`
const received = async (to: string) =>
  (await call('GET', `/dev/outbox?to=${encodeURIComponent(to)}`)).body.items as {
    subject: string
    html: string
  }[]

test('a person reads a held message as it will be sent and approves exactly that; of two decisions at once one counts', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const { email } = await newPerson(tenant.id, 'approver')
  const browser = await signIn(email)
  const to = reader()
  const { id, sha256, requestId } = await held(tenant, to, MARKED)

  expect((await browser.get('/portal/approvals')).body).toContain(`/portal/approvals/${id}`)
  expect((await browser.get('/portal')).body).toContain('1<span class="visually-hidden"> waiting')
  const page = await browser.get(`/portal/approvals/${id}`)
  expect(page.status).toBe(200)
  expect(page.body).toContain('review')
  expect(page.body).toContain(sha256)
  expect(page.body).not.toContain('<b>bold</b>')

  // The message is shown in a frame without an origin, which runs nothing and loads nothing.
  const frame = await browser.get(`/portal/approvals/${id}/message`)
  expect(frame.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none';/)
  expect(page.body).toContain('sandbox=""')

  const decide = (fields: Record<string, string>) => browser.post(`/portal/approvals/${id}/decide`, fields)
  expect((await decide({ sha256 })).status).toBe(422)
  expect((await decide({ decision: 'approve' })).status).toBe(409)
  expect((await decide({ decision: 'approve', sha256: 'f'.repeat(64) })).status).toBe(409)
  expect((await browser.get(`/portal/approvals/${id}`)).body).toContain('value="approve"')
  const both = await Promise.all([
    decide({ decision: 'approve', sha256 }),
    decide({ decision: 'approve', sha256 }),
  ])
  expect(both.map(({ status }) => status).sort()).toEqual([303, 409])
  expect(await tenant.settled(requestId)).toMatchObject({ status: 'delivered' })
  expect(await received(to)).toHaveLength(1)
  const over = await browser.get(`/portal/approvals/${id}`)
  expect(over.body).toContain('approved')
  expect(over.body).not.toContain('value="approve"')
})

test('an edit makes a new message with an approval of its own; the old approval can no longer be decided', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const browser = await signIn((await newPerson(tenant.id, 'owner')).email)
  const to = reader()
  const { id, sha256, requestId } = await held(tenant, to)

  const form = await browser.get(`/portal/approvals/${id}/edit`)
  expect(form.body).toContain('Hello Ann')
  const blank = await browser.post(`/portal/approvals/${id}/edit`, { subject: ' ', text: 'kept as written' })
  expect(blank.status).toBe(422)
  expect(blank.body).toContain('kept as written')
  expect(blank.body).toContain('aria-invalid="true"')

  const edited = await browser.post(`/portal/approvals/${id}/edit`, {
    subject: 'Better',
    text: 'Better words',
    html: '',
  })
  expect(edited.status).toBe(303)
  const anew = edited.location ?? ''
  expect(anew).toMatch(/^\/portal\/approvals\/apq_/)
  const page = await browser.get(anew)
  expect(page.body).toContain('Better')
  const fresh = /name="sha256" value="([0-9a-f]{64})"/.exec(page.body)?.[1] ?? ''
  expect(fresh).not.toBe(sha256)
  expect(fresh).toHaveLength(64)
  expect((await browser.post(`/portal/approvals/${id}/decide`, { decision: 'approve', sha256 })).status).toBe(
    409,
  )
  expect((await browser.post(`${anew}/decide`, { decision: 'approve', sha256 })).status).toBe(409)
  expect(await received(to)).toHaveLength(0)
  expect((await browser.post(`${anew}/decide`, { decision: 'approve', sha256: fresh })).status).toBe(303)
  expect(await tenant.settled(requestId)).toMatchObject({ status: 'delivered' })
  expect(await received(to)).toMatchObject([{ subject: 'Better' }])

  const other = await held(tenant, to)
  const rejected = await browser.post(`/portal/approvals/${other.id}/decide`, {
    decision: 'reject',
    reason: 'too soon',
  })
  expect(rejected.status).toBe(303)
  expect((await browser.get(`/portal/approvals/${other.id}`)).body).toContain('too soon')
  expect(await tenant.settled(other.requestId)).toMatchObject({ status: 'rejected' })
})

test('a viewer, another tenant, another site and a form of another session cannot decide', async () => {
  const [tenant, strangers] = [await newTenant({ mailbox: { autonomy: 'review' } }), await newTenant()]
  const people = await Promise.all([
    newPerson(tenant.id, 'approver'),
    newPerson(tenant.id, 'viewer'),
    newPerson(strangers.id, 'owner'),
  ])
  const [approver, viewer, stranger] = await Promise.all(people.map(({ email }) => signIn(email)))
  if (!approver || !viewer || !stranger) throw new Error('a person could not sign in')
  const { id, sha256 } = await held(tenant, reader())
  const path = `/portal/approvals/${id}/decide`
  const fields = { decision: 'approve', sha256 }

  const refused = [
    [await viewer.post(path, fields), 403],
    [await viewer.post(`/portal/approvals/${id}/edit`, { subject: 'Mine', text: 'Mine' }), 403],
    [await stranger.post(path, fields), 404],
    [await stranger.get(`/portal/approvals/${id}`), 404],
    [await stranger.get(`/portal/approvals/${id}/message`), 404],
    [await post(path, { ...fields, csrf: approver.csrf }), 401],
    [await post(path, fields, { cookie: approver.cookie }), 403],
    [await post(path, { ...fields, csrf: viewer.csrf }, { cookie: approver.cookie }), 403],
  ] as const
  expect(refused.map(([{ status }]) => status)).toEqual(refused.map(([, status]) => status))
  const own = { ...fields, csrf: approver.csrf }
  for (const headers of [
    { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
    { 'sec-fetch-site': 'same-site', origin: 'http://evil.moltpost.test' },
    { 'sec-fetch-site': 'none' },
  ]) {
    expect((await post(path, own, { cookie: approver.cookie, headers })).status).toBe(403)
  }
  expect((await viewer.get(`/portal/approvals/${id}`)).body).not.toContain('value="approve"')
  expect((await approver.get(`/portal/approvals/${id}`)).body).toContain('value="approve"')
  expect((await approver.post(path, fields)).status).toBe(303)
})

test('a notice is mailed to those who may decide; its link only shows the message, and its button decides once', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const [approver, viewer] = [await newPerson(tenant.id, 'approver'), await newPerson(tenant.id, 'viewer')]
  const to = reader()
  const { requestId } = await held(tenant, to)
  const [letter] = await letters(approver.email, 'To be decided')
  const link = /\/portal\/decide\/[A-Za-z0-9_-]{43}/.exec(letter?.text ?? '')?.[0] ?? ''
  expect(letter?.raw).toMatch(/^Auto-Submitted: auto-generated\r$/m)
  expect(letter?.raw).toMatch(/^Reply-To: decide\+[0-9a-f]{32}@moltpost\.test\r$/m)

  for (let times = 0; times < 2; times++) {
    expect(await visit(link)).toMatchObject({ status: 200, body: expect.stringContaining(to) })
    expect((await visit(`${link}/message`)).headers.get('content-security-policy')).toMatch(/^sandbox;/)
  }
  expect((await visit(`${link.slice(0, -1)}_`)).status).toBe(404)
  expect((await post(link, {})).status).toBe(422)
  const away = { 'sec-fetch-site': 'cross-site' }
  expect((await post(link, { decision: 'approve' }, { headers: away })).status).toBe(403)
  expect(await received(to)).toHaveLength(0)
  const both = await Promise.all([post(link, { decision: 'approve' }), post(link, { decision: 'approve' })])
  expect(both.map(({ status }) => status).sort()).toEqual([200, 410])
  expect(await tenant.settled(requestId)).toMatchObject({ status: 'delivered' })
  expect(await received(to)).toHaveLength(1)
  expect((await visit(link)).status).toBe(410)
  expect((await call('GET', `/dev/outbox?to=${viewer.email}`)).body.items).toEqual([])

  // Messages held within five minutes wait for the next letter, and more than three share one letter.
  const others = [
    await held(tenant, reader()),
    await held(tenant, reader()),
    await held(tenant, reader()),
    await held(tenant, reader()),
  ]
  expect(await letters(approver.email, 'To be decided')).toHaveLength(1)
  await env.DB.prepare('UPDATE approvals SET noticed_at = noticed_at - 300000 WHERE tenant_id = ?1')
    .bind(tenant.id)
    .run()
  const [together] = await letters(approver.email, '4 messages wait')
  const links = [...(together?.text ?? '').matchAll(/\/portal\/decide\/[A-Za-z0-9_-]{43}/g)].map(String)
  expect(links).toHaveLength(4)
  expect(together?.raw).not.toContain('Reply-To')

  const statuses = async () => {
    const { results } = await env.DB.prepare('SELECT status FROM approvals WHERE tenant_id = ?1 ORDER BY id')
      .bind(tenant.id)
      .all<{ status: string }>()
    return results.map(({ status }) => status)
  }
  // An expired link, one whose message was edited since, and one of a person who may no longer decide.
  const [first = '', second = '', third = '', fourth = ''] = links
  const set = (statement: string, ...binds: unknown[]) =>
    env.DB.prepare(statement)
      .bind(...binds)
      .run()
  await set(
    'UPDATE approval_tokens SET expires_at = expires_at - 86400000 WHERE approval_id = ?1',
    others[0]?.id,
  )
  expect((await post(first, { decision: 'approve' })).status).toBe(410)
  const edited = { subject: 'Other', html: null, text: 'Other' }
  expect((await tenant.owner.put(`/v1/send/approvals/${others[1]?.id}/message`, edited)).status).toBe(200)
  expect((await post(second, { decision: 'approve' })).status).toBe(410)
  await set('UPDATE owners SET role = ?1 WHERE id = ?2', 'viewer', approver.id)
  expect((await visit(third)).status).toBe(404)
  expect((await post(third, { decision: 'approve' })).status).toBe(404)
  await set('UPDATE owners SET role = ?1 WHERE id = ?2', 'approver', approver.id)
  expect((await post(fourth, { decision: 'reject', reason: 'no' })).status).toBe(200)
  expect((await statuses()).filter((status) => status === 'approved')).toHaveLength(1)
  expect((await statuses()).filter((status) => status === 'rejected')).toHaveLength(1)
})

test('the page shows every recipient, field and file of a message, and a file is a download that runs nowhere', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const approver = await newPerson(tenant.id, 'approver')
  const page = '<script>alert(1)</script>'
  await tenant.post('/v1/messages', {
    ...{ to: ['ann@example.com'], cc: ['carl@example.com'], bcc: ['blind@example.com'] },
    ...{ subject: 'Hello\u200b', text: 'Hello \u202eevil\u202c', html: '<p>Hello &#8238;evil</p>' },
    attachments: [{ filename: 'page.txt', content_type: 'text/html', content_base64: btoa(page) }],
  })
  const [letter] = await letters(approver.email, 'To be decided')
  const link = /\/portal\/decide\/[A-Za-z0-9_-]{43}/.exec(letter?.text ?? '')?.[0] ?? ''
  const { body: listed } = await tenant.owner.get('/v1/send/approvals?status=pending')
  const { id } = listed.items[0]
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(page))
  const sha256 = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  const file = { filename: 'page.txt', size: page.length, sha256 }
  const { body: shown } = await tenant.owner.get(`/v1/send/approvals/${id}`)
  expect(shown.message).toMatchObject({
    bcc: [{ email: 'blind@example.com' }],
    ...{ replyTo: null, headers: {}, files: [{ ...file, contentType: 'text/html' }] },
  })
  expect((await tenant.owner.get(`/v1/oversight/approvals/${id}`)).body).toMatchObject({
    ...{ cc: ['carl@example.com'], bcc: ['blind@example.com'] },
    message: { reply_to: null, files: [{ ...file, content_type: 'text/html' }] },
  })
  const browser = await signIn(approver.email)
  for (const [open, base] of [
    [(path: string) => browser.get(path), `/portal/approvals/${id}`],
    [(path: string) => visit(path), link],
  ] as const) {
    const { body } = await open(base)
    for (const text of [
      'carl@example.com',
      'blind@example.com',
      'page.txt',
      sha256,
      '[U+200B]',
      '[U+202E]evil',
    ])
      expect(body).toContain(text)
    const answer = await open(`${base}/files/${sha256}`)
    expect(answer).toMatchObject({ status: 200, body: page })
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-disposition': "attachment; filename*=UTF-8''page.txt",
      'content-security-policy': expect.stringMatching(/^sandbox;/),
      'x-content-type-options': 'nosniff',
    })
    expect((await open(`${base}/files/${'0'.repeat(64)}`)).status).toBe(404)
  }
  // After an edit the file of the old message is no longer the message's.
  await tenant.owner.put(`/v1/send/approvals/${id}/message`, { subject: 'Other', text: 'Other' })
  expect((await visit(`${link}/files/${sha256}`)).status).toBe(410)
})
