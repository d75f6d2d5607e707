import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DEMO_OWNER_KEY } from '../../src/core/local/demo-world.ts'
import { startDev } from '../../test/support/program.ts'

const INSPECTOR = '@modelcontextprotocol/inspector@2.12.0'
const CONFORMANCE = '@modelcontextprotocol/conformance@0.1.16'

const HELP = `Usage: npm run prove -- mcp [options]

Starts the development server and checks /mcp with two official programs. The Inspector lists the tools in strict mode, where
a schema that some client cannot read is an error. Then it calls every tool with a key, and must be refused without one.
The conformance suite runs its scenarios that need no test tools; DNS rebinding is one of them. The suite sends no keys, so
a proxy on loopback adds one. Exits with 1 if a check fails.

  --programs DIR   a folder with ${INSPECTOR} and
                   ${CONFORMANCE} in node_modules (default: run them with npx)
  --at URL         use this running development server; it must run with AUTO_CLAIM=1
  --help           print this`

/** The scenarios that need only the protocol. The others call tools and resources that only a test server has. */
const SCENARIOS = [
  'server-initialize',
  'ping',
  'tools-list',
  'resources-list',
  'prompts-list',
  'dns-rebinding-protection',
]
/** How long one program may take, in ms. */
const WITHIN_MS = 180_000

const { values } = parseArgs({
  options: {
    programs: { type: 'string' },
    at: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}

const state = await mkdtemp(join(tmpdir(), 'moltpost-mcp-'))
const dev = values.at === undefined ? await startDev(state, { AUTO_CLAIM: '1' }) : null
const address = values.at ?? dev?.address ?? ''
const at = `${address}/mcp`
const failures: string[] = []
const check = (isTrue: boolean, what: string) => {
  if (!isTrue) failures.push(what)
  console.log(`${isTrue ? 'ok  ' : 'FAIL'} ${what}`)
}
try {
  const key = await newAgent()
  await inspectEverything(key)
  await conform(key)
} finally {
  await dev?.kill()
  await rm(state, { recursive: true, force: true })
}
console.log(failures.length === 0 ? '\nAll checks passed.' : `\n${failures.length} checks failed.`)
process.exitCode = failures.length === 0 ? 0 : 1

/** Registers an agent that may send and has one message in its inbox. Returns its key. */
async function newAgent(): Promise<string> {
  const register = async (name: string) =>
    await post<{ api_key: string; agent: { email: string } }>('/v1/agents/register', { name })
  const [agent, writer] = [await register('Inspected'), await register('Writer')]
  await post('/v1/messages', { to: agent.agent.email, subject: 'Hello', text: 'A letter.' }, writer.api_key)
  return agent.api_key
}

async function post<Answer>(path: string, body: unknown, key?: string): Promise<Answer> {
  const response = await fetch(`${address}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return (await response.json()) as Answer
}

type Result = { isError?: boolean; structuredContent?: Record<string, unknown> }

async function inspectEverything(key: string) {
  const inspect = (args: string[], as: string | null = key) =>
    run(INSPECTOR, [
      ...['--cli', at, '--transport', 'http', ...args],
      ...(as === null ? [] : ['--header', `Authorization: Bearer ${as}`]),
    ])

  const listed = await inspect(['--method', 'tools/list', '--strict'])
  check(listed.code === 0, 'the Inspector lists the tools, and every client can read their schemas')
  const { tools } = JSON.parse(listed.output) as { tools: { name: string }[] }
  const called = new Map<string, Record<string, unknown>>()
  const call = async (name: string, given: Record<string, string> = {}, as = key) => {
    const pairs = Object.entries(given).flatMap(([field, value]) => ['--tool-arg', `${field}=${value}`])
    const { code, output } = await inspect(['--method', 'tools/call', '--tool-name', name, ...pairs], as)
    const result = code === 0 ? (JSON.parse(output) as Result) : { isError: true }
    const isFine = result.isError !== true && result.structuredContent !== undefined
    check(isFine, `the Inspector calls ${name}${isFine ? '' : `: ${output.slice(0, 300)}`}`)
    called.set(name, result.structuredContent ?? {})
    return result.structuredContent ?? {}
  }
  const contactEmail = 'ann@example.com'
  const letter = { to: contactEmail, subject: 'Hello', text: 'Hello' }
  const inbox = (await call('list_messages')) as { data?: { id: string; thread_id: string }[] }
  const [message] = inbox.data ?? []
  const id = message?.id ?? 'none'
  const thread = message?.thread_id ?? 'none'
  const sent = (await call('send_message', letter)) as { request_id?: string }
  const lease = (await call('lease_acquire', { contactEmail })) as { id?: string }
  const asked = (await call('propose', { action: 'pause', contactEmail, reason: 'To see' })) as {
    id?: string
  }
  const consensusId = asked.id ?? 'none'
  for (const [name, given] of Object.entries({
    whoami: {},
    send_template: {
      ...{ recipientEmail: contactEmail, templateId: '_default' },
      payload: JSON.stringify({ subject: 'Hello', text: 'Hello' }),
    },
    simulate_send: { recipientEmail: contactEmail, templateId: '_default' },
    send_status: { requestId: sent.request_id ?? 'none' },
    list_templates: {},
    read_message: { id },
    reply: { id, text: 'Thank you' },
    search_mail: { q: 'letter' },
    list_threads: {},
    read_thread: { id: thread },
    mark_thread: { id: thread, read: 'true' },
    classify_intent: { subject: 'Hello', bodyText: 'What does it cost?' },
    next_action: { contactEmail },
    list_leases: {},
    lease_release: { leaseId: lease.id ?? 'none' },
    heartbeat: {},
    list_agents: {},
    vote: { consensusId, vote: 'approve' },
    consensus_status: { consensusId },
    memory_put: { key: 'note', value: 'kept' },
    memory_get: { key: 'note' },
    memory_search: { q: 'kept' },
  })) {
    await call(name, given)
  }
  const missed = tools.filter(({ name }) => !called.has(name)).map(({ name }) => name)
  check(
    missed.length === 0,
    `every one of the ${tools.length} tools was called, not: ${missed.join(', ') || 'none'}`,
  )

  for (const [who, as] of [
    ['no key', null],
    ['an unknown key', `${DEMO_OWNER_KEY.slice(0, -1)}0`],
  ] as const) {
    for (const args of [
      ['--method', 'tools/list'],
      ['--method', 'tools/call', '--tool-name', 'whoami'],
    ]) {
      const refused = await inspect(args, as)
      // After a 401 the Inspector wants to sign in. Without a terminal it reports that it cannot.
      const isRefused = refused.code !== 0 && /401|unauthori[sz]ed|auth_required/i.test(refused.output)
      check(isRefused, `with ${who} the Inspector is refused ${args[1]}`)
    }
  }
}

async function conform(key: string) {
  const proxy = createServer((from, to) => void forward(from, to, key)).listen(0, 'localhost')
  await once(proxy, 'listening')
  const url = `http://localhost:${(proxy.address() as AddressInfo).port}/mcp`
  let passed = 0
  for (const scenario of SCENARIOS) {
    const { code, output } = await run(CONFORMANCE, ['server', '--url', url, '--scenario', scenario])
    const [, count = '0', of = '?'] = /Passed: (\d+)\/(\d+)/.exec(output) ?? []
    passed += Number(count)
    const isFine = code === 0 && count === of && count !== '0'
    check(isFine, `conformance ${scenario}: ${count} of ${of} checks${isFine ? '' : `\n${output}`}`)
  }
  console.log(`conformance: ${passed} checks passed in ${SCENARIOS.length} scenarios`)
  proxy.close()
  proxy.closeAllConnections()
}

/** Forwards a request with a key added. Host and Origin stay as they are, because the Worker must check them. */
async function forward(from: IncomingMessage, to: ServerResponse, key: string) {
  const headers = { ...from.headers, authorization: `Bearer ${key}` }
  const onward = request(at, { method: from.method ?? 'GET', headers }, (answer) => {
    to.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(to)
  })
  onward.on('error', () => to.destroy())
  from.pipe(onward)
}

/** Runs one of the two programs. Returns its exit code and what it printed. */
async function run(name: string, args: string[]): Promise<{ code: number; output: string }> {
  const command =
    name
      .replace(/@[\d.]+$/, '')
      .split('/')
      .at(-1) ?? ''
  const [program, ...before] =
    values.programs === undefined
      ? ['npx', '--yes', name]
      : [process.execPath, join(values.programs, 'node_modules', '.bin', command)]
  const child = spawn(program ?? '', [...before, ...args], {
    cwd: state,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: WITHIN_MS,
  })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? 1, output: code === 0 ? output : `${output}${errors}` }
}
