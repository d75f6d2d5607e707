import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { arrive } from '../../src/core/arrivals/arrive.ts'
import { autoReplyTo } from '../../src/core/arrivals/auto-reply.ts'
import { takeIn } from '../../src/core/arrivals/take-in.ts'
import type { Env } from '../../src/env.ts'
import { eventually, newTenant, type Tenant } from '../support/tenant.ts'

const DAY = 86_400_000
/** The environment without bells: only what the test calls sends auto-replies. */
const muted = { ...env, JOBS: { send: async () => ({}), sendBatch: async () => ({}) } } as unknown as Env

const all = async <Row>(sql: string, ...binds: unknown[]) =>
  (
    await env.DB.prepare(sql)
      .bind(...binds)
      .all<Row>()
  ).results

const away = async (tenant: Tenant, change: Record<string, unknown> = {}) => {
  const auto_reply = { enabled: true, text: 'I am away.', ...change }
  expect(await tenant.patch('/v1/inbox', { auto_reply })).toMatchObject({ status: 200, body: { auto_reply } })
}

/** Reads a mail from outside and returns the refs to answer it by. */
async function fromOutside(
  tenant: Tenant,
  fields: Record<string, string> = {},
  { from = 'ann@example.com' } = {},
) {
  const head = Object.entries({
    From: 'Ann <ann@example.com>',
    To: tenant.address,
    Subject: 'Hello',
    Date: 'Sat, 21 Nov 2026 09:00:00 +0000',
    'Message-ID': `<${crypto.randomUUID()}@example.com>`,
    ...fields,
  })
  const raw = new TextEncoder().encode(
    `${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\nHello\r\n`,
  )
  const now = new Date()
  expect(await arrive(muted, now, { from, to: tenant.address, raw })).toEqual({ accepted: true })
  const [arrival] = await all<{ id: string }>(
    'SELECT id FROM arrivals WHERE tenant_id = ? ORDER BY id DESC LIMIT 1',
    tenant.id,
  )
  await takeIn(muted, { tenantId: tenant.id, arrivalId: arrival?.id ?? '' }, now)
  // Marks the events as published: only what the test calls sends auto-replies.
  await env.DB.prepare('UPDATE events SET next_at = NULL WHERE tenant_id = ?').bind(tenant.id).run()
  const [view] = await all<{ message_id: string }>(
    `SELECT message_id FROM views WHERE tenant_id = ? AND folder = 'inbox' ORDER BY at DESC LIMIT 1`,
    tenant.id,
  )
  return [{ messageId: view?.message_id ?? '', mailboxId: tenant.mailboxId }]
}

const answers = (tenant: Tenant) =>
  all<{ id: string; state: string; input: string; recipients: string }>(
    `SELECT id, state, input, recipients FROM sends WHERE tenant_id = ? AND door = 'system' ORDER BY id`,
    tenant.id,
  )

test('a sender is answered once in 24 h, whatever the number of messages, callers and repeats, with the header of RFC 3834', async () => {
  const bob = await newTenant()
  const [first, second] = [await fromOutside(bob), await fromOutside(bob)]
  await away(bob)
  await bob.patch('/v1/inbox', { auto_reply: { html: '<p>I am <script>x</script>away.</p>' } })
  const now = new Date()
  const counts = await Promise.all(
    Array.from({ length: 20 }, (_, at) =>
      autoReplyTo(env, now, bob.id, at % 2 ? first : [...first, ...second]),
    ),
  )
  expect(counts.reduce((sum, count) => sum + count)).toBe(1)
  const [sent] = await answers(bob)
  expect((await bob.settled(sent?.id ?? '')).status).toBe('delivered')
  const [mail] = await all<{ recipient: string; raw: string; html: string; subject: string }>(
    'SELECT * FROM captured_mail WHERE send_id = ?',
    sent?.id,
  )
  expect(mail).toMatchObject({ recipient: 'ann@example.com', subject: 'Re: Hello' })
  expect(mail?.html.replaceAll('\n', '')).toBe('<p>I am away.</p>')
  expect(mail?.raw).toContain('\r\nAuto-Submitted: auto-replied\r\n')
  expect(mail?.raw).toMatch(/\r\nIn-Reply-To: <[^>]+@example\.com>\r\n/)

  expect(await autoReplyTo(env, new Date(now.getTime() + DAY - 1), bob.id, second)).toBe(0)
  expect(await autoReplyTo(env, new Date(now.getTime() + DAY), bob.id, second)).toBe(1)
  // The same message is never answered twice, however much later.
  expect(await autoReplyTo(env, new Date(now.getTime() + 3 * DAY), bob.id, second)).toBe(0)
  expect(await answers(bob)).toHaveLength(2)
})

test('an auto-reply is sent only within its time, and only while it is on', async () => {
  const bob = await newTenant()
  const letter = await fromOutside(bob)
  const at = (iso: string) => autoReplyTo(env, new Date(iso), bob.id, letter)
  expect(await at('2027-01-01T00:00:00Z')).toBe(0)
  await away(bob, { start_at: '2027-01-01T00:00:00Z', end_at: '2027-01-08T00:00:00Z' })
  expect(await at('2026-12-31T23:59:59.999Z')).toBe(0)
  expect(await at('2027-01-08T00:00:00Z')).toBe(0)
  await bob.patch('/v1/inbox', { auto_reply: { enabled: false } })
  expect(await at('2027-01-01T00:00:00Z')).toBe(0)
  await bob.patch('/v1/inbox', { auto_reply: { enabled: true } })
  expect(await at('2027-01-01T00:00:00Z')).toBe(1)
})

test('programs, lists, bounces, uncertain senders and the mailbox itself get no auto-reply', async () => {
  const bob = await newTenant()
  await away(bob)
  const unanswered: [string, Record<string, string>, { from?: string }?][] = [
    ['an answer by a program', { 'Auto-Submitted': 'auto-replied' }],
    ['a mailing list', { 'List-Id': '<list.example.com>' }],
    ['bulk mail', { Precedence: 'bulk' }],
    ['the null sender', {}, { from: '' }],
    ['a daemon', { From: 'MAILER-DAEMON@example.com' }],
    ['no-reply', { From: 'no-reply@example.com' }],
    ['postmaster', { From: 'postmaster@example.com' }],
    ['who asks for no answers', { 'X-Auto-Response-Suppress': 'All' }],
    ['two authors', { From: 'ann@example.com, eve@example.com' }],
    ['no author', { From: 'undisclosed' }],
    ['two subjects', { Subject: 'Hello\r\nSubject: Other' }],
    ['an address in the name', { From: '"boss@example.net" <ann@example.com>' }],
    ['oneself', { From: bob.address }],
    ['a letter to somebody else', { To: 'somebody@example.com' }],
  ]
  for (const [what, fields, envelope] of unanswered) {
    const letter = await fromOutside(bob, fields, envelope)
    expect({ what, answered: await autoReplyTo(env, new Date(), bob.id, letter) }).toEqual({
      what,
      answered: 0,
    })
  }
  const [forged] = await fromOutside(bob, { From: 'forged@example.com' })
  const failing = JSON.stringify({ spf: 'fail', dkim: 'none', dmarc: 'fail', isFromAuthenticated: false })
  await env.DB.prepare('UPDATE messages SET authentication = ?3 WHERE tenant_id = ?1 AND id = ?2')
    .bind(bob.id, forged?.messageId, failing)
    .run()
  expect(await autoReplyTo(env, new Date(), bob.id, forged ? [forged] : [])).toBe(0)
  expect(await all('SELECT * FROM auto_replies WHERE tenant_id = ?', bob.id)).toEqual([])
  // The mailbox may be in Cc, and in any case.
  const named = await fromOutside(bob, { To: 'x@example.com', Cc: `Bob <${bob.address.toUpperCase()}>` })
  await autoReplyTo(env, new Date(), bob.id, named)
  expect(await answers(bob)).toMatchObject([{ recipients: expect.stringContaining('ann@example.com') }])
})

test('an auto-reply obeys the rules of every send: not from the sandbox, not to suppressed addresses, held for supervised tenants', async () => {
  for (const [level, state] of [
    ['sandbox', 'blocked'],
    ['supervised', 'pending_approval'],
  ] as const) {
    const bob = await newTenant({ tenant: { level } })
    await away(bob)
    await autoReplyTo(env, new Date(), bob.id, await fromOutside(bob))
    expect(await answers(bob)).toMatchObject([{ state }])
  }
  const bob = await newTenant()
  await away(bob)
  await bob.owner.post('/v1/suppressions', { recipientEmail: 'ann@example.com' })
  expect(await autoReplyTo(env, new Date(), bob.id, await fromOutside(bob))).toBe(0)
  expect(await answers(bob)).toMatchObject([{ state: 'blocked' }])
})

test('two mailboxes that both have an auto-reply exchange one answer and no more', async () => {
  const [ann, bob] = await Promise.all([newTenant(), newTenant()])
  await Promise.all([away(ann), away(bob)])
  const first = await ann.post('/v1/messages', { to: bob.address, subject: 'Plan', text: 'Hello' })
  const answer = await eventually(async () => {
    const { body } = await ann.get('/v1/messages?status=unread')
    return body.data[0]
  })
  expect(answer).toMatchObject({
    ...{ automatic: true, subject: 'Re: Plan', text: 'I am away.', from_addr: bob.address },
    ...{ thread_id: first.body.message.thread_id, in_reply_to: first.body.message.id },
  })
  await ann.post('/v1/messages', { to: bob.address, subject: 'Again', text: 'Hello' })
  await eventually(async () => {
    const due = await all(
      'SELECT 1 FROM events WHERE tenant_id IN (?, ?) AND next_at IS NOT NULL',
      ann.id,
      bob.id,
    )
    return due.length === 0 ? true : undefined
  })
  expect((await ann.get('/v1/messages?status=unread')).body.total).toBe(1)
  expect((await bob.get('/v1/messages?status=unread')).body.total).toBe(2)
  expect([await answers(ann), await answers(bob)]).toMatchObject([[], [{ state: 'delivered' }]])
})
