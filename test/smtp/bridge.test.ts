import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { simpleParser } from 'mailparser'
import { createTransport, type SendMailOptions } from 'nodemailer'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SharedDev } from '../support/peer-dev.ts'
import { freePort, type Program, runProgram, sleep, startProgram } from '../support/program.ts'
import { sharedDev } from '../support/shared-dev.ts'

// biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the wire brings
type Body = any

let server: SharedDev
let smtp: Program
let port: number
let tlsPort: number

beforeAll(async () => {
  server = await sharedDev('claimed')
  ;({ smtpPort: port, smtpTlsPort: tlsPort } = server)
  smtp = await startBridge(server.address, port, tlsPort)
}, 90_000)

afterAll(async () => {
  await smtp?.kill('SIGTERM')
})

test('a message from nodemailer arrives unchanged, is in Sent, and its trace names the credential', async () => {
  const agent = await newAgent()
  expect(agent.login).toMatchObject({ host: 'localhost', ports: [port, tlsPort], username: agent.address })
  const [ann, carl, blind] = [fresh('ann'), fresh('carl'), fresh('blind')]
  const picture = randomBytes(3_000)
  const document = randomBytes(20_000)
  const mail: SendMailOptions = {
    from: { name: 'Any Name', address: agent.address },
    to: { name: 'Ann Ångström', address: ann },
    cc: carl,
    bcc: blind,
    replyTo: 'desk@example.com',
    subject: 'Grüße aus Köln — 日本語 ✓',
    text: 'Žluťoučký kůň\n\n.a line that begins with a dot\nund Schluß',
    html: '<p>Žluťoučký kůň <img src="cid:logo@here" alt="logo"> und Schluß</p>',
    headers: { 'X-Campaign': 'Frühling', 'List-Id': '<news.example.com>' },
    attachments: [
      { filename: 'Übersicht 2026.pdf', content: document, contentType: 'application/pdf' },
      { filename: 'logo.png', content: picture, contentType: 'image/png', cid: 'logo@here' },
      { filename: 'notes.txt', content: 'plain words', contentType: 'text/plain' },
    ],
  }
  const { response } = await transport(agent.login).sendMail(mail)
  const requestId = requestIn(response)
  expect(response).toMatch(/^250 2\.0\.0 Ok: queued as req_/)

  for (const recipient of [ann, carl, blind]) {
    const raw = await arrived(recipient)
    expect(raw).not.toContain(blind)
    const read = await simpleParser(raw)
    expect(read).toMatchObject({
      subject: mail.subject,
      from: { value: [{ address: agent.address }] },
      to: { value: [{ name: 'Ann Ångström', address: ann }] },
      cc: { value: [{ address: carl }] },
      replyTo: { value: [{ address: 'desk@example.com' }] },
    })
    expect(read.text?.trim()).toBe(mail.text)
    expect(raw).toContain(`X-Campaign: =?utf-8?B?${Buffer.from('Frühling').toString('base64')}?=`)
    expect(raw).toMatch(/^List-Id: <news\.example\.com>$/m)
    const files = new Map(read.attachments.map((file) => [file.filename, file]))
    expect(files.get('Übersicht 2026.pdf')).toMatchObject({
      contentType: 'application/pdf',
      content: document,
    })
    expect(files.get('logo.png')).toMatchObject({ cid: 'logo@here', related: true, content: picture })
    expect(files.get('notes.txt')?.content.toString()).toBe('plain words')
    // The parser has put the picture into the HTML.
    expect(read.html).toContain(`data:image/png;base64,${picture.toString('base64')}`)
    expect(
      String(read.html)
        .replace(/<[^>]*>/g, '')
        .trim(),
    ).toBe('Žluťoučký kůň  und Schluß')
  }
  const trace = await agent.get(`/v1/agent/sends/${requestId}`)
  expect(trace.trace[0]).toMatchObject({ kind: 'decision', body: { askedBy: `smtp:${agent.login.id}` } })
  const { messages } = await agent.get('/email/sent')
  expect(messages[0]).toMatchObject({ subject: mail.subject, to_addresses: [ann], cc_addresses: [carl] })

  const implicit = createTransport({ ...options(agent.login), port: tlsPort, secure: true })
  const second = await implicit.sendMail({ from: agent.address, to: ann, subject: 'Over TLS', text: 'x' })
  expect(second.response).toMatch(/^250 2\.0\.0/)
})

test('a repeated message is one send; a reply joins its thread; a held message is accepted', async () => {
  const agent = await newAgent()
  const contact = fresh('ann')
  const mail = {
    from: agent.address,
    to: contact,
    subject: 'Once',
    text: 'Once.',
    messageId: '<once@client.example>',
  }
  const client = transport(agent.login)
  const answers = await Promise.all([1, 2, 3].map(() => client.sendMail(mail)))
  const [requestId] = [...new Set(answers.map(({ response }) => requestIn(response)))]
  expect(new Set(answers.map(({ response }) => response)).size).toBe(1)

  const reply = await client.sendMail({
    ...{ from: agent.address, to: contact, subject: 'Re: Once', text: 'And on.' },
    inReplyTo: '<once@client.example>',
  })
  const thread = async (id: string) =>
    (await agent.get(`/v1/messages/${id.replace('req_', 'msg_')}`)).thread_id
  expect(await thread(requestIn(reply.response))).toBe(await thread(String(requestId)))

  const internal = await newAgent()
  const inside = await client.sendMail({
    from: agent.address,
    to: internal.address,
    subject: 'Inside',
    text: 'x',
  })
  expect(inside.response).toMatch(/^250 2\.0\.0 Ok: delivered as req_/)
  expect((await internal.get('/v1/messages')).data).toMatchObject([{ subject: 'Inside' }])

  await agent.patch(`/v1/agent/mailboxes/${agent.mailboxId}/autonomy`, { autonomyLevel: 1 })
  const held = await client.sendMail({ from: agent.address, to: contact, subject: 'Held', text: 'x' })
  expect(held.response).toMatch(/^250 2\.0\.0 Ok: held for approval as req_\w+ \(apq_\w+\)$/)
  expect((await agent.get(`/v1/agent/sends/${requestIn(held.response)}`)).status).toBe('pending_approval')
})

test('each refusal comes at its SMTP command, with its reply code', async () => {
  const agent = await newAgent()
  const client = transport(agent.login)
  const [ann, carl, listed] = [fresh('ann'), fresh('carl'), fresh('listed')]
  const to = (recipient: string | string[], more: SendMailOptions = {}) =>
    client.sendMail({ from: agent.address, to: recipient, subject: 'Hello', text: 'x', ...more })

  const wrong = { ...agent.login, password: `${agent.login.password.slice(0, -6)}000000` }
  for (const authMethod of ['PLAIN', 'LOGIN']) {
    expect(await refused(createTransport({ ...options(wrong), authMethod }).sendMail({}))).toMatch(
      /^535 5\.7\.8 /,
    )
  }
  const byLogin = await createTransport({ ...options(agent.login), authMethod: 'LOGIN' }).verify()
  expect(byLogin).toBe(true)

  await agent.post('/v1/suppressions', { recipientEmail: listed, reasonCode: 'manual_dnc' })
  expect(await refused(to(listed))).toMatch(/^550 5\.7\.1 suppressed: /)
  // The other recipients get the message, and the client learns which one was rejected.
  const partly = await to([listed, ann])
  expect(partly).toMatchObject({ accepted: [ann], rejected: [listed], response: /^250 2\.0\.0/ })
  expect(await refused(to(`nobody-${ann.split('@')[0]}@moltpost.test`))).toMatch(
    /^550 5\.1\.1 no_such_mailbox/,
  )

  expect(await refused(to(ann, { from: 'ceo@moltpost.test' }))).toMatch(/^550 5\.7\.1 sender_not_allowed/)
  const envelope = { from: agent.address, to: [ann] }
  const forged = `From: ceo@moltpost.test\r\nTo: ${ann}\r\nSubject: Pay\r\n\r\nnow\r\n`
  expect(await refused(client.sendMail({ envelope, raw: forged }))).toMatch(/^550 5\.7\.1 sender_not_allowed/)
  const twice = `From: ${agent.address}\r\nFrom: ceo@moltpost.test\r\nTo: ${ann}\r\n\r\nnow\r\n`
  expect(await refused(client.sendMail({ envelope, raw: twice }))).toMatch(/^550 5\.6\.0 malformed_message/)
  const injected = `From: ${agent.address}\r\nSubject: =?utf-8?Q?Hi=0D=0ABcc:_${carl.replace('@', '=40')}?=\r\n\r\nx\r\n`
  expect(await refused(client.sendMail({ envelope, raw: injected }))).toMatch(
    /^550 5\.6\.0 malformed_message/,
  )
  const program = { filename: 'a.exe', content: 'MZ' }
  expect(await refused(to(ann, { attachments: [program] }))).toMatch(/^550 5\.7\.1 blocked_attachment_type/)
  const large = { filename: 'large.bin', content: randomBytes(8_000_000) }
  expect(await refused(to(ann, { attachments: [large] }))).toMatch(/^552 5\.3\.4 /)

  await agent.patch('/v1/oversight/dlp', { mode: 'block' })
  const leak = `My password is ${agent.login.password}.`
  expect(await refused(to(ann, { text: leak }))).toMatch(/^550 5\.7\.1 dlp_blocked/)
  expect(await refused(to(ann, { attachments: [{ filename: 'notes.txt', content: leak }] }))).toMatch(
    /^550 5\.7\.1 dlp_blocked/,
  )
  const canary = await agent.post('/v1/oversight/canaries', { label: 'planted' })
  expect(canary.value).toEqual(expect.any(String))
  expect(await refused(to(ann, { html: `<p title="${canary.value}">x</p>` }))).toMatch(
    /^550 5\.7\.1 canary_violation/,
  )

  await agent.patch(`/v1/agent/mailboxes/${agent.mailboxId}`, { cooldownMinutes: 10 })
  expect((await to(ann)).response).toMatch(/^250 2\.0\.0/)
  expect(await refused(to(ann))).toMatch(/^451 4\.7\.1 cooldown: .* Try again in \d+ s\.$/)
  await agent.patch(`/v1/agent/mailboxes/${agent.mailboxId}`, { hourlyLimit: 3 })
  const open = createTransport({ ...options(agent.login), pool: true, maxConnections: 1 })
  const third = { from: agent.address, to: carl, subject: 'Hello', text: 'x' }
  expect((await open.sendMail(third)).response).toMatch(/^250 2\.0\.0/)
  expect(await refused(to(fresh('late')))).toMatch(/^451 4\.7\.1 rate_limited: .* Try again in \d+ s\.$/)

  await agent.delete(`/v1/smtp-credentials/${agent.login.id}`)
  expect(await refused(to(carl))).toMatch(/^535 5\.7\.8 /)
  // The session that was already open cannot send either.
  expect(await refused(open.sendMail(third))).toMatch(/^550 5\.7\.8 /)
  open.close()
})

test('login needs TLS, and the server announces its limits', async () => {
  const agent = await newAgent()
  const plain = Buffer.from(`\0${agent.login.username}\0${agent.login.password}`).toString('base64')
  const said = await dialogue(port, [
    'EHLO client.example',
    `AUTH PLAIN ${plain}`,
    `MAIL FROM:<${agent.address}>`,
    'QUIT',
  ])
  expect(said[0]).toMatch(/^220 localhost ESMTP/)
  expect(said[1]).toMatch(/^250-/)
  expect(said[1]).toContain('STARTTLS')
  expect(said[1]).toContain('8BITMIME')
  expect(said[1]).toContain('SMTPUTF8')
  expect(said[1]).toContain('ENHANCEDSTATUSCODES')
  expect(said[1]).not.toContain('AUTH ')
  expect(said[2]).toMatch(/^538 5\.7\.0 /)
  expect(said[3]).toMatch(/^530 5\.7\.0 .*STARTTLS/)
  const limits: Body = await (
    await fetch(`${server.address}/v1/smtp/session`, {
      headers: {
        authorization: `Basic ${Buffer.from(`${agent.login.username}:${agent.login.password}`).toString('base64')}`,
      },
    })
  ).json()
  expect(said[1]).toContain(`SIZE ${limits.max_message_bytes}`)
})

test('if Moltpost does not answer, clients are told to try later; failed logins are counted', async () => {
  const [own, ownTls] = [await freePort(), await freePort()]
  const nobody = await freePort()
  const away = await startBridge(`http://localhost:${nobody}`, own, ownTls)
  const who = { username: 'a@moltpost.test', password: 'mm_smtp_x' }
  const login = createTransport({ ...options(who), port: own })
  expect(await refused(login.sendMail({}))).toMatch(/^454 4\.7\.0 /)
  await away.kill('SIGTERM')
  expect(away.output()).toContain('"event":"stopped"')

  const strict = await startBridge(server.address, own, ownTls, { SMTP_SUBMISSION_FAILURES: '2' })
  for (const code of [535, 535, 421])
    expect(await refused(login.sendMail({}))).toMatch(new RegExp(`^${code} `))
  await strict.kill('SIGTERM')
})

test('the log of the bridge contains no addresses and no passwords', async () => {
  const agent = await newAgent()
  await transport(agent.login).sendMail({
    from: agent.address,
    to: fresh('ann'),
    subject: 'Secret',
    text: 'x',
  })
  expect(smtp.output()).toContain('"event":"message"')
  for (const line of smtp
    .output()
    .split('\n')
    .filter((text) => text.startsWith('{'))) {
    expect(line).not.toMatch(/@|mm_smtp_|Secret/)
  }
})

test('swaks submits mail with STARTTLS and AUTH', async (context) => {
  const { code } = await runProgram('sh', ['-c', 'command -v swaks'], { mayFail: true })
  if (code !== 0) return context.skip('swaks is not installed')
  const agent = await newAgent()
  const ann = fresh('ann')
  for (const auth of ['PLAIN', 'LOGIN']) {
    const { output } = await runProgram('swaks', [
      ...['--server', `127.0.0.1:${port}`, '--tls', '--auth', auth, '--from', agent.address, '--to', ann],
      ...['--auth-user', agent.login.username, '--auth-password', agent.login.password],
      ...['--h-Subject', `By swaks ${auth}`, '--body', 'Hello from swaks.'],
    ])
    expect(output).toMatch(/^<~ +250 2\.0\.0 Ok: queued as req_/m)
    const read = await simpleParser(await arrived(ann, `By swaks ${auth}`))
    expect(read.text?.trim()).toBe('Hello from swaks.')
  }
  const open = await runProgram(
    'swaks',
    ['--server', `127.0.0.1:${port}`, '--from', agent.address, '--to', ann],
    { mayFail: true },
  )
  expect(open.output).toMatch(/^<\*\* 530 5\.7\.0 /m)
})

type Login = { username: string; password: string }

const options = ({ username, password }: Login) => ({
  host: '127.0.0.1',
  port,
  secure: false,
  requireTLS: true,
  tls: { rejectUnauthorized: false },
  auth: { user: username, pass: password },
})
const transport = (login: Login) => createTransport(options(login))

/** The reply line that refused a message. */
async function refused(sending: Promise<unknown>): Promise<string> {
  const error = await sending.then(
    () => null,
    (thrown: { response?: string; rejectedErrors?: { response?: string }[] }) => thrown,
  )
  return error?.rejectedErrors?.[0]?.response ?? error?.response ?? `no refusal: ${JSON.stringify(error)}`
}

function requestIn(response: string): string {
  return /req_\w+/.exec(response)?.[0] ?? `no request in ${response}`
}

let count = 0
const fresh = (name: string) => `${name}-${Date.now().toString(36)}-${count++}@example.com`

async function startBridge(
  api: string,
  own: number,
  tls: number,
  more: Record<string, string> = {},
): Promise<Program> {
  const program = startProgram('npm', ['run', 'smtp'], {
    SMTP_SUBMISSION_API: api,
    SMTP_SUBMISSION_PORT: String(own),
    SMTP_SUBMISSION_TLS_PORT: String(tls),
    ...more,
  })
  for (let left = 600; !program.output().includes('"listening"'); left--) {
    if (left === 0 || program.code() !== null)
      throw new Error(`the bridge does not start:\n${program.output()}`)
    await sleep(50)
  }
  return program
}

/** The greeting of a server, then its reply to each of these lines. */
async function dialogue(at: number, lines: string[]): Promise<string[]> {
  const socket = connect(at, '127.0.0.1').setEncoding('utf8')
  await once(socket, 'connect')
  const replies: string[] = []
  let open = ''
  for await (const chunk of socket as AsyncIterable<string>) {
    open += chunk
    if (!/^\d{3} .*\r\n$/m.test(open)) continue
    replies.push(open)
    open = ''
    const next = lines.shift()
    if (next === undefined) break
    socket.write(`${next}\r\n`)
  }
  return replies
}

/** A claimed agent in a new tenant, with an SMTP credential. */
async function newAgent() {
  const name = `SMTP ${Date.now().toString(36)} ${count++}`
  const made = await call('POST', '/v1/agents/register', null, { name })
  const key = String(made.api_key)
  const login = await call('POST', '/v1/smtp-credentials', key, { name: 'test' })
  return {
    address: String(made.agent.email),
    mailboxId: String(made.mailbox_id),
    login: login as Login & { id: string },
    get: (path: string) => call('GET', path, key),
    post: (path: string, body: unknown) => call('POST', path, key, body),
    patch: (path: string, body: unknown) => call('PATCH', path, key, body),
    delete: (path: string) => call('DELETE', path, key),
  }
}

async function call(method: string, path: string, key: string | null, body?: unknown): Promise<Body> {
  const response = await fetch(`${server.address}${path}`, {
    method,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return text === '' ? null : JSON.parse(text)
}

/** The raw bytes of the message that this recipient received. */
async function arrived(recipient: string, subject?: string): Promise<string> {
  for (let left = 200; left > 0; left--) {
    const { items } = await call('GET', `/dev/outbox?to=${recipient}`, null)
    const found = items.find((item: Body) => subject === undefined || item.subject === subject)
    if (found) return found.raw
    await sleep(100)
  }
  throw new Error('it has not arrived')
}
