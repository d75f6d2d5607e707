import { expect, test } from 'vitest'
import { email, TIME } from '../../support/email.ts'
import { grant, newTenant, type Tenant } from '../../support/tenant.ts'

const write = async (from: Pick<Tenant, 'post'>, to: string, change: Record<string, unknown> = {}) =>
  (await from.post('/v1/messages', { to, subject: 'Hello', text: 'Hello', ...change })).body.message

type Page = { data: { id: string }[]; next_cursor: string | null }

test('"List threads": threads are listed newest first with last message, count and state; filters and pages agree', async () => {
  const [ann, bob] = await Promise.all([newTenant(), newTenant()])
  const plan = await write(ann, bob.address, { subject: 'Plan' })
  const bill = await write(ann, bob.address, {
    subject: 'Bill',
    text: undefined,
    html: '<p>To&nbsp;pay<br>now</p>',
  })
  const long = await write(ann, bob.address, { subject: 'Long', text: `${'word \n'.repeat(100)}` })
  const answer = (await bob.post(`/v1/messages/${plan.id}/reply`, { text: 'Yes,\r\n  do.' })).body.message
  const { body } = await bob.get('/v1/threads')
  expect(body).toMatchObject({ total: 3, has_more: false, next_cursor: null })
  expect(body.data[0]).toEqual({
    ...{ id: plan.thread_id, subject: 'Plan', message_count: 2, is_read: false },
    ...{ last_message_preview: 'Yes, do.', last_message_from: bob.address },
    ...{ last_message_at: expect.stringMatching(TIME), starred: false, archived: false, labels: [] },
  })
  expect(body.data.slice(1)).toMatchObject([
    {
      id: long.thread_id,
      last_message_preview: expect.stringMatching(/^(word ){39}word$/),
      message_count: 1,
    },
    { id: bill.thread_id, last_message_preview: 'To pay now', last_message_from: ann.address },
  ])

  const change = (id: string, changes: unknown) => bob.patch(`/v1/threads/${id}`, changes)
  await change(plan.thread_id, { read: true, starred: true, labels: ['todo', 'todo', ' Ann '] })
  await change(bill.thread_id, { archived: true, labels: ['todo'] })
  const ids = async (query: string) =>
    (await bob.get(`/v1/threads?${query}`)).body.data.map(({ id }: { id: string }) => id)
  expect(await ids('unread=true')).toEqual([long.thread_id, bill.thread_id])
  expect(await ids('unread=false')).toEqual([plan.thread_id])
  expect(await ids('starred=true')).toEqual([plan.thread_id])
  expect(await ids('archived=true')).toEqual([bill.thread_id])
  expect(await ids('archived=false&starred=false')).toEqual([long.thread_id])
  expect(await ids('label=todo')).toEqual([plan.thread_id, bill.thread_id])
  expect(await ids('label=Ann')).toEqual([plan.thread_id])
  expect(await ids('label=%27%20OR%201=1')).toEqual([])
  for (const limit of [1, 2]) {
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: Page = (await bob.get(`/v1/threads?limit=${limit}&cursor=${cursor}`)).body
      expect(page).toMatchObject({ total: 3, has_more: page.next_cursor !== null })
      seen.push(...page.data.map(({ id }) => id))
      cursor = page.next_cursor
    }
    expect(seen).toEqual([plan.thread_id, long.thread_id, bill.thread_id])
  }
  for (const query of ['limit=0', 'limit=101', 'unread=maybe', 'cursor=1', 'label=']) {
    expect(await bob.get(`/v1/threads?${query}`), query).toMatchObject({
      status: 422,
      body: { error: 'invalid' },
    })
  }

  // A new message brings its thread back from the archive, unread and at the top; a deleted message is no longer in it.
  await ann.post(`/v1/messages/${bill.id}/reply`, { text: 'Really' })
  expect((await bob.get('/v1/threads')).body.data[0]).toMatchObject({
    ...{ id: bill.thread_id, archived: false, is_read: false, message_count: 2, labels: ['todo'] },
  })
  await bob.del(`/v1/messages/${answer.id}`)
  const left = (await bob.get('/v1/threads?starred=true')).body.data
  expect(left).toMatchObject([
    { message_count: 1, last_message_from: ann.address, last_message_preview: 'Hello' },
  ])
})

test('"Update thread state (read / archived / starred / labels)": omitted fields keep their values, and only the own view changes', async () => {
  const [ann, bob, eve] = await Promise.all([newTenant(), newTenant(), newTenant()])
  const { id, thread_id } = await write(ann, bob.address, { cc: [eve.address] })
  await ann.post(`/v1/messages/${id}/reply`, { to: [bob.address], text: 'And' })
  const path = `/v1/threads/${thread_id}`
  const plain = {
    id: thread_id,
    is_read: false,
    starred: false,
    archived: false,
    labels: [],
    message_count: 2,
  }
  expect(await bob.patch(path, {})).toMatchObject({ status: 200, body: { thread: plain } })
  expect((await bob.patch(path, { colour: 'blue', starred: true })).body.thread).toMatchObject({
    ...plain,
    starred: true,
  })
  const labels = Array.from({ length: 50 }, (_, at) => `${at + 100} ${'😀'.repeat(60)}`)
  const changed = { read: true, archived: true, labels: ['a', 'b'] }
  const after = { ...plain, starred: true, is_read: true, archived: true, labels: ['a', 'b'] }
  expect((await bob.patch(path, changed)).body.thread).toMatchObject(after)
  expect((await bob.get('/v1/messages?status=unread')).body.total).toBe(0)
  expect((await bob.get('/v1/inbox/stats')).body.stats).toMatchObject({ unread_count: 0, total_received: 2 })
  expect((await bob.patch(path, { labels })).body.thread.labels).toEqual(labels)
  expect((await bob.patch(path, { labels: [] })).body.thread.labels).toEqual([])
  // The published client sends is_read.
  expect((await bob.patch(path, { is_read: false })).body.thread.is_read).toBe(false)
  expect((await email(bob).get('/email/inbox')).body.unread_count).toBe(2)
  expect((await bob.patch(path, { is_read: true, starred: false })).body.thread).toMatchObject({
    is_read: true,
    starred: false,
  })
  expect((await eve.get('/v1/threads')).body.data).toMatchObject([{ ...plain, message_count: 1 }])

  for (const wrong of [
    { read: 'yes' },
    { read: null },
    { archived: 1 },
    { starred: 'true' },
    { labels: 'a' },
    { labels: [7] },
    { labels: [' '] },
    { labels: ['x'.repeat(65)] },
    { labels: Array(51).fill('a') },
    [],
  ]) {
    const answer = await bob.patch(path, wrong)
    expect(answer, JSON.stringify(wrong).slice(0, 40)).toMatchObject({
      status: 422,
      body: { error: 'invalid' },
    })
  }
})

test('"Fetch a thread with all messages": messages come oldest first and are not marked read; a thread of others is 404 like an unknown one', async () => {
  const [ann, bob, eve] = await Promise.all([newTenant(), newTenant(), newTenant()])
  const first = await write(ann, bob.address)
  const second = (await bob.post(`/v1/messages/${first.id}/reply`, { text: 'Yes' })).body.message
  for (const [who, directions] of [
    [ann, ['outbound', 'inbound']],
    [bob, ['inbound', 'outbound']],
  ] as const) {
    const { status, body } = await who.get(`/v1/threads/${first.thread_id}`)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      thread: { id: first.thread_id, subject: 'Hello', message_count: 2, is_read: false },
      ...{ has_more: false, next_cursor: null },
    })
    expect(body.messages.map((each: Record<string, unknown>) => [each.id, each.direction])).toEqual([
      [first.id, directions[0]],
      [second.id, directions[1]],
    ])
    expect(body.messages[1]).toEqual((await who.get(`/v1/messages/${second.id}`)).body)
    expect((await who.get('/v1/messages?status=unread')).body.total).toBe(1)
  }
  for (const path of [`/v1/threads/${first.thread_id}`, '/v1/threads/thread_nobody']) {
    for (const answer of [await eve.get(path), await eve.patch(path, { read: true })]) {
      expect(answer).toMatchObject({
        status: 404,
        body: { error: 'not_found', message: 'Thread not found.' },
      })
    }
  }
  const sendOnly = bob.as(await grant(bob.id, ['send']))
  for (const path of [
    '/v1/threads',
    `/v1/threads/${first.thread_id}`,
    '/v1/messages',
    '/v1/inbox',
    '/v1/inbox/stats',
  ]) {
    expect(await sendOnly.get(path), path).toMatchObject({
      status: 403,
      body: { error: 'insufficient_scope' },
    })
  }
  for (const letter of [first, second]) await bob.del(`/v1/messages/${letter.id}`)
  expect(await bob.get(`/v1/threads/${first.thread_id}`)).toMatchObject({ status: 404 })
  expect((await ann.get(`/v1/threads/${first.thread_id}`)).body.messages).toHaveLength(2)
})
