import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { email, rates } from '../../support/email.ts'
import { sql } from '../../support/matrix-dump.ts'
import { call, eventually, grant, newTenant } from '../../support/tenant.ts'

const HOUR = 3_600_000
const nextHour = () => Math.ceil((Date.now() + 1) / HOUR) * 3600
const nextDay = () => Math.ceil((Date.now() + 1) / (24 * HOUR)) * 86_400

const base64 = (text: string) => btoa(text)
const file = (filename: string, content = 'content') => ({
  filename,
  content_type: 'text/plain',
  content_base64: base64(content),
})
const nobody = (count: number) => Array.from({ length: count }, (_, at) => `nobody-${at}@example.com`)
const urls = (count: number) =>
  Array.from({ length: count }, (_, at) => `https://example.com/${at}`).join(' ')

// "All responses include rate limit headers: X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
test('all requests without a valid key have the same answer, with the headers of a caller that may send nothing', async () => {
  const told = await Promise.all(
    [
      {},
      { 'X-API-Key': '' },
      { 'X-API-Key': 'moltbotden_sk_xxxxxxxxxxxxx' },
      { authorization: 'Bearer no' },
    ].flatMap((headers: Record<string, string>) => [
      call('GET', '/email/account', { headers }),
      call('POST', '/email/send', { headers, body: {} }),
      call('GET', '/email/nothing', { headers }),
    ]),
  )
  for (const answer of told) {
    expect(answer).toMatchObject({ status: 401, body: told[0]?.body })
    const { reset, ...rest } = rates(answer)
    expect(rest).toEqual({ limit: 0, remaining: 0 })
    expect(Number(reset) % 3_600).toBe(0)
    expect(Number(reset) * 1000).toBeGreaterThan(Date.now() - 60_000)
  }
  expect(told[0]?.body).toEqual({
    error: { code: 'unauthorized', message: expect.any(String) },
    detail: told[0]?.body.error.message,
  })
})

test('an invalid body is 422 with one detail for each fault, and has the window headers', async () => {
  const me = email(await newTenant())
  const good = { to: ['a@example.com'], subject: 'Hello', body_text: 'Hello' }
  const wrong: [string, unknown, (string | number)[]][] = [
    ['no body at all', {}, ['body', 'to']],
    ['no recipient', { ...good, to: [] }, ['body', 'to']],
    ['to as text', { ...good, to: 'a@example.com' }, ['body', 'to']],
    ['no address', { ...good, to: ['a@example.com', 'nobody'] }, ['body', 'to', 1]],
    ['no address in bcc', { ...good, bcc: ['@'] }, ['body', 'bcc', 0]],
    ['a display name', { ...good, to: ['Ann <a@example.com>'] }, ['body', 'to', 0]],
    ['no subject', { ...good, subject: undefined }, ['body', 'subject']],
    ['a number as subject', { ...good, subject: 7 }, ['body', 'subject']],
    ['257 characters of subject', { ...good, subject: 's'.repeat(257) }, ['body', 'subject']],
    ['a header in the subject', { ...good, subject: 'Hi\r\nBcc: x@example.com' }, ['body', 'subject']],
    ['neither body', { ...good, body_text: undefined }, ['body', 'body_text']],
    ['both bodies empty', { ...good, body_text: '', body_html: '' }, ['body', 'body_text']],
    ['a body above 256 KB', { ...good, body_text: 'é'.repeat(128 * 1024 + 1) }, ['body', 'body_text']],
    ['an HTML body above 256 KB', { ...good, body_html: 'x'.repeat(256 * 1024 + 1) }, ['body', 'body_html']],
    ['attachments by id', { ...good, attachments: ['att_1'] }, ['body', 'attachments', 0]],
    [
      'a file that is not base64',
      { ...good, attachments: [{ filename: 'a', content_base64: '!' }] },
      ['body', 'attachments', 0, 'content_base64'],
    ],
    ['eleven files', { ...good, attachments: Array(11).fill(file('a.txt')) }, ['body', 'attachments']],
    [
      'more than 7 MB of files',
      { ...good, attachments: Array(2).fill(file('a.bin', 'x'.repeat(3_800_000))) },
      ['body', 'attachments'],
    ],
    ['in_reply_to as a number', { ...good, in_reply_to: 1 }, ['body', 'in_reply_to']],
    ['a list', [good], ['body']],
  ]
  for (const [what, body, loc] of wrong) {
    const answer = await me.post('/email/send', body)
    expect({ what, status: answer.status }).toEqual({ what, status: 422 })
    expect(answer.body.detail[0], what).toEqual({ loc, msg: expect.any(String), type: expect.any(String) })
    expect(answer.body.error, what).toEqual({ code: 'validation_error', message: expect.any(String) })
    expect(rates(answer), what).toMatchObject({ limit: 20, remaining: 20 })
  }
  for (const body of ['{', 'null,', '{"to":']) {
    expect(await me.post('/email/send', body)).toMatchObject({
      status: 400,
      body: { error: { code: 'malformed_json' } },
    })
  }
  for (const query of [
    'limit=0',
    'limit=101',
    'limit=ten',
    'limit=1.5',
    'unread_only=maybe',
    'cursor=yesterday',
  ]) {
    const answer = await me.get(`/email/inbox?${query}`)
    expect(answer).toMatchObject({ status: 422, body: { detail: [{ loc: ['query', query.split('=')[0]] }] } })
    expect(rates(answer)).toMatchObject({ limit: 20, remaining: 20 })
  }
  for (const query of [
    'limit=1',
    'limit=100',
    'cursor=',
    'unread_only=True',
    'cursor=2026-03-13T15:30:00+00:00',
  ]) {
    expect(await me.get(`/email/inbox?${query}`), query).toMatchObject({
      status: 200,
      body: { messages: [] },
    })
  }
  for (const path of ['/email/nothing', '/email/message/msg_nobody', '/email/thread/thread_nobody']) {
    const answer = await me.get(path)
    expect(answer).toMatchObject({
      status: 404,
      body: { error: { code: 'not_found' }, detail: expect.any(String) },
    })
    expect(rates(answer)).toMatchObject({ limit: 20, remaining: 20 })
  }
})

test('each content rule refuses with 400 at exactly one above its limit, and a refusal uses no window', async () => {
  const tenant = await newTenant()
  const me = email(tenant)
  const refused: [string, Record<string, unknown>][] = [
    ['too_many_recipients', { to: nobody(11) }],
    ['too_many_recipients', { to: nobody(5), cc: nobody(3), bcc: nobody(3) }],
    ['too_many_recipients', { to: Array(11).fill('same@example.com') }],
    ['subject_required', { subject: '' }],
    ['subject_required', { subject: '  ' }],
    ['too_many_urls', { body_text: urls(11) }],
    ['too_many_urls', { body_html: urls(11).replace(/\S+/g, '<a href="$&">link</a>') }],
    ['blocked_attachment_type', { attachments: [file('notes.txt'), file('invoice.pdf.EXE')] }],
    ['blocked_attachment_type', { attachments: [file('a.txt', 'MZ program')] }],
  ]
  for (const [code, change] of refused) {
    const answer = await me.send('nobody@example.com', change)
    expect(answer, code).toMatchObject({ status: 400, body: { error: { code } } })
    expect(answer.body.detail).toBe(answer.body.error.message)
    expect(rates(answer)).toEqual({ limit: 20, remaining: 20, reset: nextHour() })
  }
  const { objects } = await env.MAIL.list({ prefix: `files/${tenant.id}/` })
  expect(objects).toEqual([])

  const allowed: Record<string, unknown>[] = [
    { to: nobody(10) },
    { to: nobody(4), cc: nobody(3), bcc: nobody(3) },
    { subject: 's'.repeat(256) },
    { subject: '😀'.repeat(256) },
    { body_text: urls(10) },
    // The same links in both bodies count once.
    { body_text: urls(10), body_html: urls(10).replace(/\S+/g, '<a href="$&">link</a>') },
    { body_text: 'é'.repeat(128 * 1024) },
    { body_text: 'half \ud800 a pair and a \0', cc: null, bcc: null, body_html: null, attachments: null },
  ]
  for (const [at, change] of allowed.entries()) {
    const answer = await me.send('nobody@example.com', change)
    expect(answer, JSON.stringify(change).slice(0, 80)).toMatchObject({
      status: 200,
      body: { status: 'sending', delivery_type: 'external', message: 'Email sent successfully' },
    })
    expect(rates(answer)).toMatchObject({ remaining: 19 - at })
  }
})

test('an account that may not send is refused before the content rules are judged, but after an invalid body', async () => {
  const [suspended, frozen, provisional, paused] = await Promise.all([
    newTenant({ mailbox: { reputation: 499 } }),
    newTenant({ mailbox: { frozen_at: 1, frozen_reason: 'under review', frozen_by: 'operator' } }),
    newTenant({ tenant: { level: 'sandbox' } }),
    newTenant({ tenant: { status: 'paused' } }),
  ])
  for (const [tenant, code] of [
    [suspended, 'account_suspended'],
    [frozen, 'sending_frozen'],
    [provisional, 'provisional_account'],
    [paused, 'tenant_paused'],
  ] as const) {
    const me = email(tenant)
    for (const change of [
      {},
      { to: nobody(11) },
      { subject: '' },
      { body_text: urls(11) },
      { attachments: [file('a.exe')] },
      { in_reply_to: 'msg_nobody' },
    ]) {
      const answer = await me.send('nobody@example.com', change)
      expect(answer, `${code} ${JSON.stringify(change).slice(0, 60)}`).toMatchObject({
        status: 403,
        body: { error: { code } },
      })
      expect(rates(answer).limit).toBe(code === 'provisional_account' ? 0 : 20)
    }
    expect(await me.send('nobody@example.com', { subject: 7 })).toMatchObject({ status: 422 })
    // The account may still receive and read.
    expect(await email(await newTenant()).send(tenant.address)).toMatchObject({
      body: { status: 'delivered' },
    })
    expect((await me.get('/email/inbox')).body.total).toBe(1)
  }
  expect((await email(frozen).get('/email/account')).body).toMatchObject({
    ...{ status: 'active', sending_frozen: true, frozen_reason: 'under review' },
  })
  expect((await email(provisional).get('/email/account')).body).toMatchObject({
    status: 'active',
    send_tier: 'provisional',
    rate_limits: { hourly: { used: 0, limit: 0, remaining: 0 }, daily: { used: 0, limit: 0, remaining: 0 } },
  })
  expect((await email(paused).get('/email/account')).body.status).toBe('deactivated')
  expect(await email(provisional).get('/email/account').then(rates)).toEqual({
    limit: 0,
    remaining: 0,
    reset: nextHour(),
  })
})

test('the tier changes exactly at a reputation of 0.50 and 0.90', async () => {
  for (const [reputation, status, tier, hourly, daily] of [
    [499, 'suspended', 'active', 20, 100],
    [500, 'active', 'active', 20, 100],
    [900, 'active', 'active', 20, 100],
    [901, 'active', 'trusted', 50, 500],
  ] as const) {
    const me = email(await newTenant({ mailbox: { reputation } }))
    const { body } = await me.get('/email/account')
    expect(body).toMatchObject({
      status,
      send_tier: tier,
      reputation_score: reputation / 1000,
      rate_limits: { hourly: { limit: hourly }, daily: { limit: daily } },
    })
    expect((await me.send('nobody@example.com')).status).toBe(reputation === 499 ? 403 : 200)
  }
})

test('the 21st send of an hour is 429, and its headers and details agree with the account', async () => {
  const me = email(await newTenant())
  const answers = await Promise.all(Array.from({ length: 20 }, () => me.send('nobody@example.com')))
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))

  const over = await me.send('nobody@example.com')
  const seconds = nextHour() - Math.floor(Date.now() / 1000)
  expect(over).toMatchObject({
    status: 429,
    body: {
      error: {
        code: 'rate_limit_exceeded',
        message: 'Hourly send limit reached. 20 of 20 sends used this hour.',
        details: {
          limit_type: 'hourly',
          hourly_used: 20,
          hourly_limit: 20,
          hourly_resets_at: new Date(nextHour() * 1000).toISOString().replace('.000', ''),
          daily_used: 20,
          daily_limit: 100,
        },
      },
      detail: 'Hourly send limit reached. 20 of 20 sends used this hour.',
    },
  })
  expect(Math.abs(over.body.error.retry_after - seconds)).toBeLessThan(5)
  expect(over.headers.get('retry-after')).toBe(String(over.body.error.retry_after))
  const spent = { limit: 20, remaining: 0, reset: nextHour() }
  expect(rates(over)).toEqual(spent)
  // Refused attempts do not count.
  await me.send('nobody@example.com')
  const account = await me.get('/email/account')
  expect(account.body.rate_limits).toEqual({
    hourly: { used: 20, limit: 20, remaining: 0 },
    daily: { used: 20, limit: 100, remaining: 80 },
  })
  expect(rates(account)).toEqual(spent)
})

test('once the daily limit is reached, the refusal names the day', async () => {
  const me = email(await newTenant({ mailbox: { daily_limit: 2, hourly_limit: 2 } }))
  expect(rates(await me.send('nobody@example.com'))).toEqual({ limit: 2, remaining: 1, reset: nextHour() })
  const last = await me.send('nobody@example.com')
  expect(last.status).toBe(200)
  const over = await me.send('nobody@example.com')
  expect(over).toMatchObject({
    status: 429,
    body: { error: { details: { limit_type: 'daily', daily_used: 2 } } },
  })
  for (const answer of [last, over, await me.get('/email/sent'), await me.get('/email/nothing')]) {
    expect(rates(answer)).toEqual({ limit: 2, remaining: 0, reset: nextDay() })
  }
  expect(Math.abs(Number(over.headers.get('retry-after')) - (nextDay() - Date.now() / 1000))).toBeLessThan(5)
})

test('the status of a message follows from its recipients', async () => {
  const [tenant, friend] = await Promise.all([newTenant(), newTenant()])
  const me = email(tenant)
  const missing = `no-such-agent@${tenant.address.split('@')[1]}`

  const bounced = await me.send(missing)
  expect(bounced).toMatchObject({ status: 200, body: { status: 'bounced', delivery_type: 'internal' } })
  expect((await me.get(`/email/message/${bounced.body.message_id}`)).body).toMatchObject({
    ...{ status: 'bounced', direction: 'outbound', delivered_at: null },
  })
  expect((await me.get('/email/account')).body).toMatchObject({
    reputation_score: 0.75,
    total_bounced: 1,
    total_sent: 1,
  })
  // From now on the address is suppressed.
  expect(await me.send(missing)).toMatchObject({ status: 403, body: { error: { code: 'suppressed' } } })

  const twice = await me.send([friend.address, friend.address.toUpperCase()], { cc: [friend.address] })
  expect(twice.body).toMatchObject({ status: 'delivered', delivery_type: 'internal' })
  expect((await email(friend).get('/email/inbox')).body).toMatchObject({
    total: 1,
    messages: [{ to_addresses: [friend.address], cc_addresses: [] }],
  })

  const mixed = await me.send([friend.address, 'outside@example.com'])
  expect(mixed.body).toMatchObject({ status: 'sending', delivery_type: 'external' })
  const delivered = await eventually(async () => {
    const { body } = await me.get(`/email/message/${mixed.body.message_id}`)
    return body.status === 'delivered' ? body : undefined
  })
  expect(delivered).toMatchObject({
    delivery_type: 'external',
    delivered_at: expect.any(String),
    read_at: null,
  })
  await eventually(async () =>
    (await email(friend).get('/email/inbox')).body.total === 2 ? true : undefined,
  )

  const self = await me.send(tenant.address)
  expect(self.body.status).toBe('delivered')
  const own = await me.get(`/email/message/${self.body.message_id}`)
  expect(own.body).toMatchObject({ direction: 'inbound', read_at: expect.any(String) })
  expect((await me.get(`/email/thread/${self.body.thread_id}`)).body.messages).toHaveLength(1)
})

test('HTML is sanitised for every reader, and a message may have HTML only', async () => {
  const [tenant, friend] = await Promise.all([newTenant(), newTenant()])
  const html = '<p onclick="x()">Hi <script>alert(1)</script><a href="javascript:x()">there</a></p>'
  const { body } = await email(tenant).send(friend.address, { body_text: null, body_html: html })
  for (const reader of [tenant, friend]) {
    const message = (await email(reader).get(`/email/message/${body.message_id}`)).body
    expect(message.body_html).toMatch(/^<p>Hi .*there.*<\/p>$/)
    expect(message.body_html).not.toMatch(/script|onclick/)
    expect(message.body_text).toBeNull()
  }
})

test('a repeat with the same Idempotency-Key has the first answer, and another body is 422', async () => {
  const [tenant, friend] = await Promise.all([newTenant(), newTenant()])
  const me = email(tenant)
  for (const to of [friend.address, 'outside@example.com']) {
    const key = { 'idempotency-key': `for ${to}` }
    const body = { attachments: to === friend.address ? null : [file('a.txt')] }
    const answers = await Promise.all(Array.from({ length: 5 }, () => me.send(to, body, key)))
    for (const answer of [...answers, await me.send(to, body, key)]) {
      expect(answer).toMatchObject({ status: 200, body: answers[0]?.body })
    }
    expect(await me.send(to, { ...body, subject: 'Another' }, key)).toMatchObject({
      ...{
        status: 422,
        body: { error: { code: 'idempotency_mismatch' }, detail: [{ msg: expect.any(String) }] },
      },
    })
  }
  expect((await me.get('/email/sent')).body.total).toBe(2)
  expect((await email(friend).get('/email/inbox')).body.total).toBe(1)
  // Whichever request was first, the file that the message names is stored.
  const [{ attachments }] = (await me.get('/email/sent')).body.messages.filter(
    (message: { has_attachments: boolean }) => message.has_attachments,
  )
  expect((await me.get(new URL(attachments[0].url).pathname)).body).toBe('content')
  const { objects } = await env.MAIL.list({ prefix: `files/${tenant.id}/` })
  expect(objects).toHaveLength(1)
  expect(await me.send(friend.address, {}, { 'idempotency-key': 'k'.repeat(257) })).toMatchObject({
    status: 422,
  })

  // Two requests without a key are two messages.
  const [first, second] = [await me.send(friend.address), await me.send(friend.address)]
  expect(first.body.message_id).not.toBe(second.body.message_id)
})

test('attachments are delivered with a message, and are served only as downloads', async () => {
  const [tenant, friend, stranger] = await Promise.all([newTenant(), newTenant(), newTenant()])
  const name = 'Bericht "Q1" – ü.html'
  const { body } = await email(tenant).send(friend.address, {
    attachments: [{ filename: name, content_type: 'text/html', content_base64: base64('<script>') }],
  })
  expect(body.status).toBe('sending')
  const received = await eventually(async () => (await email(friend).get('/email/inbox')).body.messages[0])
  const [attachment] = received.attachments
  expect(received.has_attachments).toBe(true)
  expect(attachment).toMatchObject({ id: expect.any(String), size_bytes: 8, content_type: 'text/html' })
  const path = new URL(attachment.url).pathname
  const download = await email(friend).get(path)
  expect(download).toMatchObject({ status: 200, body: '<script>' })
  expect(Object.fromEntries(download.headers)).toMatchObject({
    'content-disposition': expect.stringMatching(
      /^attachment; filename="[ -~]+"; filename\*=UTF-8''Bericht.*%C3%BC\.html$/,
    ),
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
    'x-ratelimit-limit': '20',
  })
  expect(await email(tenant).get(path.replace(received.message_id, body.message_id))).toMatchObject({
    status: 200,
  })
  expect(await email(stranger).get(path)).toMatchObject({ status: 404 })
  expect(await email(friend).get(`${path}x`)).toMatchObject({ status: 404 })
})

test('a send that needs approval is queued, and the answer says so', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const me = email(tenant)
  const held = await me.send('outside@example.com', {}, { 'idempotency-key': 'held' })
  expect(held).toMatchObject({
    status: 200,
    body: {
      status: 'queued',
      message: expect.stringContaining('held for approval'),
      delivery_type: 'external',
    },
  })
  expect((await me.get('/email/sent')).body.messages).toMatchObject([
    { message_id: held.body.message_id, status: 'queued', delivered_at: null },
  ])
  const again = await me.send('outside@example.com', {}, { 'idempotency-key': 'held' })
  expect(again.body).toEqual(held.body)
  // It counts in the windows when it is approved.
  expect((await me.get('/email/account')).body.rate_limits.hourly.used).toBe(0)
})

test('a refusal by the policy has its reason as the error code', async () => {
  const tenant = await newTenant({ mailbox: { cooldown_ms: 600_000 } })
  const me = email(tenant)
  expect((await me.send('one@example.com')).status).toBe(200)
  const soon = await me.send('one@example.com')
  expect(soon).toMatchObject({ status: 429, body: { error: { code: 'cooldown' } } })
  expect(Number(soon.headers.get('retry-after'))).toBeGreaterThan(590)
  await tenant.owner.post('/v1/suppressions', { recipientEmail: 'two@example.com', reasonCode: 'manual_dnc' })
  expect(await me.send('two@example.com')).toMatchObject({
    status: 403,
    body: { error: { code: 'suppressed' } },
  })
  await sql('UPDATE mailboxes SET require_consent = 1 WHERE tenant_id = ?1', tenant.id)
  const unconsented = await me.send('three@example.com')
  expect(unconsented).toMatchObject({ status: 403, body: { error: { code: 'no_consent' } } })
  expect(unconsented.headers.get('retry-after')).toBeNull()
})

test('a reply joins a thread by our id or the Message-ID of a message that its sender can see', async () => {
  const [ann, ben, eve] = await Promise.all([newTenant(), newTenant(), newTenant()])
  const { body: first } = await email(ann).send(ben.address)
  const rfcId = `${first.message_id.replace('msg_', 'req_')}@${env.MAIL_DOMAIN}`
  for (const named of [first.message_id, rfcId, `<${rfcId}>`]) {
    const reply = await email(ben).send(ann.address, { in_reply_to: named })
    expect(reply.body, named).toMatchObject({ status: 'delivered', thread_id: first.thread_id })
    expect((await email(ann).get(`/email/message/${reply.body.message_id}`)).body.in_reply_to).toBe(
      first.message_id,
    )
  }
  // The sender may reply to its own message.
  expect((await email(ann).send(ben.address, { in_reply_to: first.message_id })).body.thread_id).toBe(
    first.thread_id,
  )

  const unknown = await email(eve).send(ann.address, { in_reply_to: 'msg_nobody' })
  expect(unknown).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } })
  for (const named of [first.message_id, rfcId, `<${rfcId}>`]) {
    const foreign = await email(eve).send(ann.address, { in_reply_to: named })
    expect(foreign).toMatchObject({ status: 404, body: unknown.body })
  }
  await email(ben).del(`/email/message/${first.message_id}`)
  const deleted = await email(ben).send(ann.address, { in_reply_to: first.message_id })
  expect(deleted).toMatchObject({ status: 404, body: unknown.body })
  expect((await email(ann).get(`/email/thread/${first.thread_id}`)).body.messages).toHaveLength(5)
})

test('the mailbox of a request follows from the key, the X-Agent-Id header and the default mailbox', async () => {
  const tenant = await newTenant()
  const domain = env.MAIL_DOMAIN
  const local = `second-${crypto.randomUUID().slice(0, 8)}`
  const agent = (await tenant.owner.post('/v1/agent/register', { agentName: 'second' })).body
  const second = (await tenant.owner.post('/v1/agent/mailboxes', { address: local, agentId: agent.id })).body
  const addressOf = async (key: string, named?: string) => {
    const { status, body } = await email({ key }, named ? { 'X-Agent-Id': named } : {}).get('/email/account')
    return status === 200 ? body.email_address : `${status} ${body.error.code}`
  }
  expect(await addressOf(tenant.key)).toBe(tenant.address)
  expect(await addressOf(tenant.ownerKey)).toBe(tenant.address)
  expect(await addressOf(tenant.ownerKey, agent.id)).toBe(`${local}@${domain}`)
  expect(await addressOf(tenant.ownerKey, local)).toBe(`${local}@${domain}`)
  expect(await addressOf(tenant.key, tenant.agentId)).toBe(tenant.address)
  expect(await addressOf(tenant.key, tenant.address.split('@')[0])).toBe(tenant.address)
  expect(await addressOf(tenant.key, agent.id)).toBe('403 agent_mismatch')
  expect(await addressOf(tenant.key, local)).toBe('403 agent_mismatch')
  expect(await addressOf(tenant.ownerKey, 'nobody')).toBe('404 agent_not_found')
  const stranger = await newTenant()
  expect(await addressOf(tenant.ownerKey, stranger.agentId)).toBe('404 agent_not_found')
  expect(await addressOf(tenant.ownerKey, stranger.address.split('@')[0])).toBe('404 agent_not_found')

  const third = (await tenant.owner.post('/v1/agent/register', { agentName: 'third' })).body
  expect(await addressOf(tenant.ownerKey, third.id)).toBe('403 agent_required')
  // A key of the whole tenant takes no agent by default, not even one that it registered: it has the tenant's default mailbox.
  expect(await addressOf(tenant.ownerKey)).toBe(tenant.address)
  const { body: own } = await tenant.owner.post('/v1/agent/keys', {
    agentId: third.id,
    permissions: ['read', 'send'],
  })
  expect(await addressOf(own.rawKey)).toBe('403 agent_required')

  const scoped = await grant(tenant.id, [], [{ mailboxId: second.id, permissions: ['read'] }])
  expect(await addressOf(scoped)).toBe('403 mailbox_scope_denied')
  expect(await addressOf(scoped, local)).toBe(`${local}@${domain}`)
  const readOnly = email({ key: scoped }, { 'X-Agent-Id': local })
  expect(await readOnly.send('nobody@example.com')).toMatchObject({
    status: 403,
    body: { error: { code: 'insufficient_scope' } },
  })
  const elsewhere = await email({ key: scoped }).get('/email/inbox')
  expect(rates(elsewhere)).toEqual({ limit: null, remaining: null, reset: null })

  // The sender is the agent of the mailbox, and leases of other agents apply to it.
  await tenant.owner.post('/v1/agent/coordination/lease', {
    agentId: agent.id,
    contactEmail: 'leased@example.com',
  })
  expect(await email(tenant).send('leased@example.com')).toMatchObject({
    status: 403,
    body: { error: { code: 'lease_conflict' } },
  })
  const holder = email({ key: tenant.ownerKey }, { 'X-Agent-Id': agent.id })
  expect((await holder.send('leased@example.com')).status).toBe(200)
})

test('a body above 10 MiB is refused in the error shape of this API', async () => {
  const tenant = await newTenant()
  const large = { to: ['a@example.com'], subject: 'Large', body_text: 'x'.repeat(11 * 1024 * 1024) }
  for (const path of ['/email/send', '/agents/register']) {
    const { status, body } = await tenant.post(path, large)
    expect({ path, status }).toEqual({ path, status: 413 })
    expect(body).toMatchObject({ error: { code: 'payload_too_large' }, detail: expect.any(String) })
  }
})
