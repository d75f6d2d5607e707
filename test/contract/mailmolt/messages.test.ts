import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { email, TIME } from '../../support/email.ts'
import { call, eventually, grant, newTenant, type Tenant } from '../../support/tenant.ts'

const nobody = (count: number) => Array.from({ length: count }, (_, at) => `nobody-${at}@example.com`)
const message = (to: string | string[], change: Record<string, unknown> = {}) => ({
  to,
  subject: 'Hello',
  text: 'Hello',
  ...change,
})
const send = (from: Pick<Tenant, 'post'>, to: string | string[], change = {}, headers = {}) =>
  from.post('/v1/messages', message(to, change), headers)

/** The plan-usage headers of an answer to a send. */
const plan = ({ headers }: { headers: Headers }) => {
  const read = (name: string) => headers.get(`x-mailmolt-plan${name}`)
  const [day, dayLeft, month, monthLeft] = [
    '-daily-limit',
    '-daily-remaining',
    '-monthly-limit',
    '-monthly-remaining',
  ].map((name) => Number(read(name) ?? Number.NaN))
  return { plan: read(''), day, dayLeft, month, monthLeft }
}

test('"API key issued at agent registration": a request without a valid key is 401 on every route, without plan headers', async () => {
  const asked = [
    ['GET', '/v1/messages'],
    ['POST', '/v1/messages'],
    ['GET', '/v1/messages/msg_1'],
    ['DELETE', '/v1/messages/msg_1'],
    ['POST', '/v1/messages/msg_1/reply'],
    ['GET', '/v1/threads'],
    ['GET', '/v1/threads/thread_1'],
    ['PATCH', '/v1/threads/thread_1'],
    ['GET', '/v1/inbox'],
    ['GET', '/v1/inbox/stats'],
    ['PATCH', '/v1/inbox'],
  ] as const
  for (const [method, path] of asked) {
    for (const key of [null, 'no', `mm_live_${'A'.repeat(49)}`]) {
      const answer = await call(method, path, { key, ...(method === 'GET' ? {} : { body: {} }) })
      expect(answer, `${method} ${path}`).toMatchObject({ status: 401, body: { error: 'unauthorized' } })
      expect(answer.body.message).toEqual(expect.any(String))
      expect(plan(answer).plan).toBeNull()
    }
  }
})

test('"Queues an outbound message": the answer is 202 with the message, an id to poll and the plan quota', async () => {
  const [ann, bob] = await Promise.all([newTenant(), newTenant()])
  const outside = await send(ann, 'someone@example.com', { subject: 'Out', cc: nobody(1), bcc: nobody(2) })
  expect(outside).toMatchObject({
    status: 202,
    body: {
      message: { status: 'queued', to: ['someone@example.com'], subject: 'Out' },
      approval_queue_id: null,
    },
  })
  const { message: sent, request_id } = outside.body
  expect(sent.created_at).toMatch(TIME)
  expect(plan(outside)).toEqual({ plan: 'free', day: 100, dayLeft: 99, month: 3000, monthLeft: 2999 })
  expect((await ann.settled(request_id)).status).toBe('delivered')
  expect((await ann.get(`/v1/messages/${sent.id}`)).body).toMatchObject({
    ...{ id: sent.id, thread_id: sent.thread_id, direction: 'outbound', status: 'delivered', is_read: true },
    ...{
      from_addr: ann.address,
      to: ['someone@example.com'],
      cc: nobody(1),
      text: 'Hello',
      text_body: 'Hello',
    },
  })

  const inside = await send(ann, [bob.address], { html: '<p>Hi <script>x</script></p>' })
  expect(inside).toMatchObject({ status: 202, body: { message: { status: 'delivered' } } })
  expect(plan(inside)).toMatchObject({ dayLeft: 98, monthLeft: 2998 })
  const got = await bob.get(`/v1/messages/${inside.body.message.id}`)
  expect(got).toMatchObject({
    status: 200,
    body: {
      status: 'received',
      direction: 'inbound',
      is_read: false,
      html: '<p>Hi </p>',
      html_body: '<p>Hi </p>',
    },
  })
  expect(await send(ann, `nobody-at-all@${ann.address.split('@')[1]}`)).toMatchObject({
    status: 202,
    body: { message: { status: 'bounced' } },
  })

  const held = await newTenant({ tenant: { level: 'supervised' } })
  const waiting = await send(held, 'someone@example.com')
  expect(waiting).toMatchObject({
    status: 202,
    body: { message: { status: 'pending_approval' }, approval_queue_id: expect.stringMatching(/^apq_/) },
  })
  expect(plan(waiting)).toMatchObject({ dayLeft: 100 })
  const { request_id: heldId, approval_queue_id } = waiting.body
  expect((await held.get(`/v1/agent/sends/${heldId}`)).body).toMatchObject({ status: 'pending_approval' })
  expect((await held.owner.get(`/v1/send/approvals/${approval_queue_id}`)).body).toMatchObject({
    status: 'pending',
  })
  expect((await held.get(`/v1/messages/${waiting.body.message.id}`)).body.status).toBe('pending_approval')
})

test('no message view and no list shows blind-copy recipients', async () => {
  const [ann, bob, eve] = await Promise.all([newTenant(), newTenant(), newTenant()])
  const { body } = await send(ann, bob.address, { bcc: [eve.address, 'hidden@example.com'] })
  await ann.settled(body.request_id)
  const shown = await Promise.all(
    [ann, bob, eve].flatMap((who) => [
      who.get(`/v1/messages/${body.message.id}`),
      who.get('/v1/messages'),
      who.get('/v1/threads'),
      who.get(`/v1/threads/${body.message.thread_id}`),
    ]),
  )
  for (const { status, body: seen } of shown) {
    expect(status).toBe(200)
    const text = JSON.stringify(seen)
    expect(text).not.toContain('hidden@example.com')
    expect(text).not.toContain(eve.address)
  }
})

test('a body that does not fit the schema is 422 with plan headers; one that fits is accepted, even with empty texts', async () => {
  const ann = await newTenant({ mailbox: { hourly_limit: 1000 } })
  const file = (change = {}) => ({ filename: 'a.txt', content_base64: btoa('a'), ...change })
  const wrong: [string, unknown][] = [
    ['no body', {}],
    ['no subject', { to: 'a@example.com' }],
    ['no recipient', { subject: 'Hello' }],
    ['an empty list', message([])],
    ['no address', message('nobody')],
    ['one of them no address', message(['a@example.com', 'nobody'])],
    ['a display name', message('Ann <a@example.com>')],
    ['a number', message('a@example.com', { subject: 7 })],
    ['999 characters of subject', message('a@example.com', { subject: 's'.repeat(999) })],
    ['a header in the subject', message('a@example.com', { subject: 'Hi\r\nBcc: x@example.com' })],
    ['51 recipients', message(nobody(51))],
    ['51 in three lists', message(nobody(17), { cc: nobody(17), bcc: nobody(17) })],
    ['51 entries of one address', message(Array(51).fill('a@example.com'))],
    ['cc as text', message('a@example.com', { cc: 'b@example.com' })],
    ['reply_to', message('a@example.com', { reply_to: 'nobody' })],
    ['references', message('a@example.com', { references: 'x' })],
    ['text', message('a@example.com', { text: 7 })],
    ['files that are no base64', message('a@example.com', { attachments: [file({ content_base64: '!' })] })],
    [
      'more than 7 MB of files',
      message('a@example.com', {
        attachments: Array(2).fill(file({ content_base64: 'AAAA'.repeat(1_300_000) })),
      }),
    ],
    ['21 files', message('a@example.com', { attachments: Array(21).fill(file()) })],
    ['a list', [message('a@example.com')]],
  ]
  for (const [what, body] of wrong) {
    const answer = await ann.post('/v1/messages', body)
    expect(answer, what).toMatchObject({
      status: 422,
      body: { error: 'invalid', message: expect.any(String) },
    })
    expect(answer.headers.get('x-mailmolt-dlp-blocked'), what).toBeNull()
    expect(plan(answer), what).toMatchObject({ plan: 'free', dayLeft: 100 })
  }
  for (const to of [undefined, null, { email: 'a@example.com' }]) {
    const { body } = await ann.post('/v1/messages', { to, subject: 'Hello' })
    expect(body).toMatchObject({ field: 'to', message: 'to: must be an email address, or a list of them' })
  }
  const garbled = await ann.post('/v1/messages', '{"to":')
  expect(garbled).toMatchObject({ status: 400, body: { error: 'malformed_json' } })
  expect(plan(garbled)).toMatchObject({ plan: 'free', dayLeft: 100 })

  const refused = await send(ann, 'a@example.com', { attachments: [file({ filename: 'a.exe' })] })
  expect(refused).toMatchObject({ status: 422, body: { error: 'blocked_attachment_type' } })
  expect(refused.headers.get('x-mailmolt-dlp-blocked')).toBeNull()
  expect(plan(refused)).toMatchObject({ dayLeft: 100 })
  expect((await env.MAIL.list({ prefix: `files/${ann.id}/` })).objects).toEqual([])

  const right: Record<string, unknown>[] = [
    { text: undefined },
    { text: '', html: '' },
    { subject: '' },
    { subject: 's'.repeat(998) },
    { to: nobody(50) },
    { to: nobody(20), cc: nobody(15), bcc: nobody(15) },
    { id: 'read only', colour: 'unknown' },
    {
      reply_to: 'elsewhere@example.com',
      in_reply_to: 'msg_nobody',
      references: ['<a@example.com>', 'rubbish'],
    },
  ]
  for (const [at, change] of right.entries()) {
    const answer = await send(ann, 'a@example.com', change)
    expect(answer, JSON.stringify(change).slice(0, 60)).toMatchObject({
      status: 202,
      body: { message: { status: 'queued' } },
    })
    expect(plan(answer)).toMatchObject({ dayLeft: 99 - at })
    expect((await ann.settled(answer.body.request_id)).status).toBe('delivered')
  }
})

test('"x-mailmolt-trust-required: supervised": a lower level is 403, even if the body is invalid, too', async () => {
  const [sandbox, frozen, suspended, paused] = await Promise.all([
    newTenant({ tenant: { level: 'sandbox' } }),
    newTenant({ mailbox: { frozen_at: 1, frozen_reason: 'review', frozen_by: 'operator' } }),
    newTenant({ mailbox: { reputation: 499 } }),
    newTenant({ tenant: { status: 'paused' } }),
  ])
  for (const [tenant, error] of [
    [sandbox, 'trust_required'],
    [frozen, 'mailbox_frozen'],
    [suspended, 'mailbox_suspended'],
    [paused, 'tenant_paused'],
  ] as const) {
    for (const [path, body] of [
      ['/v1/messages', message('a@example.com')],
      ['/v1/messages', message(tenant.address)],
      ['/v1/messages', {}],
      ['/v1/messages', message(nobody(51))],
      ['/v1/messages/msg_nobody/reply', { text: 'Hello' }],
      ['/v1/messages/msg_nobody/reply', { subject: 7 }],
    ] as const) {
      const answer = await tenant.post(path, body)
      expect(answer, `${error} ${path}`).toMatchObject({ status: 403, body: { error } })
      expect(plan(answer)).toMatchObject({ plan: 'free', dayLeft: 100 })
    }
  }
})

test('a refusal by another rule is 403 with its reason, a cooldown is 429 with Retry-After, and neither uses the plan', async () => {
  const ann = await newTenant({ mailbox: { cooldown_ms: 600_000 } })
  await ann.owner.post('/v1/suppressions', { recipientEmail: 'gone@example.com', reasonCode: 'manual_dnc' })
  const suppressed = await send(ann, ['a@example.com', 'gone@example.com'])
  expect(suppressed).toMatchObject({ status: 403, body: { error: 'suppressed' } })
  expect(suppressed.body.message).toContain('gone@example.com')
  expect(await send(ann, 'a@example.com')).toMatchObject({ status: 202 })
  const cooling = await send(ann, 'a@example.com')
  expect(cooling).toMatchObject({ status: 429, body: { error: 'cooldown' } })
  const wait = Number(cooling.headers.get('retry-after'))
  expect(wait).toBeGreaterThan(590)
  expect(wait).toBeLessThanOrEqual(600)
  expect(plan(cooling)).toMatchObject({ dayLeft: 99 })
})

test('a repeat with the same Idempotency-Key has the first answer again, even after changes; another body is 422', async () => {
  const [ann, bob] = await Promise.all([newTenant(), newTenant()])
  const supervised = await newTenant({ tenant: { level: 'supervised' } })
  for (const [who, to] of [
    [ann, 'a@example.com'],
    [ann, bob.address],
    [supervised, 'a@example.com'],
  ] as const) {
    const headers = { 'idempotency-key': `key-${to}` }
    const first = await send(who, to, {}, headers)
    expect(first.status).toBe(202)
    if (first.body.message.status === 'queued') await who.settled(first.body.request_id)
    const left = plan(first).dayLeft
    const again = await Promise.all(Array.from({ length: 5 }, () => send(who, to, {}, headers)))
    for (const answer of again) {
      expect(answer).toMatchObject({ status: 202, body: first.body })
      expect(plan(answer).dayLeft).toBe(left)
    }
    expect(await send(who, to, { text: 'Other' }, headers)).toMatchObject({
      status: 422,
      body: { error: 'idempotency_mismatch' },
    })
  }
  expect((await bob.get('/v1/messages')).body.total).toBe(1)

  const attachments = [
    { filename: 'notes.txt', content_type: 'text/plain', content_base64: btoa('some notes') },
  ]
  const files = { 'idempotency-key': 'files' }
  const [first, ...repeats] = await Promise.all(
    Array.from({ length: 3 }, () => send(ann, bob.address, { attachments }, files)),
  )
  const { id } = first?.body.message ?? {}
  expect(repeats.map((answer) => answer.body.message.id)).toEqual([id, id])
  const [attached] = (await ann.get(`/v1/messages/${id}`)).body.attachments
  expect(await ann.get(new URL(attached.url).pathname)).toMatchObject({ status: 200, body: 'some notes' })
})

test('a reply goes to the right recipients, stays in the thread and has one "Re:"; both sides see one thread', async () => {
  const [ann, bob] = await Promise.all([newTenant(), newTenant()])
  const first = (await send(ann, bob.address, { subject: 'Plan' })).body.message
  const reply = await bob.post(`/v1/messages/${first.id}/reply`, { text: 'Yes' })
  expect(reply).toMatchObject({
    status: 202,
    body: {
      message: { to: [ann.address], subject: 'Re: Plan', thread_id: first.thread_id, status: 'delivered' },
    },
  })
  expect(plan(reply)).toMatchObject({ dayLeft: 99 })
  const second = await ann.post(`/v1/messages/${reply.body.message.id}/reply`, { text: 'Good' })
  expect(second.body.message).toMatchObject({
    to: [bob.address],
    subject: 'Re: Plan',
    thread_id: first.thread_id,
  })
  // A reply to an own message goes to the recipients of that message.
  const more = await ann.post(`/v1/messages/${first.id}/reply`, { text: 'And this', subject: 'More' })
  expect(more.body.message).toMatchObject({ to: [bob.address], subject: 'More', thread_id: first.thread_id })
  const elsewhere = await ann.post(`/v1/messages/${first.id}/reply`, { to: 'eve@example.com', text: 'FYI' })
  expect(elsewhere.body.message).toMatchObject({ to: ['eve@example.com'], thread_id: first.thread_id })

  const stored = (await bob.get(`/v1/messages/${second.body.message.id}`)).body
  expect(stored.in_reply_to).toBe(reply.body.message.id)
  expect(stored.references).toHaveLength(2)
  const { rfc_message_id: answered } = (await bob.get(`/v1/messages/${reply.body.message.id}`)).body
  expect(stored.references.at(-1)).toBe(answered)
  const raw = await eventually(async () => {
    await ann.settled(elsewhere.body.request_id)
    const row = await env.DB.prepare('SELECT raw FROM captured_mail WHERE send_id = ?1')
      .bind(elsewhere.body.request_id)
      .first<{ raw: string }>()
    return row?.raw
  })
  const { rfc_message_id: root } = (await ann.get(`/v1/messages/${first.id}`)).body
  expect(raw).toContain(`In-Reply-To: ${root}`)

  // Reply-To decides, and in_reply_to takes our ids as well as Message-IDs.
  const asked = (await send(ann, bob.address, { reply_to: 'desk@example.com' })).body.message
  expect((await bob.post(`/v1/messages/${asked.id}/reply`, { text: 'Hm' })).body.message.to).toEqual([
    'desk@example.com',
  ])
  for (const named of [
    { in_reply_to: first.id },
    { in_reply_to: root },
    { in_reply_to: root.slice(1, -1) },
    { references: ['<unknown@example.com>', root] },
    { in_reply_to: 'msg_nobody', references: [first.id] },
  ]) {
    const answer = await send(bob, ann.address, named)
    expect(answer.body.message.thread_id, JSON.stringify(named)).toBe(first.thread_id)
  }
  const foreign = await send(bob, 'a@example.com', {
    in_reply_to: '<x@example.net>',
    references: ['<w@example.net>'],
  })
  expect(foreign.body.message.thread_id).not.toBe(first.thread_id)
  await bob.settled(foreign.body.request_id)
  const sent = await env.DB.prepare('SELECT raw FROM captured_mail WHERE send_id = ?1')
    .bind(foreign.body.request_id)
    .first<{ raw: string }>()
  expect(sent?.raw).toContain('In-Reply-To: <x@example.net>')
  expect(sent?.raw.replaceAll('\r\n ', ' ')).toContain('References: <w@example.net> <x@example.net>')

  const eve = await newTenant()
  for (const id of [first.id, 'msg_nobody']) {
    const answer = await eve.post(`/v1/messages/${id}/reply`, { text: 'Me too' })
    expect(answer).toMatchObject({ status: 404, body: { error: 'not_found', message: 'Message not found.' } })
    expect(plan(answer)).toMatchObject({ dayLeft: 100 })
  }
})

test('a body without the content type JSON is 400, and is never sent as an empty message', async () => {
  const [ann, bob] = await Promise.all([newTenant(), newTenant()])
  const { id } = (await send(ann, bob.address)).body.message
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', '']) {
    for (const path of ['/v1/messages', `/v1/messages/${id}/reply`]) {
      const answer = await bob.post(path, message(ann.address), { 'content-type': type })
      expect(answer, `${type} ${path}`).toMatchObject({ status: 400, body: { error: 'malformed_json' } })
      expect(plan(answer)).toMatchObject({ dayLeft: 100 })
    }
    expect((await bob.patch('/v1/inbox', {}, { 'content-type': type })).status).toBe(400)
  }
  for (const path of ['/v1/messages', `/v1/messages/${id}/reply`]) {
    expect((await call('POST', path, { key: bob.key })).status, `no body ${path}`).toBe(400)
  }
  const merged = { 'content-type': 'application/vnd.api+json; charset=utf-8' }
  expect((await bob.post(`/v1/messages/${id}/reply`, { text: 'Yes' }, merged)).status).toBe(202)
  expect((await bob.get('/v1/inbox')).body.stats.total_sent).toBe(1)
})

test('messages received and sent are listed newest first, filtered by read and thread; paging neither skips nor repeats', async () => {
  const [ann, bob] = await Promise.all([
    newTenant({ mailbox: { hourly_limit: 1000 } }),
    newTenant({ mailbox: { hourly_limit: 1000 } }),
  ])
  const ids: string[] = []
  for (let at = 0; at < 6; at++) {
    const [from, to] = at % 2 ? [bob, ann] : [ann, bob]
    ids.unshift((await send(from, to.address, { subject: `Letter ${at}` })).body.message.id)
  }
  ids.unshift((await send(ann, ann.address, { subject: 'To myself' })).body.message.id)
  const whole = (await ann.get('/v1/messages')).body
  expect(whole.data.map(({ id }: { id: string }) => id)).toEqual(ids)
  expect(whole).toMatchObject({ total: 7, has_more: false, next_cursor: null })
  expect(Object.keys(whole.data[0])).toEqual(
    expect.arrayContaining(
      'id thread_id from_addr from_name to cc subject text_body html_body preview direction status is_read created_at'.split(
        ' ',
      ),
    ),
  )

  for (const limit of [1, 2, 3, 5]) {
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body } = await ann.get(`/v1/messages?limit=${limit}&cursor=${cursor}`)
      seen.push(...body.data.map(({ id }: { id: string }) => id))
      cursor = body.next_cursor
      expect({ total: body.total, hasMore: body.has_more }).toEqual({
        total: ids.length,
        hasMore: cursor !== null,
      })
      // Messages that arrive meanwhile are on no later page.
      if (seen.length === limit) ids.unshift((await send(bob, ann.address)).body.message.id)
    }
    expect(seen).toEqual(ids.slice(1))
  }

  const unread = (await ann.get('/v1/messages?status=unread&limit=100')).body
  expect(unread.data.every((each: { is_read: boolean }) => !each.is_read)).toBe(true)
  const read = (await ann.get('/v1/messages?status=read&limit=100')).body
  expect(read.data.every((each: { is_read: boolean }) => each.is_read)).toBe(true)
  expect(unread.total + read.total).toBe(ids.length)
  const [one] = whole.data
  expect((await ann.get(`/v1/messages/${one.id}`)).body).toEqual(one)
  expect((await ann.get('/v1/messages?status=unread&limit=100')).body.total).toBe(unread.total)
  const ofThread = (await ann.get(`/v1/messages?thread_id=${one.thread_id}`)).body
  expect(ofThread).toMatchObject({ total: 1, data: [{ id: one.id }] })
  expect((await bob.get(`/v1/messages?thread_id=${one.thread_id}`)).body).toMatchObject({
    total: 0,
    data: [],
  })

  for (const query of [
    'limit=0',
    'limit=101',
    'limit=x',
    'status=new',
    'cursor=yesterday',
    'cursor=1.%27',
    'thread_id=',
  ]) {
    expect(await ann.get(`/v1/messages?${query}`), query).toMatchObject({
      status: 422,
      body: { error: 'invalid' },
    })
  }
})

test('DELETE is 204, also repeated, and changes only the own view; a message of others is 404 like an unknown one', async () => {
  const [ann, bob, eve] = await Promise.all([newTenant(), newTenant(), newTenant()])
  const { id } = (await send(ann, bob.address)).body.message
  for (let times = 0; times < 2; times++) {
    const gone = await bob.del(`/v1/messages/${id}`)
    expect(gone).toMatchObject({ status: 204, body: '' })
    expect(await bob.get(`/v1/messages/${id}`)).toMatchObject({ status: 404, body: { error: 'not_found' } })
  }
  expect((await bob.get('/v1/messages')).body).toMatchObject({ total: 0, data: [] })
  expect((await bob.get('/v1/threads')).body).toMatchObject({ total: 0, data: [] })
  expect((await ann.get(`/v1/messages/${id}`)).status).toBe(200)
  for (const path of [`/v1/messages/${id}`, '/v1/messages/msg_nobody']) {
    for (const answer of [await eve.get(path), await eve.del(path)]) {
      expect(answer).toMatchObject({
        status: 404,
        body: { error: 'not_found', message: 'Message not found.' },
      })
    }
  }
  const readOnly = await grant(ann.id, ['read'])
  expect(await ann.as(readOnly).del(`/v1/messages/${id}`)).toMatchObject({ status: 403 })
  expect(await send(ann.as(readOnly), bob.address)).toMatchObject({
    status: 403,
    body: { error: 'insufficient_scope' },
  })
  expect(await ann.as(readOnly).post('/v1/messages', {})).toMatchObject({ status: 403 })
})

test('both APIs share one store: what is sent by one is read by the other, with attachments, threads and read marks', async () => {
  const [ann, bob] = await Promise.all([newTenant(), newTenant()])
  const files = [{ filename: 'notes.txt', content_type: 'text/plain', content_base64: btoa('some notes') }]
  const there = (await email(ann).send(bob.address, { subject: 'There', attachments: files })).body
  const seen = await eventually(async () => {
    const { status, body } = await bob.get(`/v1/messages/${there.message_id}`)
    return status === 200 ? body : undefined
  })
  expect(seen).toMatchObject({ thread_id: there.thread_id, subject: 'There', from_addr: ann.address })
  const { pathname } = new URL(seen.attachments[0].url)
  expect(await bob.get(pathname)).toMatchObject({ status: 200, body: 'some notes' })
  const answer = (
    await bob.post(`/v1/messages/${there.message_id}/reply`, { text: 'Here', attachments: files })
  ).body
  const { message_id } = await eventually(async () => {
    const { body } = await email(ann).get('/email/inbox')
    return body.messages[0]
  })
  expect(message_id).toBe(answer.message.id)
  const thread = (await email(ann).get(`/email/thread/${answer.message.thread_id}`)).body
  expect(thread.messages.map((each: { message_id: string }) => each.message_id)).toEqual([
    there.message_id,
    message_id,
  ])
  // A message read by the one API is read in the other.
  expect((await ann.get('/v1/messages?status=unread')).body.total).toBe(1)
  await email(ann).get(`/email/message/${message_id}`)
  expect((await ann.get('/v1/messages?status=unread')).body.total).toBe(0)
  await email(ann).del(`/email/message/${message_id}`)
  expect((await ann.get(`/v1/messages/${message_id}`)).status).toBe(404)
})
