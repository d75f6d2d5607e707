import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startDoh, type Zone } from '../../test/support/doh.ts'
import { listening, runPrism } from '../../test/support/peer-prism.ts'
import { freePort, runProgram, startDev } from '../../test/support/program.ts'

const SPECMATIC = 'specmatic@2.55.1'

const HELP = `Usage: npm run prove -- contract DOCUMENT [--keep]

Tests npm run dev against DOCUMENT, the published OpenAPI document of MailMolt (a JSON file), in two ways.

1. Specmatic generates requests from the document and checks the answers. The document is first changed in memory, so that
   it can be tested:
   - an answer without a schema may have any body
   - read-only fields are removed from requests
   - 'to' and 'subject' are optional in a reply
   - 'nullable' is translated to OpenAPI 3.1
   - every operation may refuse a generated request with a 4xx status
   Answers may have fields that the document does not name.
2. Prism checks requests and answers against the unchanged document: first the requests of this program, then those of the
   contract tests. It also lists, for each operation, what we add to the document on purpose.

Needs Java 17 or newer. Runs ${SPECMATIC} with npx. --keep keeps the working folder.`

const ERASURE = '/compliance/delete'
const PUBLIC = ['/agents/register', '/registry/']
const METHODS = ['get', 'post', 'put', 'patch', 'delete']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { help: { type: 'boolean', short: 'h' }, keep: { type: 'boolean' } },
})
const [path] = positionals
if (values.help || path === undefined) {
  console.log(HELP)
  process.exit(values.help ? 0 : 2)
}

// biome-ignore lint/suspicious/noExplicitAny: parts of an OpenAPI document have many types
type Json = Record<string, any>

const folder = await mkdtemp(join(tmpdir(), 'moltpost-contract-'))
const document: Json = JSON.parse(await readFile(path, 'utf8'))
testable(document)
const zone: Zone = { 'hooks.acme-mail.com': ['A 93.184.215.14'] }
const doh = await startDoh(zone)
const server = await startDev(join(folder, 'state'), {
  AUTO_CLAIM: '1',
  REGISTRATIONS_PER_HOUR: '100000',
  REGISTRATIONS_PER_DAY: '100000',
  DNS_RESOLVER: doh.url,
})
let failed = 1
try {
  const { key, examples } = await seed()
  // An erasure revokes the key that requests it. Therefore it runs last, with the key of another agent.
  const [erasing, others] = [only((each) => each === ERASURE), only((each) => each !== ERASURE)]
  const runs = [await specmatic('others', others, key, examples)]
  const doomed = await register('Doomed Agent')
  runs.push(
    await specmatic('erasing', erasing, doomed, [on(doomed, 'POST', ERASURE, 202, { confirm: 'DELETE' })]),
  )
  const sum = (of: 'cases' | 'failures') => runs.reduce((total, run) => total + run[of], 0)
  failed = sum('failures')
  console.log(`Specmatic: ${sum('cases')} cases, ${failed} failures`)
  const { requests, violations } = await throughPrism(path)
  failed += violations.length
  for (const violation of violations) console.log(violation)
  console.log(`Prism, the unchanged document: ${requests} requests, ${violations.length} violations`)
  failed += await suiteThroughPrism(path)
} finally {
  await server.kill('SIGTERM')
  doh.stop()
  if (values.keep) console.log(folder)
  else await rm(folder, { recursive: true, force: true })
}
process.exit(failed === 0 ? 0 : 1)

/** Changes the document in place, so that Specmatic can test it. */
function testable({ paths, components }: Json) {
  const anything = { 'application/json': { schema: {} } }
  for (const operations of Object.values<Json>(paths)) {
    for (const [method, operation] of Object.entries<Json>(operations)) {
      if (!METHODS.includes(method)) continue
      for (const [status, response] of Object.entries<Json>(operation.responses)) {
        if (status !== '204' && !response.$ref && !response.content) response.content = anything
      }
      for (const status of ['400', '401', '404', '409', '422', '429']) {
        operation.responses[status] ??= { description: 'Refused', content: anything }
      }
    }
  }
  const { Message, Webhook, MemoryEntry } = components.schemas
  for (const schema of [Message, Webhook, MemoryEntry]) {
    for (const [name, property] of Object.entries<Json>(schema.properties)) {
      if (property.readOnly) delete schema.properties[name]
      if (property.nullable) {
        delete property.nullable
        property.type = [property.type, 'null']
      }
    }
  }
  // A domain can be added only once, so each request needs a new one. A bond can be posted only once.
  const bodyOf = (where: string) =>
    paths[where].post.requestBody.content['application/json'].schema.properties
  bodyOf('/custom-domains').domain = { type: 'string', pattern: '^agents-[a-z]{12}[.]example[.]com$' }
  bodyOf('/bonds').tier.enum = ['starter']
  // The schema of a reply is separate from that of a message, because a reply may leave out every field.
  components.schemas.Reply = { ...Message, required: [] }
  paths['/messages/{id}/reply'].post.requestBody.content['application/json'].schema = {
    $ref: '#/components/schemas/Reply',
  }
}

/** Creates the rows that the paths of the document need. Returns a key and example requests that name these rows. */
async function seed(): Promise<{ key: string; examples: Json[] }> {
  const key = await register('Contract Agent')
  await liftLimits()
  const send = { to: 'ann@example.com', subject: 'Contract', text: 'Body' }
  const ids = await Promise.all(
    Array.from({ length: 4 }, async () => (await call('POST', '/messages', send, key)).message),
  )
  const [first, second, third] = ids
  const hook = { url: 'https://hooks.acme-mail.com/in', event_types: ['message.received'] }
  const made = await Promise.all(Array.from({ length: 3 }, () => call('POST', '/webhooks', hook, key)))
  const [webhook, doomed] = made.map((answer) => String(answer.id ?? answer.webhook?.id))
  await call('PUT', '/agents/me/memory/contract', { key: 'contract', value: 'kept' }, key)
  await call('PUT', '/agents/me/memory/doomed', { key: 'doomed', value: 'gone' }, key)
  const { id: agentId } = await call('GET', '/agents/me', undefined, key)
  const domain = await verifiedDomain(key)
  const entry = {
    key: 'contract',
    value: 'kept',
    kind: 'note',
    importance: 3,
    expires_at: '2099-01-01T00:00:00Z',
  }
  const examples = [
    on(key, 'POST', '/agents/register', 201, {
      name: 'Another Agent',
      description: 'x',
      owner_hint: 'ann@example.com',
    }),
    on(key, 'POST', '/messages', 202, { ...send, cc: [], bcc: [] }),
    on(key, 'GET', `/messages/${first.id}`, 200),
    on(key, 'GET', '/messages/msg_unknown', 404),
    on(key, 'DELETE', `/messages/${second.id}`, 204),
    on(key, 'POST', `/messages/${first.id}/reply`, 202, { text: 'Thanks' }),
    on(key, 'GET', `/threads/${third.thread_id}`, 200),
    on(key, 'PATCH', `/threads/${third.thread_id}`, 200, { read: true, labels: ['a'] }),
    on(key, 'GET', '/search?q=contract', 200),
    on(key, 'GET', '/agents/me/memory/contract', 200),
    on(key, 'GET', '/agents/me/memory/unknown', 404),
    on(key, 'PUT', '/agents/me/memory/contract', 200, entry),
    on(key, 'DELETE', '/agents/me/memory/doomed', 204),
    on(key, 'POST', '/agents/me/memory/search', 200, { q: 'kept', kind: 'note', limit: 5 }),
    on(key, 'POST', '/webhooks', 201, hook),
    on(key, 'GET', `/webhooks/${webhook}`, 200),
    on(key, 'PATCH', `/webhooks/${webhook}`, 200),
    on(key, 'DELETE', `/webhooks/${doomed}`, 204),
    on(key, 'POST', `/webhooks/${webhook}/test`, 200),
    on(key, 'POST', `/webhooks/${webhook}/rotate-secret`, 200),
    on(key, 'POST', '/smtp-credentials', 201, { name: 'Laptop' }),
    on(key, 'POST', `/custom-domains/${domain}/verify`, 200),
    on(key, 'POST', `/custom-domains/${domain}/attach`, 200, { agent_id: agentId }),
    on(key, 'POST', '/bonds', 201, { tier: 'starter' }),
    on(key, 'PATCH', '/oversight/dlp', 200),
    on(key, 'POST', '/compliance/export', 202),
    on(key, 'GET', '/compliance/audit-log', 200),
    on(key, 'GET', `/registry/reputation/${agentId}`, 200),
    on(key, 'GET', '/registry/reputation/agent_unknown', 404),
    on(key, 'POST', '/billing/checkout', 200, { plan_key: 'growth' }),
    on(key, 'POST', '/billing/portal', 200),
  ]
  return { key, examples }
}

/** An example for Specmatic: one request and the status of its answer. */
function on(key: string, method: string, where: string, status: number, body?: Json): Json {
  return {
    'http-request': {
      ...{ path: where, method },
      headers: {
        ...(PUBLIC.some((each) => where.startsWith(each)) ? {} : { Authorization: `Bearer ${key}` }),
        ...(body ? { 'Content-Type': 'application/json' } : {}),
      },
      ...(body ? { body } : {}),
    },
    'http-response': { status, ...(status === 204 ? {} : { body: {} }) },
  }
}

async function register(name: string): Promise<string> {
  return String((await call('POST', '/agents/register', { name })).api_key)
}

function newDomain(): string {
  return `agents-${crypto.randomUUID().slice(0, 8)}.example.com`
}

/** Adds a custom domain, publishes its DNS records and verifies it. Returns its id. */
async function verifiedDomain(key: string): Promise<string> {
  const added = await call('POST', '/custom-domains', { domain: newDomain(), mode: 'byoc' }, key)
  for (const { type, name, value } of added.dns_records) zone[name.toLowerCase()] = [`${type} ${value}`]
  const { verified, missing } = await call('POST', `/custom-domains/${added.id}/verify`, {}, key)
  if (!verified) throw new Error(`not verified: ${JSON.stringify(missing)}`)
  return String(added.id)
}

/** Calls every operation through Prism. Prism reports in a header what the document does not allow. */
async function throughPrism(file: string) {
  const port = await freePort()
  const prism = runPrism('proxy', file, `${server.address}/v1`, '-h', '127.0.0.1', '-p', String(port))
  const violations: string[] = []
  let count = 0
  try {
    await listening(prism)
    const { key, examples } = await seed()
    const bare = [
      '/agents/me',
      '/agents/heartbeat',
      '/messages?limit=5&status=unread',
      '/threads',
      '/inbox',
      '/webhooks',
    ]
    const requests = [
      ...examples.map((example) => asPublished(example['http-request'])),
      { method: 'POST', path: '/custom-domains', body: { domain: newDomain(), mode: 'managed' } },
      ...bare.map((where) => ({ method: 'GET', path: where })),
      { method: 'GET', path: '/agents/me/memory' },
      { method: 'PATCH', path: '/inbox' },
      ...['/smtp-credentials', '/custom-domains', '/bonds', '/oversight/dlp', '/billing/subscription'].map(
        (where) => ({ method: 'GET', path: where }),
      ),
    ]
    const ask = async (request: Json, authorization: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}${request.path}`, {
        method: request.method,
        headers: { authorization, ...(request.body ? { 'content-type': 'application/json' } : {}) },
        ...(request.body ? { body: JSON.stringify(request.body) } : {}),
      })
      await answer.arrayBuffer()
      count += 1
      const noted = answer.headers.get('sl-violations')
      if (noted !== null) violations.push(`${request.method} ${request.path} ${answer.status}: ${noted}`)
    }
    for (const request of requests) await ask(request, `Bearer ${key}`)
    for (const where of ['/agents/me', '/agents/heartbeat', '/messages'])
      await ask({ method: 'GET', path: where }, 'Bearer mm_live_nobody')
    const erasure = on(key, 'POST', ERASURE, 202, { confirm: 'DELETE' })['http-request']
    await ask(erasure, `Bearer ${await register('Leaving Agent')}`)
  } finally {
    await prism.kill('SIGTERM')
  }
  return { requests: count, violations }
}

/** Runs the contract tests and lets Prism check their requests. Returns 0 if all tests passed without a violation, else 1. */
async function suiteThroughPrism(file: string): Promise<number> {
  const child = spawn('npx', ['vitest', 'run', 'test/contract', '--silent=passed-only'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, MAILMOLT_OPENAPI: resolve(file) },
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code] = await once(child, 'exit')
  console.log(stderr.slice(Math.max(0, stderr.indexOf('Prism in front of the suite'))))
  return code === 0 ? 0 : 1
}

/** Removes cooldowns and limits, which other tests check. Here they would only stop the run. */
async function liftLimits(): Promise<void> {
  const command =
    "UPDATE tenants SET plan = 'enterprise', cooldown_ms = 0; UPDATE mailboxes SET hourly_limit = 1000000, daily_limit = 1000000"
  await runProgram('npx', [
    ...['wrangler', 'd1', 'execute', 'moltpost', '--local', '--persist-to', join(folder, 'state')],
    ...['--command', command],
  ])
}

/** A request as the unchanged document allows it: there, a reply needs every field of a message. */
function asPublished(request: Json): Json {
  if (!request.path.endsWith('/reply')) return request
  return { ...request, body: { to: 'ann@example.com', subject: 'Re: Contract', text: 'Thanks' } }
}

async function call(method: string, where: string, body?: Json, key?: string): Promise<Json> {
  const answer = await fetch(`${server.address}/v1${where}`, {
    method,
    headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  if (!answer.ok) {
    const said = `${method} ${where}: ${answer.status} ${await answer.text()}`
    throw new Error(`${said}\n${server.output().slice(-2_000)}`)
  }
  return (await answer.json()) as Json
}

/** The changed document, with only these paths. */
function only(wanted: (path: string) => boolean): Json {
  const paths = Object.entries<Json>(document.paths).filter(([each]) => wanted(each))
  return { ...document, paths: Object.fromEntries(paths) }
}

/** Runs Specmatic in a new folder. Returns the number of test cases and of failures. */
async function specmatic(name: string, of: Json, key: string, examples: Json[]) {
  const cwd = join(folder, name)
  await mkdir(join(cwd, 'examples'), { recursive: true })
  await writeFile(join(cwd, 'document.json'), JSON.stringify(of, null, 2))
  for (const [nth, example] of examples.entries()) {
    await writeFile(join(cwd, 'examples', `${nth}.json`), JSON.stringify(example, null, 2))
  }
  const child = spawn(
    'npx',
    [
      ...['--yes', '-p', SPECMATIC, 'specmatic', 'test', 'document.json'],
      ...[`--testBaseURL=${server.address}/v1`, '--examples=examples', '--junitReportDir=junit'],
    ],
    {
      cwd,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, BearerAuth: key, SPECMATIC_GENERATIVE_TESTS: 'true', EXTENSIBLE_SCHEMA: 'true' },
    },
  )
  await once(child, 'exit')
  const reports = join(cwd, 'junit')
  const files = (await readdir(reports)).filter((each) => each.endsWith('.xml'))
  const texts = await Promise.all(files.map((each) => readFile(join(reports, each), 'utf8')))
  const sum = (what: string) =>
    texts.reduce(
      (total, text) => total + Number(new RegExp(`<testsuite[^>]* ${what}="(\\d+)"`).exec(text)?.[1] ?? 0),
      0,
    )
  return { cases: sum('tests'), failures: sum('failures') + sum('errors') }
}
