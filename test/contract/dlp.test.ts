import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { dumpTenant } from '../support/matrix-dump.ts'
import { secretsOf } from '../support/secrets.ts'
import { type Answer, call, eventually, newTenant, type Tenant } from '../support/tenant.ts'

const MOLTED = '/v1/agent'
const secret = secretsOf(1).stripe_secret_key?.secret ?? ''
const utf16 = (text: string) => `\xff\xfe${[...text].map((letter) => `${letter}\0`).join('')}`
const file = (filename: string, content: string, content_type = 'text/plain') => ({
  ...{ filename, content_type, content_base64: btoa(content) },
})
const spaced = (text: string) => [...text].join('\u200b')

type Door = (tenant: Tenant, held: string, nth: number) => Promise<Answer>

const inline = (payload: Record<string, unknown>) => (tenant: Tenant, nth: number) =>
  tenant.send(`m${nth}@example.com`, `inline-${nth}`, { templateId: '_default', payload })
const email = (tenant: Tenant, nth: number, more: Record<string, unknown>) =>
  tenant.post('/email/send', { to: [`e${nth}@example.com`], subject: 'Hello', body_text: 'Hi', ...more })
const message = (tenant: Tenant, nth: number, more: Record<string, unknown>) =>
  tenant.post('/v1/messages', { to: `v${nth}@example.com`, subject: 'Hello', text: 'Hi', ...more })

async function submit(tenant: Tenant, nth: number, lines: string[]) {
  const { body } = await tenant.post('/v1/smtp-credentials')
  return await call('POST', '/v1/smtp/submissions', {
    body: [`From: ${tenant.address}`, `To: s${nth}@example.com`, ...lines, ''].join('\r\n'),
    headers: {
      authorization: `Basic ${btoa(`${body.username}:${body.password}`)}`,
      'content-type': 'message/rfc822',
      'x-envelope-from': encodeURIComponent(tenant.address),
      'x-envelope-to': encodeURIComponent(`s${nth}@example.com`),
    },
  })
}

/** Every way to send, each with the text in another place. */
const DOORS: Record<string, Door> = {
  'a template variable': (tenant, held, nth) =>
    tenant.send(`t${nth}@example.com`, `t-${nth}`, { payload: { firstName: held } }),
  'request-send, subject': (tenant, held, nth) => inline({ subject: held, text: 'Hi' })(tenant, nth),
  'request-send, HTML across tags': (tenant, held, nth) =>
    inline({ subject: 'Hi', html: `<p>${held.slice(0, 9)}<b>${held.slice(9)}</b></p>` })(tenant, nth),
  'request-send, a comment': (tenant, held, nth) =>
    inline({ subject: 'Hi', html: `<p>Hi<!-- ${held} --></p>` })(tenant, nth),
  'a batch': async (tenant, held, nth) => {
    const sends = [
      { recipientEmail: `b${nth}@example.com`, dedupeKey: `b-${nth}`, payload: { firstName: held } },
    ]
    const { body, ...rest } = await tenant.post(`${MOLTED}/batch/request-send`, {
      templateId: 'welcome',
      sends,
    })
    return { ...rest, body: body.results[0] }
  },
  '/email/send, text': (tenant, held, nth) => email(tenant, nth, { body_text: `Look: ${held}.` }),
  '/email/send, a file name': (tenant, held, nth) =>
    email(tenant, nth, { attachments: [file(`${held}.csv`, 'a,b')] }),
  '/email/send, a text file': (tenant, held, nth) =>
    email(tenant, nth, { attachments: [file('notes.txt', `key: ${held}`)] }),
  '/v1/messages, text in base64': (tenant, held, nth) => message(tenant, nth, { text: btoa(`key: ${held}`) }),
  '/v1/messages, an attribute': (tenant, held, nth) =>
    message(tenant, nth, { html: `<a href="https://example.com/?k=${encodeURIComponent(held)}">x</a>` }),
  '/v1/messages, with invisible characters in between': (tenant, held, nth) =>
    message(tenant, nth, { text: spaced(held) }),
  '/v1/messages, a file in UTF-16': (tenant, held, nth) =>
    message(tenant, nth, { attachments: [file('notes.txt', utf16(held))] }),
  'a reply': async (tenant, held) => {
    const own = await tenant.post('/v1/messages', { to: tenant.address, subject: 'Note', text: 'To myself' })
    return await tenant.post(`/v1/messages/${own.body.message.id}/reply`, { text: held })
  },
  'SMTP, a header field': (tenant, held, nth) =>
    submit(tenant, nth, ['Subject: Hello', `X-Note: ${held}`, '', 'Hi']),
  'SMTP, quoted-printable': (tenant, held, nth) =>
    submit(tenant, nth, [
      ...['Subject: Hello', 'Content-Type: text/plain', 'Content-Transfer-Encoding: quoted-printable', ''],
      `${held.slice(0, 10)}=\r\n${held.slice(10)}`,
    ]),
}

async function refusedEverywhere(tenant: Tenant, held: string, reason: string, rule: string) {
  const wrong: unknown[] = []
  for (const [nth, [door, send]] of Object.entries(DOORS).entries()) {
    const answer = await send(tenant, held, nth)
    const { status, body, headers } = answer
    const isMolted = body.status === 'blocked' && body.reason === reason && status === 200
    const isMoltbotden = status === 400 && body.error.code === reason
    const isMailmolt =
      status === 422 && body.error === reason && headers.get('x-mailmolt-dlp-blocked') === rule
    const isRefused = isMolted || isMoltbotden || isMailmolt
    if (!isRefused || JSON.stringify(body).includes(held)) wrong.push({ door, status, body })
  }
  expect(wrong).toEqual([])
  const { body } = await tenant.post(`${MOLTED}/simulate-send`, {
    ...{ recipientEmail: 'sim@example.com', templateId: 'welcome', dedupeKey: 'sim' },
    payload: { firstName: held },
  })
  expect(body).toMatchObject({ wouldAllow: false, reason })
}

/** The tables and stored files that contain the text. */
async function keepers(tenant: Tenant, held: string): Promise<string[]> {
  const tables = [...(await dumpTenant(tenant.id))].filter(([, rows]) => JSON.stringify(rows).includes(held))
  const captured = await env.DB.prepare(
    `SELECT count(*) AS n FROM captured_mail c JOIN sends s ON s.id = c.send_id
     WHERE s.tenant_id = ?1 AND instr(c.subject || coalesce(c.text, '') || coalesce(c.html, '') || c.raw, ?2) > 0`,
  )
    .bind(tenant.id, held)
    .first<{ n: number }>()
  const objects: string[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await env.MAIL.list(cursor === undefined ? {} : { cursor })
    for (const { key } of page.objects) {
      const text = (await (await env.MAIL.get(key))?.text()) ?? ''
      if (text.replaceAll('\0', '').includes(held) || text.includes(btoa(held))) objects.push(key)
    }
    if (!page.truncated) break
    cursor = page.cursor
  }
  return [...tables.map(([table]) => table), ...(captured?.n ? ['captured_mail'] : []), ...objects]
}

test('a secret is blocked at every door and in every place, and it is neither stored nor repeated in an answer', async () => {
  const tenant = await newTenant({ tenant: { plan: 'team' }, mailbox: { hourly_limit: 500 } })
  expect(await tenant.patch('/v1/oversight/dlp', { mode: 'block' })).toMatchObject({ status: 200 })
  await refusedEverywhere(tenant, secret, 'dlp_blocked', 'stripe_secret_key')
  expect(await keepers(tenant, secret)).toEqual([])

  const { body } = await tenant.send('trace@example.com', 'trace', { payload: { firstName: secret } })
  const trace = await tenant.get(`${MOLTED}/sends/${body.requestId}`)
  expect(trace.body.policyDecision).toMatchObject({ allow: false, reason: 'dlp_blocked' })
  expect(JSON.stringify(trace.body)).toContain('stripe_secret_key in subject and text and html')
  expect((await tenant.send('fine@example.com', 'fine')).body.status).toBe('queued')

  // Automatic replies are checked the same way.
  await tenant.patch('/v1/inbox', { auto_reply: { enabled: true, text: `Away. ${secret}` } })
  const other = await newTenant()
  await other.post('/v1/messages', { to: tenant.address, subject: 'Hello', text: 'Are you there?' })
  const own = () =>
    env.DB.prepare(`SELECT state, reason, input FROM sends WHERE tenant_id = ? AND door = 'system'`)
      .bind(tenant.id)
      .first<{ state: string; reason: string; input: string }>()
  const reply = await eventually(async () => {
    const row = await own()
    return row === null || row.state === 'judging' ? undefined : row
  })
  expect(reply).toMatchObject({ state: 'blocked', reason: 'dlp_blocked' })
  expect(reply.input).not.toContain(secret)
})

test('each rule blocks its own kind of secret, and a refusal names the first rule that found something', async () => {
  const tenant = await newTenant({ tenant: { plan: 'team' }, mailbox: { hourly_limit: 500 } })
  const policy = await tenant.patch('/v1/oversight/dlp', { mode: 'block' })
  const secrets = secretsOf(2)
  const names = policy.body.rules.map(({ name }: { name: string }) => name)
  expect(Object.keys(secrets)).toEqual(names)
  const answers = await Promise.all(
    Object.values(secrets).map(({ text }, nth) => message(tenant, nth, { text: `Here it is: ${text}\n` })),
  )
  expect(answers.map(({ headers }) => headers.get('x-mailmolt-dlp-blocked'))).toEqual(names)
  const both = await message(tenant, 99, { text: `${secrets.jwt?.text} ${secrets.iban?.text}` })
  expect(both.headers.get('x-mailmolt-dlp-blocked')).toBe('iban')
})

test('a canary is refused at every door, in every mode and spelling, and the tenant gets an event', async () => {
  const tenant = await newTenant({ tenant: { plan: 'team' }, mailbox: { hourly_limit: 500 } })
  const drawn = await tenant.post('/v1/oversight/canaries', { label: 'ledger' })
  expect(drawn).toMatchObject({ status: 201, body: { label: 'ledger', trips: 0, last_tripped_at: null } })
  const { id, value } = drawn.body
  await refusedEverywhere(tenant, value, 'canary_violation', 'canary')
  expect(await keepers(tenant, value)).toEqual([])

  const own = await tenant.post('/v1/oversight/canaries', { value: 'Blue Heron 774, Lagoon' })
  expect(own.status).toBe(201)
  for (const [nth, text] of [
    'blue-heron-774-lagoon',
    'BLUEHERON774LAGOON',
    'Blue\nHeron 774: lagoon',
  ].entries()) {
    expect(await message(tenant, 50 + nth, { text })).toMatchObject({
      status: 422,
      body: { error: 'canary_violation' },
    })
  }
  expect((await message(tenant, 60, { text: 'A blue heron at the lagoon, 774 of them.' })).status).toBe(202)
  const other = await newTenant()
  expect((await message(other, 61, { text: value })).status).toBe(202)

  expect((await tenant.post('/v1/oversight/canaries', { value: 'BLUE HERON (774) LAGOON' })).status).toBe(409)
  expect((await tenant.post('/v1/oversight/canaries', { value: 'too short' })).status).toBe(422)
  const list = await tenant.get('/v1/oversight/canaries')
  expect(list.body.data).toMatchObject([
    { id: own.body.id, trips: 3 },
    { id, trips: 15 },
  ])
  expect(JSON.stringify(list.body)).not.toContain(value)
  const told = await eventually(async () => {
    const { body } = await tenant.get(`${MOLTED}/events?type=canary.tripped`)
    return body.items.length >= 18 ? body.items : undefined
  })
  expect(told[0].data).toMatchObject({ canary_id: own.body.id, where: 'text' })
  const log = await tenant.get('/v1/compliance/audit-log?limit=100')
  expect(JSON.stringify(log.body)).toContain('canary.tripped')
  expect(JSON.stringify(log.body)).not.toContain(value)

  expect((await tenant.del(`/v1/oversight/canaries/${id}`)).body.error).toBe('human_decision_required')
  expect((await tenant.owner.del(`/v1/oversight/canaries/${id}`)).status).toBe(204)
  expect((await tenant.owner.del(`/v1/oversight/canaries/${id}`)).status).toBe(404)
  expect((await message(tenant, 62, { text: value })).status).toBe(202)
})

test('redact sends every message without the secret and stores the secret nowhere', async () => {
  const tenant = await newTenant({ tenant: { plan: 'team' }, mailbox: { hourly_limit: 500 } })
  await tenant.patch('/v1/oversight/dlp', { mode: 'redact' })
  const friend = await newTenant()
  const mark = '[REDACTED:stripe_secret_key]'

  const sent = await tenant.post('/v1/messages', {
    to: [friend.address],
    subject: `Key ${secret}`,
    text: `Use ${secret} today.`,
    html: `<p>Use <a title="${secret}" href="https://example.com/${secret}">${secret.slice(0, 9)}<i>${secret.slice(9)}</i></a></p>`,
    attachments: [
      file(`${secret}.csv`, `name,key\nA,${secret}\n`, 'text/csv'),
      file('logo.png', '\x89PNG\0\x01'),
    ],
  })
  expect(sent).toMatchObject({ status: 202, body: { message: { subject: `Key ${mark}` } } })
  const again = { 'idempotency-key': `redact-${tenant.id}` }
  const twice = { to: friend.address, subject: secret, text: 'x' }
  await tenant.post('/v1/messages', twice, again)
  expect((await tenant.post('/v1/messages', twice, again)).body.message.subject).toBe(mark)

  const large = await tenant.post('/v1/messages', {
    ...{ to: friend.address, subject: 'Large', text: `${'Lorem ipsum. '.repeat(20_000)} ${secret}` },
  })
  const template = await tenant.send('ann@example.com', 'template', { payload: { firstName: secret } })
  const batch = await tenant.post(`${MOLTED}/batch/request-send`, {
    templateId: 'welcome',
    sends: [{ recipientEmail: 'bob@example.com', dedupeKey: 'batch', payload: { firstName: secret } }],
  })
  const outside = await email(tenant, 1, { subject: secret, body_html: `<p>${secret}</p>`, body_text: null })
  expect([large.status, outside.status, template.body.status, batch.body.results[0].status]).toEqual([
    ...[202, 200, 'queued', 'queued'],
  ])
  for (const id of [sent.body.request_id, template.body.requestId, batch.body.results[0].requestId]) {
    expect((await tenant.settled(id)).status).toBe('delivered')
  }
  await tenant.settled(`req_${outside.body.message_id.slice(4)}`)

  const got = await eventually(async () => {
    const { body } = await friend.get('/v1/messages')
    return body.data.length === 3 ? body.data : undefined
  })
  const first = got.find(({ subject }: { subject: string }) => subject.startsWith('Key'))
  expect(first).toMatchObject({ subject: `Key ${mark}`, text: `Use ${mark} today.` })
  expect(first.html).toContain(`href="https://example.com/${mark}"`)
  expect(first.attachments[0].filename).toBe(`${mark}.csv`)
  const kept = await friend.get(first.attachments[0].url.replace(/^https?:\/\/[^/]+/, ''))
  expect(kept.body).toBe(`name,key\nA,${mark}\n`)
  const mailed = await env.DB.prepare('SELECT subject FROM captured_mail WHERE send_id = ?')
    .bind(template.body.requestId)
    .first()
  expect(mailed).toEqual({ subject: `Hello ${mark}` })

  expect([...(await keepers(tenant, secret)), ...(await keepers(friend, secret))]).toEqual([])
  const found = await tenant.get(`/v1/search?q=${secret}`)
  expect(JSON.stringify(found.body.data)).not.toContain(secret)
  const { body: trace } = await tenant.get(`${MOLTED}/sends/${sent.body.request_id}`)
  expect(JSON.stringify(trace)).toContain('redact: stripe_secret_key in subject and text and html and')

  // If the secret cannot be struck out, nothing is sent.
  await env.DB.prepare(
    `UPDATE template_versions SET subject = 'Hi', html = NULL, text = '{{ a }}{{ b }}' WHERE tenant_id = ?1`,
  )
    .bind(tenant.id)
    .run()
  const split = await tenant.send('cut@example.com', 'cut', {
    payload: { a: secret.slice(0, 12), b: secret.slice(12) },
  })
  expect(split.body).toMatchObject({ status: 'blocked', reason: 'dlp_blocked' })
  expect(await keepers(tenant, secret.slice(12))).toEqual([])
})

test('monitor sends the message and records in the trace which rule found something, but not the secret', async () => {
  const tenant = await newTenant()
  const policy = await tenant.get('/v1/oversight/dlp')
  expect(policy.body).toMatchObject({
    mode: 'monitor',
    disabled_rules: [],
    rules_version: expect.any(String),
  })
  const sent = await tenant.send('ann@example.com', 'watched', { payload: { firstName: secret } })
  expect(sent.body).toMatchObject({ status: 'queued' })
  expect(sent.body.policyTrace.auditEvents).toContainEqual({
    ...{ rule: 'dlp', passed: true },
    detail: 'monitor: stripe_secret_key in subject and text and html',
  })
  expect(JSON.stringify((await tenant.settled(sent.body.requestId)).trace)).not.toContain(secret)
  const plain = await tenant.send('bob@example.com', 'plain')
  expect(plain.body.policyTrace.auditEvents.map(({ rule }: { rule: string }) => rule)).not.toContain('dlp')
})

test('an agent may make the policy stricter, only a person may relax it, and the heartbeat shows it', async () => {
  const tenant = await newTenant()
  const dlp = '/v1/oversight/dlp'
  expect((await call('GET', dlp)).status).toBe(401)
  expect((await tenant.patch(dlp, {})).body.mode).toBe('monitor')
  expect(await call('PATCH', dlp, { key: tenant.key })).toMatchObject({
    status: 200,
    body: { mode: 'monitor' },
  })
  expect((await tenant.patch(dlp, { mode: 'block' })).body.mode).toBe('block')
  const refused = { status: 403, body: { error: 'human_decision_required' } }
  expect(await tenant.patch(dlp, { mode: 'redact' })).toMatchObject(refused)
  expect(await tenant.patch(dlp, { disabled_rules: ['iban'] })).toMatchObject(refused)
  expect(await tenant.patch(dlp, { mode: 'loud' })).toMatchObject({ status: 422 })
  expect(await tenant.patch(dlp, { disabled_rules: ['iban', 'nonsense'] })).toMatchObject({
    ...{ status: 422, body: { error: 'invalid', rule: 'nonsense' } },
  })
  const heartbeat = await tenant.get('/v1/agents/heartbeat')
  expect(heartbeat.body.dlp).toEqual({
    mode: 'block',
    rules_version: (await tenant.get(dlp)).body.rules_version,
  })

  const loosened = await tenant.owner.patch(dlp, { disabled_rules: ['jwt', 'stripe_secret_key', 'jwt'] })
  expect(loosened.body).toMatchObject({ mode: 'block', disabled_rules: ['stripe_secret_key', 'jwt'] })
  expect(loosened.body.rules.find(({ name }: { name: string }) => name === 'jwt').enabled).toBe(false)
  expect((await message(tenant, 1, { text: secret })).status).toBe(202)
  expect((await tenant.patch(dlp, { disabled_rules: ['jwt'] })).body.disabled_rules).toEqual(['jwt'])
  expect((await message(tenant, 2, { text: secret })).status).toBe(422)
})

test('a held message is searched when it is edited and again when it is released', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const approvals = '/v1/oversight/approvals'
  const held = await message(tenant, 1, { text: `Use ${secret}.` })
  expect(held.body.message.status).toBe('pending_approval')
  const made = async (id: string) =>
    await eventually(async () => {
      const { body } = await tenant.owner.get(`${approvals}/${id}`)
      return body.message === null ? undefined : body
    })
  const shown = await made(held.body.approval_queue_id)
  expect(shown).toMatchObject({
    status: 'pending',
    message: { to: ['v1@example.com'], text: `Use ${secret}.` },
  })
  expect(
    (await tenant.get(`${approvals}?status=pending`)).body.data.map(({ id }: { id: string }) => id),
  ).toEqual([held.body.approval_queue_id])

  await tenant.patch('/v1/oversight/dlp', { mode: 'block' })
  const edit = `/v1/send/approvals/${held.body.approval_queue_id}/message`
  const edited = await tenant.owner.put(edit, { subject: 'Hello', text: `Rather ${secret}` })
  expect(edited).toMatchObject({ status: 400, body: { rule: 'stripe_secret_key', reason: 'dlp_blocked' } })
  expect(JSON.stringify(edited.body)).not.toContain(secret)

  const approve = `${approvals}/${held.body.approval_queue_id}/approve`
  expect((await tenant.post(approve)).body.error).toBe('insufficient_scope')
  expect((await tenant.owner.post(approve, { sha256: '0'.repeat(64) })).body.error).toBe('approval_stale')
  expect(await tenant.owner.post(approve, { sha256: shown.sha256 })).toMatchObject({ status: 200 })
  expect(await tenant.settled(held.body.request_id)).toMatchObject({
    status: 'blocked',
    reason: 'dlp_blocked',
  })

  const second = await message(tenant, 2, { text: 'Nothing secret.' })
  await made(second.body.approval_queue_id)
  const rejected = await tenant.owner.post(`${approvals}/${second.body.approval_queue_id}/reject`, {
    reason: 'no',
  })
  expect(rejected.body).toMatchObject({
    status: 'rejected',
    decision_reason: 'no',
    message_status: 'rejected',
  })
  const third = await message(tenant, 3, { text: 'Nothing secret.' })
  await made(third.body.approval_queue_id)
  await tenant.owner.post(`${approvals}/${third.body.approval_queue_id}/approve`)
  expect((await tenant.settled(third.body.request_id)).status).toBe('delivered')
  const page = await tenant.get(`${approvals}?limit=2`)
  expect(page.body).toMatchObject({ has_more: true, next_cursor: second.body.approval_queue_id })
  expect((await tenant.get(`${approvals}?cursor=${page.body.next_cursor}`)).body.data).toHaveLength(1)
})
