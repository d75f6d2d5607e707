import { execFile, spawnSync } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createTransport } from 'nodemailer'
import { freePort, ROOT, sleep, startDev, startProgram } from '../../test/support/program.ts'

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  console.log(`Usage: npm run prove -- inbound

Sends messages with swaks and nodemailer to exim4. exim4 adds the Authentication-Results of mailauth and passes each message
to the email() handler of the Worker under npm run dev. Checks that the messages arrive complete and in the right thread.
Needs root and the Debian packages swaks and exim4-daemon-heavy. Takes no arguments.`)
  process.exit(0)
}

const NEEDED = ['swaks', 'exim4']
const missing = NEEDED.filter((name) => spawnSync('which', [name]).status !== 0)
if (missing.length > 0) {
  console.error(`Not installed: ${missing.join(', ')}. Run: apt-get install -y swaks exim4-daemon-heavy`)
  process.exit(2)
}

const run = promisify(execFile)
const folder = await mkdtemp(join(tmpdir(), 'moltpost-inbound-'))
const server = await startDev(join(folder, 'state'), { AUTO_CLAIM: '1', AUTHSERV_IDS: 'mx.moltpost.test' })
const port = await freePort()
const exim = await startExim()
const failures: string[] = []
try {
  const agent = await post('/agents/register', { agent_id: `mail-${Date.now().toString(36)}` })
  const key = String(agent.api_key)
  const address = String(agent.email_address)

  await swaks([
    '--to',
    address,
    '--from',
    'ann@example.com',
    '--h-Subject',
    'By swaks',
    '--body',
    'Hello from swaks.',
  ])
  const [first] = await arrived(key, 1)
  check(
    'a message from swaks arrives through exim4',
    first?.subject === 'By swaks' && first.body_text?.includes('Hello from swaks.'),
  )
  check('its sender is right', first?.from_address === 'ann@example.com' && first.from_agent_id === null)
  check(
    'its authentication has the verdicts of mailauth',
    JSON.stringify(first?.authentication) === JSON.stringify(await verdicts()),
  )

  const nobody = new URLSearchParams({ from: 'ann@example.com', to: 'nobody@moltpost.test', format: 'json' })
  const refusal = await fetch(`${server.address}/cdn-cgi/handler/email?${nobody}`, {
    method: 'POST',
    body: 'From: ann@example.com\r\nTo: nobody@moltpost.test\r\nMessage-ID: <x@example.com>\r\n\r\nx\r\n',
  })
  check('an unknown recipient is refused with 550 5.1.1', /550 5\.1\.1/.test(await refusal.text()))

  const sent = await post(
    '/email/send',
    { to: ['bob@example.com'], subject: 'A question', body_text: 'Shall we meet?' },
    key,
  )
  const outgoing = await eventually(async () => {
    const { items } = await get('/dev/outbox?to=bob@example.com')
    return items[0]
  })
  const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true })
  await transport.sendMail({
    from: 'Bob <bob@example.com>',
    to: address,
    subject: 'Re: A question',
    inReplyTo: `<${outgoing.messageId}>`,
    references: [`<${outgoing.messageId}>`],
    text: 'Gladly.\n\nOn Mon, 16 Nov 2026 at 10:00, Mail <mail@moltpost.test> wrote:\n> Shall we meet?\n',
    attachments: [{ filename: 'plan.pdf', content: Buffer.from('%PDF-1.4') }],
  })
  const reply = (await arrived(key, 2))[0]
  check(
    'a reply from nodemailer arrives in the thread of the message that it answers',
    reply?.thread_id === sent.thread_id,
  )
  check('the reply names the message that it answers', reply?.in_reply_to === sent.message_id)
  check('its new text is separated from the quoted text', reply?.reply_text === 'Gladly.')
  check('its attachment is kept', reply?.attachments?.[0]?.filename === 'plan.pdf')
  const { messages } = await get(`/email/thread/${sent.thread_id}`, key)
  check(
    'the thread contains both messages, in order',
    messages.map(({ subject }: Mail) => subject).join() === 'A question,Re: A question',
  )

  await Promise.all(
    Array.from({ length: 5 }, (_, nth) =>
      transport.sendMail({ from: 'carol@example.com', to: address, subject: `At once ${nth}`, text: 'x' }),
    ),
  )
  check('five messages at the same time all arrive', (await arrived(key, 7)).length === 7)
} catch (error) {
  failures.push(String(error))
  console.error(await readFile(join(folder, 'mainlog'), 'utf8').catch(() => exim.output()))
} finally {
  await exim.kill('SIGTERM')
  await server.kill('SIGTERM')
  await rm(folder, { recursive: true, force: true })
}
console.log(failures.length === 0 ? 'All checks passed.' : `Failed: ${failures.join('; ')}`)
process.exit(failures.length === 0 ? 0 : 1)

type Mail = {
  subject: string
  thread_id: string
  in_reply_to: string | null
  from_address: string
  from_agent_id: string | null
  body_text: string | null
  reply_text: string | null
  authentication: Record<string, unknown>
  attachments: { filename: string }[]
}

function check(what: string, isSo: boolean | undefined) {
  console.log(`${isSo ? 'ok  ' : 'FAIL'} ${what}`)
  if (!isSo) failures.push(what)
}

/** Starts exim4 with its own configuration. It passes every message to the Worker. */
async function startExim() {
  const gateway = join(folder, 'gateway.sh')
  await writeFile(
    gateway,
    `#!/bin/sh\nexec ${process.execPath} ${join(ROOT, 'bench/prove/inbound-gateway.ts')} ${server.address} "$SENDER" "$LOCAL_PART@$DOMAIN" ${folder}\n`,
  )
  await chmod(gateway, 0o755)
  const config = join(folder, 'exim.conf')
  await writeFile(
    config,
    `
primary_hostname = mx.moltpost.test
spool_directory = ${folder}/spool
log_file_path = ${folder}/%slog
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${port}
tls_advertise_hosts =
acl_smtp_rcpt = accept
keep_environment =
deliver_drop_privilege = true
begin acl
begin routers
worker:
  driver = accept
  domains = moltpost.test
  transport = worker
begin transports
worker:
  driver = pipe
  command = ${gateway}
  environment = "SENDER=$sender_address:LOCAL_PART=$local_part:DOMAIN=$domain"
  return_fail_output
begin retry
*  *  F,1h,1m
`,
  )
  await chmod(folder, 0o777)
  const program = startProgram('exim4', ['-C', config, '-bdf', '-q1m'])
  await sleep(1_000)
  if (program.code() !== null) throw new Error(`exim4 did not start:\n${program.output()}`)
  return program
}

async function swaks(args: string[]): Promise<void> {
  const common = ['--server', `127.0.0.1:${port}`, '--helo', 'client.example.com']
  await run('swaks', [...common, ...args])
}

async function verdicts() {
  return JSON.parse(await readFile(join(folder, 'verdicts.json'), 'utf8')) as Record<string, unknown>
}

async function arrived(key: string, count: number): Promise<Mail[]> {
  return await eventually(async () => {
    const { messages } = await get('/email/inbox', key)
    return messages.length >= count ? (messages as Mail[]) : undefined
  })
}

async function eventually<Value>(ask: () => Promise<Value | undefined>): Promise<Value> {
  for (let left = 150; left > 0; left--) {
    const value = await ask()
    if (value !== undefined) return value
    await sleep(200)
  }
  throw new Error('no answer within 30 s was the expected one')
}

// biome-ignore lint/suspicious/noExplicitAny: the type of an answer depends on the route
type Wire = Record<string, any>

async function get(path: string, key?: string): Promise<Wire> {
  const headers: Record<string, string> = key ? { 'x-api-key': key } : {}
  return (await (await fetch(`${server.address}${path}`, { headers })).json()) as Wire
}

async function post(path: string, body: unknown, key?: string): Promise<Wire> {
  const headers = { 'content-type': 'application/json', ...(key ? { 'x-api-key': key } : {}) }
  const answer = await fetch(`${server.address}${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
  return (await answer.json()) as Wire
}
