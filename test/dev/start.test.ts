import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import {
  type DevServer,
  ROOT,
  runProgram,
  sleep,
  startDev,
  startProgram,
  startWrangler,
} from '../support/program.ts'

const DEMO_KEY = 'mm_live_DemoKeyForLocalDevelopmentOnlyDoNotDeployIt43KvlP'

const PASSED = [
  'deduplication',
  'suppression',
  'cooldown',
  'rate_limit_hourly',
  'rate_limit_daily',
  'consent',
]

/** A send without a stored template. */
const INLINE = { templateId: '_default', payload: { subject: 'Hello', text: 'It works.' } }

test('npm run dev prints a call that works, and the demo world behaves as published', async () => {
  const server = await started(startDev(await freshState()))
  const printed = /^ {2}curl [\s\S]*?'$/m.exec(server.output())?.[0] ?? ''
  expect(printed).toContain('"dedupeKey":"onboarding-alice-step1"')

  const first = await shell(printed)
  expect(first).toEqual({
    requestId: expect.any(String),
    status: 'queued',
    policyTrace: {
      decision: { allow: true },
      auditEvents: PASSED.map((rule) => ({ rule, passed: true })),
    },
  })
  const { requestId } = first
  const arrived = await within(5_000, async () => {
    const { body } = await call(server, 'GET', '/dev/outbox?to=alice@example.com')
    return body.items[0]
  })
  expect(arrived).toMatchObject({
    sendId: requestId,
    recipient: 'alice@example.com',
    subject: 'Welcome, Alice',
  })
  expect(arrived.html).toContain('14 days')
  const page = await call(server, 'GET', '/dev/outbox', { headers: { accept: 'text/html' } })
  expect(page.body).toContain('Welcome, Alice')

  const trace = await within(5_000, async () => {
    const { body } = await call(server, 'GET', `/v1/agent/sends/${requestId}`, { key: DEMO_KEY })
    return body.status === 'delivered' ? body : undefined
  })
  expect(trace.trace.map((step: { kind: string }) => step.kind)).toEqual([
    'decision',
    'render',
    'routing',
    'delivery',
  ])
  expect(trace.policyDecision).toMatchObject({ allow: true })
  expect(trace.attempts).toMatchObject([{ carrier: 'capture', outcome: 'accepted' }])

  expect(await shell(printed)).toMatchObject({ status: 'duplicate', requestId })

  const soon = await shell(printed.replace('onboarding-alice-step1', 'onboarding-alice-step2'))
  expect(soon).toMatchObject({
    status: 'blocked',
    reason: 'cooldown',
    policyTrace: { decision: { allow: false, reason: 'cooldown' } },
  })
  expect(Date.parse(soon.cooldownExpiresAt)).toBeGreaterThan(Date.now())
  expect(soon.policyTrace.cooldownExpiresAt).toBe(soon.cooldownExpiresAt)

  const bob = await shell(printed.replaceAll('alice', 'bob'))
  expect(bob).toMatchObject({ status: 'blocked', reason: 'suppressed' })
  expect(bob.policyTrace.auditEvents.at(-1)).toMatchObject({ rule: 'suppression', passed: false })

  const newcomer = await register(server)
  expect(await send(server, newcomer.api_key, INLINE)).toMatchObject({
    status: 200,
    body: { status: 'blocked', reason: 'trust_required' },
  })
})

test('DEMO_KEY replaces the demo key, AUTO_CLAIM lets a newcomer send at once, and CARRIERS has mail leave by Cloudflare', async () => {
  const env = { DEMO_KEY: 'a-key-of-my-own', AUTO_CLAIM: '1', CARRIERS: 'cloudflare:1' }
  const server = await started(startDev(await freshState(), env))
  expect(server.output()).toContain('Authorization: Bearer a-key-of-my-own')
  const printed = /^ {2}curl [\s\S]*?'$/m.exec(server.output())?.[0] ?? ''
  expect(await shell(printed)).toMatchObject({ status: 'queued' })
  expect(await send(server, DEMO_KEY, { dedupeKey: 'k2' })).toMatchObject({ status: 401 })

  const newcomer = await register(server)
  expect(await send(server, newcomer.api_key, INLINE)).toMatchObject({
    status: 200,
    body: { status: 'queued' },
  })

  const payload = { subject: 'Grüße', text: 'Hallo Eve.', html: '<p>Hallo Eve.</p>' }
  const asked = { recipientEmail: 'eve@example.com', templateId: '_default', payload }
  const { requestId } = (await send(server, env.DEMO_KEY, asked)).body
  const sent = await within(10_000, async () => {
    const { body } = await call(server, 'GET', '/cdn-cgi/local/explorer/api/local/email/sending')
    return body.result.find(({ to }: { to: string[] }) => to.includes('eve@example.com'))
  })
  expect(sent).toMatchObject({
    from: '"Demo" <demo@moltpost.test>',
    to: ['eve@example.com'],
    subject: 'Grüße',
    headers: { 'X-Moltpost-Send-Id': requestId },
  })
})

test('plain wrangler dev opens the demo world at the first request', async () => {
  const server = await started(startWrangler(await freshState()))
  expect(await send(server, DEMO_KEY, {})).toMatchObject({ status: 200, body: { status: 'queued' } })
  await within(5_000, async () => {
    const { body } = await call(server, 'GET', '/dev/outbox?to=alice@example.com')
    return body.items[0]
  })
})

test('without LOCAL=1 there is no demo world and no /dev', async () => {
  const state = await freshState()
  await runProgram('node_modules/.bin/wrangler', [
    ...['d1', 'migrations', 'apply', 'moltpost'],
    ...['--local', '--persist-to', state],
  ])
  const server = await started(startWrangler(state, ['--var', 'LOCAL:0', '--var', 'AUTO_CLAIM:1']))
  expect(await call(server, 'GET', '/health')).toMatchObject({ status: 200 })
  expect(await call(server, 'GET', '/dev/outbox')).toMatchObject({ status: 404 })
  expect(await send(server, DEMO_KEY, {})).toMatchObject({ status: 401 })
  const newcomer = await register(server)
  expect(await send(server, newcomer.api_key, INLINE)).toMatchObject({
    body: { status: 'blocked', reason: 'trust_required' },
  })
})

test('npm run dev refuses an invalid port and a port that is taken, and says so', async () => {
  const taken = createServer().listen(0, 'localhost')
  onTestFinished(() => void taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  for (const [given, expected, words] of [
    ['http', 2, 'PORT must be a port number, not "http".'],
    [String(port), 1, `Port ${port} is taken.`],
  ] as const) {
    const program = startProgram('npm', ['run', 'dev'], { PORT: given })
    onTestFinished(() => program.kill())
    expect(await within(10_000, async () => program.code() ?? undefined)).toBe(expected)
    expect(program.output()).toContain(words)
    expect(program.output()).not.toContain('ready')
  }
})

async function freshState() {
  const folder = await mkdtemp(join(tmpdir(), 'moltpost-start-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function started(starting: Promise<DevServer>) {
  const server = await starting
  onTestFinished(() => server.kill())
  return server
}

/** Runs a command line as a person would and reads the JSON it prints. */
async function shell(line: string) {
  const { stdout } = await promisify(execFile)('sh', ['-c', line], { cwd: ROOT })
  return JSON.parse(stdout)
}

async function call(
  server: DevServer,
  method: string,
  path: string,
  { key, body, headers = {} }: { key?: string; body?: unknown; headers?: Record<string, string> } = {},
) {
  const response = await fetch(`${server.address}${path}`, {
    method,
    headers: {
      ...(key ? { authorization: `Bearer ${key}` } : {}),
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  return { status: response.status, body: isJson ? JSON.parse(text) : text }
}

async function register(server: DevServer) {
  const { status, body } = await call(server, 'POST', '/v1/agents/register', {
    body: { name: 'Research Bot' },
  })
  expect(status).toBe(201)
  return body
}

async function send(server: DevServer, key: string, change: Record<string, unknown>) {
  const asked = {
    recipientEmail: 'alice@example.com',
    templateId: 'onboarding-welcome',
    dedupeKey: 'k1',
    payload: { firstName: 'Alice', trialDays: 14 },
    ...change,
  }
  return await call(server, 'POST', '/v1/agent/request-send', { key, body: asked })
}

async function within<Value>(ms: number, check: () => Promise<Value | undefined>): Promise<Value> {
  for (const until = Date.now() + ms; Date.now() < until; await sleep(50)) {
    const value = await check()
    if (value !== undefined) return value
  }
  throw new Error(`it did not happen within ${ms} ms`)
}
