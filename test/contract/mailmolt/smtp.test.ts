import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { call, eventually, newTenant, type Tenant } from '../../support/tenant.ts'

const CRLF = '\r\n'

/** A message in RFC 5322 form with these header fields. */
const written = (fields: string[], text = 'It works.') => [...fields, '', text, ''].join(CRLF)

async function issued(tenant: Tenant, name?: string) {
  const { status, body } = await tenant.post('/v1/smtp-credentials', name === undefined ? {} : { name })
  expect(status).toBe(201)
  return body as { id: string; username: string; password: string; host: string; ports: number[] }
}

const basic = ({ username, password }: { username: string; password: string }) => ({
  authorization: `Basic ${btoa(`${username}:${password}`)}`,
})

const session = (who: { username: string; password: string }) =>
  call('GET', '/v1/smtp/session', { headers: basic(who) })

const submit = (
  who: { username: string; password: string },
  to: string[],
  raw: string,
  { from = who.username, ...more }: Record<string, string> = {},
) =>
  call('POST', '/v1/smtp/submissions', {
    body: raw,
    headers: {
      ...basic(who),
      'content-type': 'message/rfc822',
      'x-envelope-from': encodeURIComponent(from),
      'x-envelope-to': to.map(encodeURIComponent).join(),
      ...more,
    },
  })

test('an SMTP credential is shown once, sends from its own mailbox, and stops working when it is revoked or its agent is banned', async () => {
  const tenant = await newTenant()
  const first = await issued(tenant, 'printer')
  expect(first).toEqual({
    id: expect.stringMatching(/^smtp_/),
    name: 'printer',
    username: tenant.address,
    password: expect.stringMatching(/^mm_smtp_[0-9A-Za-z]{49}$/),
    host: 'localhost',
    ports: [587, 465],
    created_by: expect.stringMatching(/^key:key_/),
    created_at: expect.stringMatching(/Z$/),
    last_used_at: null,
  })
  const second = await issued(tenant)
  const { password: _, ...shown } = first
  const { body: page } = await tenant.get('/v1/smtp-credentials?limit=1')
  expect(page).toMatchObject({
    data: [{ id: second.id, name: null }],
    has_more: true,
    next_cursor: second.id,
  })
  const { body: rest } = await tenant.get(`/v1/smtp-credentials?cursor=${page.next_cursor}`)
  expect(rest).toEqual({ data: [shown], has_more: false, next_cursor: null })

  expect((await session(first)).body).toEqual({
    address: tenant.address,
    max_message_bytes: 10_420_224,
    max_recipients: 50,
  })
  expect((await session({ ...first, username: tenant.address.toUpperCase() })).status).toBe(200)
  const used = await tenant.get('/v1/smtp-credentials')
  expect(used.body.data.map((each: { last_used_at: string | null }) => each.last_used_at)).toEqual([
    null,
    expect.stringMatching(/Z$/),
  ])

  const stranger = await newTenant()
  const theirs = await issued(stranger)
  const garbled = `${first.password.slice(0, -1)}${first.password.endsWith('a') ? 'b' : 'a'}`
  const wrong = [
    { ...first, password: theirs.password },
    { ...first, username: stranger.address },
    { ...first, password: garbled },
    { ...first, password: tenant.key },
    { ...first, password: '' },
    { username: '', password: first.password },
  ]
  for (const each of wrong) {
    expect(await session(each)).toMatchObject({ status: 401, body: { error: 'unauthorized' } })
  }
  expect((await tenant.get('/v1/smtp/session')).status).toBe(401)
  expect((await call('GET', '/v1/messages', { headers: basic(first) })).status).toBe(401)
  expect((await call('GET', '/v1/agent/sends', { key: first.password })).status).toBe(401)

  const key = { 'idempotency-key': 'once' }
  expect((await tenant.post('/v1/smtp-credentials', {}, key)).status).toBe(201)
  expect(await tenant.post('/v1/smtp-credentials', {}, key)).toMatchObject({
    status: 409,
    body: { error: 'secret_already_shown' },
  })
  const many = await Promise.all(Array.from({ length: 20 }, () => tenant.post('/v1/smtp-credentials')))
  expect(many.filter(({ status }) => status === 201)).toHaveLength(17)
  expect(many.find(({ status }) => status !== 201)).toMatchObject({
    status: 409,
    body: { error: 'conflict' },
  })

  expect((await stranger.del(`/v1/smtp-credentials/${first.id}`)).status).toBe(404)
  expect((await session(first)).status).toBe(200)
  expect((await tenant.del(`/v1/smtp-credentials/${first.id}`)).status).toBe(204)
  expect((await tenant.del(`/v1/smtp-credentials/${first.id}`)).status).toBe(204)
  expect((await session(first)).status).toBe(401)

  expect((await session(second)).status).toBe(200)
  await env.DB.prepare(`UPDATE agents SET status = 'banned' WHERE tenant_id = ?1`).bind(tenant.id).run()
  expect((await session(second)).status).toBe(401)

  // The mailbox now belongs to another agent, so the credential of the first one no longer works.
  expect((await session(theirs)).status).toBe(200)
  await env.DB.prepare(`UPDATE mailboxes SET agent_id = 'agent_other' WHERE tenant_id = ?1`)
    .bind(stranger.id)
    .run()
  expect((await session(theirs)).status).toBe(401)
})

test('a submitted message takes the same path as every send, is sent once, and its trace names the credential', async () => {
  const tenant = await newTenant()
  const who = await issued(tenant)
  const contact = `ann-${crypto.randomUUID()}@example.com`
  const blind = `blind-${crypto.randomUUID()}@example.com`
  const message = written([
    `From: "The Printer" <${tenant.address}>`,
    `To: Ann Example <${contact}>, absent@example.com`,
    'Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=',
    'Message-ID: <one@printer.example>',
    'X-Ref: 42',
    'X-MailMolt-Trust-Score: 100',
    'List-Unsubscribe: <mailto:stop@example.com>',
    'X-SMTPAPI: {"to":["evil@example.com"]}',
  ])
  const first = await submit(who, [contact, blind], message)
  expect(first).toMatchObject({
    status: 202,
    body: { message: { status: 'queued' }, approval_queue_id: null },
  })
  const requestId = first.body.request_id
  const trace = await tenant.settled(requestId)
  expect(trace.trace[0].body.askedBy).toBe(`smtp:${who.id}`)
  expect(trace.recipients).toMatchObject([
    { kind: 'to', email: contact },
    { kind: 'bcc', email: blind },
  ])
  const { body: outbox } = await call('GET', `/dev/outbox?to=${contact}`)
  const mail = outbox.items.at(-1)
  expect(mail).toMatchObject({ subject: 'Grüße', text: 'It works.\n' })
  expect(mail.raw).toContain(`"Ann Example" <${contact}>`)
  expect(mail.raw).toContain('X-Ref: 42')
  expect(mail.raw).not.toMatch(/absent@|Trust-Score: 100|SMTPAPI|blind-|Received|stop@example/i)
  const dropped = ['List-Unsubscribe', 'X-Mailmolt-Trust-Score', 'X-Smtpapi']
  expect(first.body.dropped_fields).toEqual(dropped)
  expect(trace.trace.find(({ kind }: { kind: string }) => kind === 'render').body.droppedFields).toEqual(
    dropped,
  )
  expect((await tenant.get('/v1/agent/sends?limit=5')).body.items).toHaveLength(1)

  // The same message with another Date and another order of fields; then with other recipients; then with another text.
  const anew = written([
    `Date: Sat, 21 Nov 2026 10:00:00 +0000`,
    ...(message.split(`${CRLF}${CRLF}`)[0]?.split(CRLF).reverse() ?? []),
  ])
  const again = await Promise.all([1, 2, 3].map(() => submit(who, [blind, contact], anew)))
  expect(again.map(({ body }) => body)).toEqual([first.body, first.body, first.body])
  const others = await submit(who, [`carl-${contact}`], message)
  expect(others.body.request_id).not.toBe(requestId)
  const reworded = await submit(who, [contact, blind], message.replace('It works', 'It works well'))
  expect(reworded.body.request_id).not.toBe(requestId)

  // A mail program replies to its own message by the id it gave it; the reader finds it by our id.
  const reply = await submit(
    who,
    [contact],
    written([
      `From: ${tenant.address}`,
      `To: ${contact}`,
      'Subject: Re: Hello',
      'Message-ID: <two@printer.example>',
      'In-Reply-To: <one@printer.example>',
      'References: <unknown@example.com> <one@printer.example>',
    ]),
  )
  const sent = await eventually(async () => {
    const { body } = await call('GET', `/dev/outbox?to=${contact}`)
    return body.items.find((item: { sendId: string }) => item.sendId === reply.body.request_id)
  })
  const [, answered] = /^In-Reply-To: <([^>]+)>/m.exec(sent.raw) ?? []
  const known = [first, others, reworded].map(({ body }) => `${body.request_id}@moltpost.test`)
  expect(known).toContain(answered)
})

test('a field that asks the reader to act does not leave, and our unsubscribe link takes the place of theirs', async () => {
  const tenant = await newTenant()
  const who = await issued(tenant)
  const to = `ann-${crypto.randomUUID()}@example.com`
  const acting = [
    'List-Unsubscribe: <https://evil.example/u>, <mailto:evil@evil.example>',
    'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
    'list-help: <https://evil.example/help>',
    'List-Post: <mailto:evil@evil.example>',
    'List-Subscribe: <https://evil.example/s>',
    'List-Owner: <mailto:evil@evil.example>',
    'X-Confirm-Reading-To: evil@evil.example',
    'X-ConfirmReadingTo: evil@evil.example',
    'X-Receipt-To: evil@evil.example',
    'X-List-Unsubscribe: <https://evil.example/u>',
    'Disposition-Notification-To: evil@evil.example',
    'Disposition-Notification-Options: evil=optional,x',
    'Return-Receipt-To: evil@evil.example',
    'Read-Receipt-To: evil@evil.example',
    'Errors-To: evil@evil.example',
    'Sender: evil@evil.example',
    'Return-Path: <evil@evil.example>',
    'Resent-From: evil@evil.example',
    'Mail-Followup-To: evil@evil.example',
    'Auto-Submitted: no',
    'Authentication-Results: mx.evil.example; dkim=pass',
    'X-Original-Authentication-Results: mx.evil.example; dkim=pass',
    'ARC-Seal: i=1; d=evil.example',
    'DKIM-Signature: v=1; d=evil.example',
    'Received-SPF: pass evil.example',
    'X-Spam-Status: No, evil.example',
    'X-MS-Exchange-Organization-SCL: -1',
    'X-Moltpost-Send-Id: evil',
    'X-MoltbotDen-Tier: evil',
    'Supersedes: <evil@evil.example>',
    'Autocrypt: addr=evil@evil.example; keydata=AA',
  ]
  const kept = ['X-Ref: 7', 'Importance: high', 'List-Id: <news.example.com>', 'Precedence: bulk']
  const head = [`From: ${tenant.address}`, `To: ${to}`, 'Subject: Fields', ...acting, ...kept]
  const { body } = await submit(who, [to], written(head))
  await tenant.settled(body.request_id)
  const mailed = async (address: string) => (await call('GET', `/dev/outbox?to=${address}`)).body.items[0]
  const { raw } = await mailed(to)
  const fields: string = raw.slice(0, raw.indexOf('\r\n\r\n')).replace(/\r\n[ \t]/g, ' ')
  expect(fields).not.toMatch(/evil/i)
  for (const field of kept) expect(fields.split('\r\n')).toContain(field)
  const names = acting.map((field) => field.slice(0, field.indexOf(':')).toLowerCase())
  expect(body.dropped_fields.map((name: string) => name.toLowerCase()).sort()).toEqual([...names].sort())

  const [, token] = /^List-Unsubscribe: <http:\/\/localhost:8787\/u\/([\w-]+)>$/m.exec(fields) ?? []
  expect(fields).toContain('List-Unsubscribe-Post: List-Unsubscribe=One-Click')
  await call('POST', `/u/${token}`, {
    body: 'List-Unsubscribe=One-Click',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  expect(await submit(who, [to], written(head))).toMatchObject({ status: 403, body: { error: 'suppressed' } })
})

test('an invalid message is refused with its reason, and nothing of it is stored', async () => {
  const tenant = await newTenant()
  const who = await issued(tenant)
  const own = `From: ${tenant.address}`
  const to = [`ann-${crypto.randomUUID()}@example.com`]
  const plain = [own, `To: ${to[0]}`, 'Subject: Hello']
  const refused = async (status: number, error: string, asked: ReturnType<typeof submit>) =>
    expect(await asked).toMatchObject({ status, body: { error } })

  await refused(403, 'sender_not_allowed', submit(who, to, written(plain), { from: 'ceo@example.com' }))
  await refused(
    403,
    'sender_not_allowed',
    submit(who, to, written(['From: ceo@example.com', ...plain.slice(1)])),
  )
  await refused(422, 'malformed_message', submit(who, to, written(['From: ceo@example.com', ...plain])))
  await refused(422, 'malformed_message', submit(who, to, written(plain.slice(1))))
  await refused(422, 'malformed_message', submit(who, to, written([...plain, 'Subject: Another'])))
  await refused(422, 'malformed_message', submit(who, to, `${own}\nTo: x@example.com\r\n\r\nmixed\r\n`))
  await refused(
    422,
    'malformed_message',
    submit(who, to, written([own, 'Subject: =?utf-8?Q?Hi=0D=0ABcc:_evil@example.com?='])),
  )
  await refused(
    422,
    'unsupported_content',
    submit(who, to, written([...plain, 'Content-Type: multipart/signed; boundary=b'])),
  )
  await refused(
    422,
    'blocked_attachment_type',
    submit(
      who,
      to,
      written(
        [...plain, 'Content-Type: multipart/mixed; boundary=b'],
        '--b\r\n\r\nHello\r\n--b\r\nContent-Disposition: attachment; filename=a.exe\r\n\r\nMZ\r\n--b--',
      ),
    ),
  )
  await refused(413, 'message_too_large', submit(who, to, written(plain, 'a word '.repeat(170_000))))
  await refused(413, 'payload_too_large', submit(who, to, written(plain, 'x'.repeat(10 * 1024 * 1024))))
  await refused(422, 'invalid', submit(who, [], written(plain)))
  await refused(422, 'invalid', submit(who, ['nobody'], written(plain)))
  await refused(
    422,
    'invalid',
    submit(
      who,
      Array.from({ length: 51 }, (_, n) => `${n}@example.com`),
      written(plain),
    ),
  )
  await refused(422, 'invalid', submit(who, to, written(plain), { 'x-envelope-to': '%E0%A4%A' }))
  await refused(422, 'invalid', submit(who, to, written(plain), { 'content-type': 'application/json' }))
  const bounced = await submit(who, [`nobody-${crypto.randomUUID()}@moltpost.test`], written(plain))
  expect(bounced).toMatchObject({ status: 202, body: { message: { status: 'bounced' } } })

  const check = (recipient: string) =>
    call('POST', '/v1/smtp/recipients', { headers: basic(who), body: { recipient } })
  const listed = `listed-${crypto.randomUUID()}@example.com`
  await tenant.post('/v1/suppressions', { recipientEmail: listed, reasonCode: 'manual_dnc' })
  expect(await check(to[0] ?? '')).toMatchObject({ status: 200, body: { accepted: true } })
  expect(await check(tenant.address)).toMatchObject({ status: 200, body: { accepted: true } })
  expect(await check(listed)).toMatchObject({ status: 403, body: { error: 'suppressed' } })
  expect(await check('nobody-here@moltpost.test')).toMatchObject({
    status: 422,
    body: { error: 'no_such_mailbox' },
  })
  expect(await check('jörg@example.com')).toMatchObject({ status: 422, body: { error: 'invalid_recipient' } })
  await refused(403, 'suppressed', submit(who, [listed, ...to], written(plain)))

  const { body } = await tenant.get('/v1/agent/sends?limit=50')
  expect(body.items.map(({ status }: { status: string }) => status).sort()).toEqual([
    'blocked',
    'blocked',
    'bounced',
  ])
  const { objects } = await env.MAIL.list({ prefix: `files/${tenant.id}/` })
  expect(objects).toEqual([])
})

test('wrong passwords from one network are counted, and a correct one still works', async () => {
  const tenant = await newTenant()
  const who = await issued(tenant)
  const stranger = await issued(await newTenant())
  const network = `2001:db8:${crypto.randomUUID().slice(0, 4)}::1`
  const from = (password: string) =>
    call('GET', '/v1/smtp/session', {
      headers: { ...basic({ ...who, password }), 'cf-connecting-ip': network },
    })
  const answers = await Promise.all(Array.from({ length: 101 }, () => from(stranger.password)))
  expect(answers.filter(({ status }) => status === 401)).toHaveLength(100)
  const [limited] = answers.filter(({ status }) => status === 429)
  expect(limited?.body.error).toBe('too_many_attempts')
  expect(Number(limited?.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await from(who.password)).status).toBe(200)
})
