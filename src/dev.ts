import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DEMO, DEMO_OWNER_KEY, demoKey } from './core/local/demo-world.ts'

/** How often the Worker gets a request that starts its local sweep, in ms. */
const PING_EVERY_MS = 1_000

const root = join(import.meta.dirname, '..')
const port = Number(process.env.PORT || 8787)
const state = process.env.MOLTPOST_STATE || '.wrangler/state'
const address = `http://localhost:${port}`

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  console.log(`Usage: npm run dev

Starts Moltpost locally with a demo world and prints a call that works.

Environment
  PORT             port to listen on (default 8787)
  MOLTPOST_STATE   folder of the local state (default .wrangler/state)
  DEMO_KEY         the demo tenant's key, instead of the well-known one
  AUTO_CLAIM=1     agents that register count as claimed and verified at once`)
  process.exit(0)
}
if (!Number.isInteger(port) || port < 1 || port > 65_535) {
  console.error(`PORT must be a port number, not "${process.env.PORT}".`)
  process.exit(2)
}
if (!(await isFree())) {
  console.error(
    `Port ${port} is taken. Stop the program that uses it, or choose another port: PORT=8788 npm run dev`,
  )
  process.exit(1)
}

const settings = [
  'AUTO_CLAIM',
  'DEMO_KEY',
  'MAIL_DOMAIN',
  'CARRIERS',
  'TOKEN_SECRET',
  'OPERATOR_KEY',
  'AUTHSERV_IDS',
  'DNS_RESOLVER',
  'NAMESERVERS',
  'SPF_INCLUDE',
  'EGRESS_ALLOW',
  'REGISTRATIONS_PER_HOUR',
  'REGISTRATIONS_PER_DAY',
].flatMap((name) => {
  const value = process.env[name]
  return value ? ['--var', `${name}:${value}`] : []
})
const carriers = Object.keys(process.env).filter((name) =>
  /^(SMTP|SES|RESEND|POSTMARK|SENDGRID|MAILGUN|MODEL|STRIPE)_/.test(name),
)
for (const name of carriers) settings.push('--var', `${name}:${process.env[name]}`)

const worker = spawn(
  process.execPath,
  [
    'node_modules/wrangler/bin/wrangler.js',
    ...['dev', '--port', String(port), '--persist-to', state, '--inspector-port', '0'],
    ...['--show-interactive-dev-session', 'false', '--var', `PUBLIC_URL:${address}`],
    ...settings,
  ],
  {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false', X_LOCAL_OBSERVABILITY: 'false' },
  },
)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => worker.kill(signal))
worker.on('exit', (code) => process.exit(code ?? 0))

while (!(await answers())) await new Promise((resolve) => setTimeout(resolve, 200))
console.log(welcome())
setInterval(answers, PING_EVERY_MS)

/** Checked first, because another program on this port would answer our ping. */
async function isFree(): Promise<boolean> {
  const server = createServer().listen(port, 'localhost')
  try {
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return true
  } catch {
    return false
  }
}

async function answers(): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/health`).catch(() => null)
  await response?.body?.cancel()
  return response?.ok === true
}

function welcome(): string {
  const key = demoKey({ DEMO_KEY: process.env.DEMO_KEY })
  return `
Moltpost is ready at ${address}

  tenant    ${DEMO.tenantId}
  mailbox   ${DEMO.mailboxId}
  key       ${key}
  owner     ${DEMO_OWNER_KEY} (may approve)
  outbox    ${address}/dev/outbox
  portal    ${address}/dev/sign-in (signs the demo owner in)
  API       ${address}/docs (as OpenAPI: /openapi.json)

Try it:

  curl -X POST ${address}/v1/agent/request-send \\
    -H "Authorization: Bearer ${key}" \\
    -H "Content-Type: application/json" \\
    -d '{"tenantId":"${DEMO.tenantId}","mailboxId":"${DEMO.mailboxId}","recipientEmail":"alice@example.com","templateId":"onboarding-welcome","dedupeKey":"onboarding-alice-step1","payload":{"firstName":"Alice","trialDays":14},"sendReason":"onboarding sequence step 1"}'
`
}
