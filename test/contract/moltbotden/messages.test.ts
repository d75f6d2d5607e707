import { expect, test } from 'vitest'
import { email, rates } from '../../support/email.ts'
import { sql } from '../../support/matrix-dump.ts'
import { call, eventually, newTenant } from '../../support/tenant.ts'

type Listed = { message_id: string; created_at: string; subject: string }

test('reading, starring and deleting a message changes only the own view', async () => {
  const [ann, ben, cec] = await Promise.all([newTenant(), newTenant(), newTenant()])
  const [a, b, c] = [email(ann), email(ben), email(cec)]
  const { message_id, thread_id } = (await a.send([ben.address, cec.address])).body
  const path = `/email/message/${message_id}`
  const seen = async (who: typeof a) => {
    const [message] = (await who.get('/email/inbox')).body.messages
    return message && { read: message.read_at !== null, starred: message.starred }
  }

  // Starring a message does not mark it read.
  expect((await b.post(`${path}/star`)).body).toEqual({ starred: true })
  expect(await seen(b)).toEqual({ read: false, starred: true })
  expect(await seen(c)).toEqual({ read: false, starred: false })
  await b.get(path)
  expect(await seen(b)).toEqual({ read: true, starred: true })
  expect(await seen(c)).toEqual({ read: false, starred: false })
  // Reading the message again does not change its read time.
  const readAt = (await b.get(path)).body.read_at
  expect((await b.post(`${path}/read`)).body).toEqual({ status: 'read' })
  expect((await b.get(path)).body.read_at).toBe(readAt)

  // Opening the copy of the sender does not mark it read.
  expect((await a.get(path)).body).toMatchObject({ direction: 'outbound', read_at: null })
  expect((await a.post(`${path}/read?unread=true`)).body).toEqual({ status: 'unread' })
  expect(await seen(b)).toEqual({ read: true, starred: true })

  expect((await b.del(path)).body).toEqual({ status: 'deleted' })
  for (const gone of [
    await b.get(path),
    await b.post(`${path}/read`),
    await b.post(`${path}/star`),
    await b.del(path),
    await b.get(`/email/thread/${thread_id}`),
  ]) {
    expect(gone).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } })
  }
  expect((await b.get('/email/inbox')).body).toMatchObject({ messages: [], total: 0, unread_count: 0 })
  expect(await seen(c)).toEqual({ read: false, starred: false })
  expect((await a.get(`/email/thread/${thread_id}`)).body.messages).toHaveLength(1)

  // A participant who deleted the first message still sees the rest of the thread.
  await c.send([ben.address], { in_reply_to: message_id, subject: 'Re: Hello' })
  expect((await b.get(`/email/thread/${thread_id}`)).body.messages).toMatchObject([{ subject: 'Re: Hello' }])
})

test('on every route, a message or thread of others is 403 and an unknown one is 404', async () => {
  const [ann, ben, eve] = await Promise.all([newTenant(), newTenant(), newTenant()])
  const { message_id, thread_id } = (await email(ann).send(ben.address)).body
  const ask = (message: string, thread: string, e = email(eve)) => [
    e.get(`/email/message/${message}`),
    e.post(`/email/message/${message}/read`),
    e.post(`/email/message/${message}/star`),
    e.del(`/email/message/${message}`),
    e.get(`/email/message/${message}/attachments/file_1`),
    e.get(`/email/thread/${thread}`),
  ]
  // A stranger is not told that it exists.
  const unknown = await Promise.all([...ask(message_id, thread_id), ...ask('msg_nobody', 'thread_nobody')])
  for (const answer of unknown) {
    expect(rates(answer)).toMatchObject({ limit: 20, remaining: 20 })
    expect(answer).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } })
  }
  // A second mailbox of the same tenant is another participant.
  const local = `own-${crypto.randomUUID().slice(0, 8)}`
  const { body: second } = await ann.owner.post('/v1/agent/register', { agentName: 'second' })
  await ann.owner.post('/v1/agent/mailboxes', { address: local, agentId: second.id })
  const made = await ann.owner.post('/v1/agent/keys', {
    agentId: second.id,
    permissions: ['read', 'send', 'manage'],
  })
  for (const other of [
    email({ key: ann.ownerKey }, { 'X-Agent-Id': local }),
    email({ key: made.body.rawKey }),
  ]) {
    for (const answer of await Promise.all(ask(message_id, thread_id, other))) {
      expect(answer).toMatchObject({
        status: 403,
        body: { error: { code: 'not_a_participant' }, detail: expect.any(String) },
      })
      expect(rates(answer)).toMatchObject({ limit: 20, remaining: 20 })
    }
    for (const answer of await Promise.all(ask('msg_nobody', 'thread_nobody', other)))
      expect(answer).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } })
  }
  expect((await email(ben).get('/email/inbox')).body.messages[0]).toMatchObject({
    read_at: null,
    starred: false,
  })
})

test('blind-copy recipients are shown to nobody, and they can read the message', async () => {
  const [ann, ben, bcc] = await Promise.all([newTenant(), newTenant(), newTenant()])
  const { message_id, thread_id } = (await email(ann).send(ben.address, { bcc: [bcc.address] })).body
  await email(ben).send(ann.address, { in_reply_to: message_id })
  const participants = [ann.address, ben.address]
  for (const [tenant, size] of [
    [ann, 2],
    [ben, 2],
    [bcc, 1],
  ] as const) {
    const thread = await email(tenant).get(`/email/thread/${thread_id}`)
    expect(thread).toMatchObject({ status: 200, body: { participant_addresses: participants } })
    expect(thread.body.messages).toHaveLength(size)
    const answers = [
      thread,
      await email(tenant).get(`/email/message/${message_id}`),
      await email(tenant).get('/email/inbox'),
      await email(tenant).get('/email/sent'),
    ]
    expect(JSON.stringify(answers.map(({ body }) => body))).not.toContain(bcc.address)
  }
})

test('a hundred concurrent toggles have the same result as a hundred in a row', async () => {
  const [ann, ben] = await Promise.all([newTenant(), newTenant()])
  const { message_id } = (await email(ann).send(ben.address)).body
  const star = () => email(ben).post(`/email/message/${message_id}/star`)
  const answers = await Promise.all(Array.from({ length: 100 }, star))
  expect(answers.filter(({ body }) => body.starred === true)).toHaveLength(50)
  expect((await email(ben).get(`/email/message/${message_id}`)).body.starred).toBe(false)
  expect((await star()).body).toEqual({ starred: true })
  const key = { 'idempotency-key': 'once' }
  for (const _ of [1, 2]) {
    const answer = await email(ben).post(`/email/message/${message_id}/star`, undefined, key)
    expect(answer).toMatchObject({ status: 200, body: { starred: false } })
  }
})

test('deleting a message to oneself deletes both copies', async () => {
  const ann = await newTenant()
  const a = email(ann)
  const { message_id, thread_id } = (await a.send(ann.address)).body
  expect((await a.get('/email/inbox')).body.messages).toMatchObject([{ message_id, direction: 'inbound' }])
  expect((await a.get('/email/sent')).body.messages).toMatchObject([{ message_id, direction: 'outbound' }])
  expect((await a.post(`/email/message/${message_id}/star`)).body).toEqual({ starred: true })
  expect((await a.get('/email/sent')).body.messages[0].starred).toBe(true)
  expect((await a.get('/email/account')).body).toMatchObject({
    total_sent: 1,
    total_received: 1,
    reputation_score: 0.8,
  })
  await a.del(`/email/message/${message_id}`)
  expect((await a.get('/email/inbox')).body.total + (await a.get('/email/sent')).body.total).toBe(0)
  expect(await a.get(`/email/thread/${thread_id}`)).toMatchObject({ status: 404 })
})

test('lists have filters, counts and pages with the time of the last message as cursor', async () => {
  const [ann, ben, cec] = await Promise.all([newTenant(), newTenant(), newTenant()])
  const c = email(cec)
  expect((await c.get('/email/inbox')).body).toEqual({
    ...{ messages: [], total: 0, unread_count: 0, has_more: false, cursor: null, newest_cursor: null },
  })
  for (let at = 1; at <= 5; at++) await email(ann).send(cec.address, { subject: `Ann ${at}` })
  for (let at = 1; at <= 2; at++) await email(ben).send(cec.address, { subject: `Ben ${at}` })
  const all = (await c.get('/email/inbox')).body
  expect(all.messages.map(({ subject }: Listed) => subject)).toEqual(
    ...[['Ben 2', 'Ben 1', 'Ann 5', 'Ann 4', 'Ann 3', 'Ann 2', 'Ann 1']],
  )
  await c.get(`/email/message/${all.messages[6].message_id}`)

  const from = `from_address=${ann.address.toUpperCase()}`
  const first = (await c.get(`/email/inbox?limit=2&${from}&unread_only=true`)).body
  expect(first).toMatchObject({
    total: 4,
    unread_count: 6,
    has_more: true,
    cursor: first.messages[1].created_at,
  })
  const second = (await c.get(`/email/inbox?limit=2&${from}&unread_only=true&cursor=${first.cursor}`)).body
  expect(second).toMatchObject({ total: 4, has_more: false, cursor: null })
  expect([...first.messages, ...second.messages].map(({ subject }: Listed) => subject)).toEqual([
    ...['Ann 5', 'Ann 4', 'Ann 3', 'Ann 2'],
  ])
  expect((await c.get('/email/inbox?from_address=nobody@example.com')).body).toMatchObject({
    total: 0,
    unread_count: 6,
  })

  // Polling returns only new messages; if there are none, the cursor stays the same.
  const poll = (after: string) => c.get(`/email/inbox?after=${after}&limit=1`).then(({ body }) => body)
  expect(await poll(all.newest_cursor)).toMatchObject({
    messages: [],
    newest_cursor: all.newest_cursor,
    total: 7,
  })
  await email(ann).send(cec.address, { subject: 'Ann 6' })
  await email(ann).send(cec.address, { subject: 'Ann 7' })
  const polled = await poll(all.newest_cursor)
  expect(polled).toMatchObject({ messages: [{ subject: 'Ann 7' }], has_more: true })
  const rest = await poll(`${all.newest_cursor}&cursor=${polled.cursor}`)
  expect(rest).toMatchObject({ messages: [{ subject: 'Ann 6' }], has_more: false })
  expect(polled.newest_cursor).toBe(polled.messages[0].created_at)
  expect(await poll(polled.newest_cursor)).toMatchObject({ messages: [] })
  expect(await poll('2200-01-01T00:00:00Z')).toMatchObject({
    messages: [],
    newest_cursor: '2200-01-01T00:00:00Z',
  })

  const sent = (await email(ann).get('/email/sent?limit=3')).body
  expect(sent).toMatchObject({ total: 7, has_more: true })
  const older = (await email(ann).get(`/email/sent?limit=100&cursor=${sent.cursor}`)).body
  expect([...sent.messages, ...older.messages].map(({ subject }: Listed) => subject)).toEqual(
    ...[[7, 6, 5, 4, 3, 2, 1].map((at) => `Ann ${at}`)],
  )
})

test('mail from outside has its authentication results, and its times are exact enough to be cursors', async () => {
  const tenant = await newTenant()
  const times = [1_773_415_800_000_000, 1_773_415_800_120_000, 1_773_415_800_120_001]
  for (const [position, at] of times.entries()) {
    const id = `msg_${tenant.id}_${position}`
    await sql(
      `INSERT INTO messages (tenant_id, id, thread_id, rfc_id, delivery_type, from_address, to_addresses, cc_addresses, subject,
         text, reply_text, files, reference_ids, authentication, ambiguities, risk, is_automatic, created_at)
       VALUES (?1, ?2, ?2, ?2, 'external', 'Ann@Example.com', '[]', '[]', 'Hi', 'Yes. > No?', 'Yes.', '[]', '[]',
         '{"spf":"pass","dkim":"fail","dmarc":"none","isFromAuthenticated":false}', '["two From fields"]',
         '{"score":0.9,"reasons":[{"code":"override","detail":"ignore previous"}]}', 1, 1)`,
      ...[tenant.id, id],
    )
    await sql(
      `INSERT INTO views (tenant_id, mailbox_id, folder, at, message_id, thread_id, from_contact)
       VALUES (?1, ?2, 'inbox', ?3, ?4, ?4, 'ann@example.com')`,
      ...[tenant.id, tenant.mailboxId, at, id],
    )
  }
  const { body } = await email(tenant).get('/email/inbox?from_address=ann@example.com')
  expect(body.messages.map(({ created_at }: Listed) => created_at)).toEqual([
    '2026-03-13T15:30:00.120001Z',
    '2026-03-13T15:30:00.120Z',
    '2026-03-13T15:30:00Z',
  ])
  expect(body.messages[0]).toMatchObject({
    from_address: 'Ann@Example.com',
    from_agent_id: null,
    reply_text: 'Yes.',
    authentication: { spf: 'pass', dkim: 'fail', dmarc: 'none', from_authenticated: false },
    ambiguities: ['two From fields'],
    injection: { score: 0.9, reasons: [{ code: 'override', detail: 'ignore previous' }] },
    automatic: true,
  })
  // The same moment in another time zone is the same cursor.
  const older = await email(tenant).get('/email/inbox?cursor=2026-03-13T17:30:00.120%2B02:00')
  expect(older.body.messages).toHaveLength(1)
})

test('a page of large messages ends early, with has_more set', async () => {
  const [ann, ben] = await Promise.all([newTenant({ mailbox: { hourly_limit: 100 } }), newTenant()])
  const large = 'x'.repeat(256 * 1024)
  for (let at = 0; at < 3; at++) {
    const { body } = await email(ann).send('outside@example.com', { body_text: large, body_html: large })
    expect(body.status).toBe('sending')
  }
  const kept = (await email(ann).get('/email/sent')).body
  expect(kept.messages.map(({ body_text }: { body_text: string }) => body_text.length)).toEqual(
    Array(3).fill(256 * 1024),
  )

  // A body too large for a database row is read whole from object storage.
  const { message_id } = (await email(ann).send(ben.address, { body_text: large, body_html: large })).body
  const read = await eventually(async () => {
    const { status, body } = await email(ben).get(`/email/message/${message_id}`)
    return status === 200 ? body : undefined
  })
  expect(read).toMatchObject({ direction: 'inbound', body_text: large, body_html: large })
  await email(ben).del(`/email/message/${message_id}`)

  const row = `INSERT INTO messages (tenant_id, id, thread_id, rfc_id, delivery_type, from_address, to_addresses, cc_addresses,
     subject, text, files, reference_ids, ambiguities, created_at)
   SELECT ?1, 'msg_' || ?1 || value, 'thread_' || ?1, value, 'external', 'a@example.com', '[]', '[]', 'Big', ?2, '[]', '[]', '[]', 1
   FROM json_each(?3)`
  const numbers = JSON.stringify(Array.from({ length: 60 }, (_, at) => at + 1))
  await sql(row, ben.id, 'y'.repeat(190_000), numbers)
  await sql(
    `INSERT INTO views (tenant_id, mailbox_id, folder, at, message_id, thread_id, from_contact)
     SELECT ?1, ?2, 'inbox', value, 'msg_' || ?1 || value, 'thread_' || ?1, 'a@example.com' FROM json_each(?3)`,
    ...[ben.id, ben.mailboxId, numbers],
  )
  const pages: Listed[][] = []
  for (const path of ['/email/inbox?limit=100', `/email/thread/thread_${ben.id}?`]) {
    const found: Listed[] = []
    for (let cursor = ''; ; ) {
      const { status, body } = await email(ben).get(`${path}&cursor=${cursor}`)
      expect(status).toBe(200)
      pages.push(body.messages)
      found.push(...body.messages)
      if (!body.has_more) break
      cursor = body.cursor
    }
    expect(new Set(found.map(({ message_id }) => message_id)).size).toBe(60)
    expect(found).toHaveLength(60)
  }
  expect(pages.map((page) => page.length)).toEqual([43, 17, 43, 17])
})

test('a path that only shares a prefix with this API does not belong to it', async () => {
  expect(await call('GET', '/emails/inbox')).toMatchObject({ status: 404, body: { error: 'not_found' } })
  expect(await call('OPTIONS', '/email/inbox')).toMatchObject({ status: 401 })
})
