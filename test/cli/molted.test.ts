import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type DevServer, freePort, ROOT, runProgram, sleep, startDev } from '../support/program.ts'

const DEMO_KEY = 'mm_live_DemoKeyForLocalDevelopmentOnlyDoNotDeployIt43KvlP'
const OWNER_KEY = 'mm_live_DemoKeyOfTheOwnerWhoApprovesDoNotDeployItXX1okXWo'
const WRONG_KEY = 'mm_live_ThisKeyIsNobodysAndItMustNeverBePrinted000000'

const STAMP = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
const ID = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f-]{27}$/)

let folder: string
let server: DevServer

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moltpost-cli-'))
  await mkdir(join(folder, 'bin'))
  await copyFile(join(ROOT, 'package.json'), join(folder, 'package.json'))
  const program = join(folder, 'bin', 'molted')
  const [started] = await Promise.all([
    startDev(join(folder, 'state')),
    runProgram('npm', ['run', 'build', '--', join(folder, 'bin')]),
  ])
  server = started
  await copyFile(`${program}.js`, program)
  await chmod(program, 0o755)
}, 60_000)

afterAll(async () => {
  await server?.kill()
  await rm(folder, { recursive: true, force: true })
})

test('every command of the coordination guide answers in the published shape', async () => {
  const home = await freshHome()
  const { ask } = as(home, { MOLTED_API_KEY: DEMO_KEY })
  const tenantId = 'tenant_abc123'

  const agent = await ask('molted agents register --agent-name "outreach-agent" --agent-role outbound')
  expect(agent).toEqual({
    id: expect.stringMatching(/^agent_/),
    tenantId,
    agentName: 'outreach-agent',
    agentRole: 'outbound',
    lastHeartbeat: STAMP,
    registeredAt: STAMP,
  })
  expect(await ask('molted agents heartbeat')).toEqual({ ok: true })

  const line = `molted agents lease --agent-name outreach-agent \\
    --contact-email user@example.com --intent outbound_sales --duration 30`
  const lease = await ask(line)
  expect(lease).toEqual({
    id: ID,
    tenantId,
    agentId: agent.id,
    contactEmail: 'user@example.com',
    intent: 'outbound_sales',
    expiresAt: STAMP,
    createdAt: STAMP,
  })
  expect(Date.parse(lease.expiresAt) - Date.parse(lease.createdAt)).toBe(30 * 60_000)
  const other = await ask('molted agents register --agent-name other-agent')
  expect(other).toMatchObject({ agentRole: 'general' })
  const lost = await ask(`molted agents lease --agent-id ${other.id} --contact-email USER@example.com`)
  expect(lost).toEqual({
    conflict: true,
    leaseHolder: { agentId: agent.id, agentName: 'outreach-agent', expiresAt: lease.expiresAt },
  })

  expect(await ask('molted agents leases')).toEqual([lease])
  expect(await ask(`molted agents release-lease ${lease.id}`)).toEqual({ released: true })
  expect(await ask('molted agents leases')).toEqual([])
  const defaults = await ask('molted agents lease --agent-name other-agent --contact-email x@example.com')
  expect(defaults).toMatchObject({ agentId: other.id, intent: 'general' })
  expect(Date.parse(defaults.expiresAt) - Date.parse(defaults.createdAt)).toBe(30 * 60_000)
  const history = await ask('molted agents lease-history --contact-email user@example.com')
  expect(history.items.map(({ kind }: { kind: string }) => kind)).toEqual(['released', 'refused', 'granted'])

  const request = await ask(`molted agents consensus create --agent-name outreach-agent \\
    --action "pause outreach" --contact-email ceo@bigcorp.com \\
    --reason "Fatigue scores are high" --timeout 5`)
  expect(request).toEqual({
    id: ID,
    tenantId,
    requestingAgentId: agent.id,
    action: 'pause outreach',
    contactEmail: 'ceo@bigcorp.com',
    reason: 'Fatigue scores are high',
    status: 'pending',
    timeoutAt: STAMP,
    createdAt: STAMP,
  })
  expect(await ask(`molted agents consensus get ${request.id}`)).toMatchObject(request)
  const vote = await ask(`molted agents consensus vote ${request.id} \\
    --agent-id ${other.id} --vote approve --reason "Agreed, signals look bad"`)
  expect(vote).toEqual({
    id: ID,
    consensusRequestId: request.id,
    agentId: other.id,
    vote: 'approve',
    reason: 'Agreed, signals look bad',
    consensusStatus: 'pending',
    createdAt: STAMP,
  })
  const decisive = `molted agents consensus vote ${request.id} --agent-id ${agent.id} --vote approve`
  expect(await ask(decisive)).toMatchObject({ consensusStatus: 'approved' })
  expect(await ask(`molted agents consensus get ${request.id}`)).toMatchObject({ status: 'approved' })
  expect(await ask('molted agents consensus list --status approved')).toMatchObject({
    items: [{ id: request.id }],
  })

  expect(await ask(`molted agents config ${agent.id}`)).toEqual({})
  const config = { humanizer_enabled: true, humanizer_style: 'professional' }
  const update = `molted agents update-config ${agent.id} \\
    --config '{"humanizer_enabled": true, "humanizer_style": "professional"}'`
  expect(await ask(update)).toEqual(config)
  expect(await ask(`molted agents config ${agent.id}`)).toEqual(config)
  const listed = await ask('molted agents list --active')
  expect(listed.items).toContainEqual(expect.objectContaining({ id: agent.id, active: true }))

  const bound = await ask(`molted keys create --agent-id ${agent.id} --permissions read,send,manage`)
  const own = as(await freshHome(), { MOLTED_API_KEY: bound.rawKey })
  expect(await own.ask('molted agents heartbeat')).toEqual({ ok: true })
  const nobody = await as(await freshHome(), { MOLTED_API_KEY: DEMO_KEY }).run('molted agents heartbeat')
  expect(nobody).toMatchObject({ code: 2, stdout: '' })
  expect(nobody.stderr).toContain('--agent-id or --agent-name')
  expect(nobody.stderr).toContain('outreach-agent')
})

test('agents heartbeat with a key of the tenant takes the only agent that there is', async () => {
  const told: unknown[] = []
  const address = await listen(async (request, response) => {
    if (request.url === '/v1/agent/whoami') return answer(response, 200, { ...WHOAMI, agentId: null })
    if (request.url?.startsWith('/v1/agent/agents'))
      return answer(response, 200, { items: [{ id: 'agent_only', agentName: 'only' }], nextCursor: null })
    let body = ''
    for await (const part of request) body += part
    told.push(JSON.parse(body))
    answer(response, 200, { ok: true })
  })
  const { ask } = as(await freshHome(), { MOLTED_API_KEY: DEMO_KEY, MOLTED_API_URL: address })
  expect(await ask('molted agents heartbeat')).toEqual({ ok: true })
  expect(told).toEqual([expect.objectContaining({ agentId: 'agent_only' })])
})

test('agents heartbeat --watch goes on after temporary failures, until it is interrupted', async () => {
  let beats = 0
  const address = await listen((request, response) => {
    if (request.url === '/v1/agent/coordination/heartbeat') beats++
    const isDown = beats > 1 && beats < 5
    answer(response, isDown ? 503 : 200, isDown ? { error: 'down', message: 'Later.' } : WHOAMI)
  })
  const { start } = as(await freshHome(), { MOLTED_API_KEY: DEMO_KEY, MOLTED_API_URL: address })
  const program = start('exec molted agents heartbeat --watch --every 0.1')
  await until(() => program.stdout().trim().split('\n').length >= 3)
  expect(program.stderr()).toContain('503 down: Later.')
  program.child.kill('SIGINT')
  expect(await program.ended).toBe(0)
  expect(program.stdout().trim().split('\n')[0]).toBe(JSON.stringify(WHOAMI))
})

test('a key is sent only to its address, stored in a file that only its owner can read, and never printed', async () => {
  const home = await freshHome()
  const { run, ask } = as(home)
  const before = await run('molted auth whoami')
  expect(before).toMatchObject({ code: 1, stdout: '' })
  expect(before.stderr).toContain(`molted auth login --base-url ${server.address}`)

  const login = await run('molted auth login', `${DEMO_KEY}\n`)
  expect(login).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(login.stdout)).toMatchObject({
    loggedIn: true,
    baseUrl: server.address,
    tenantId: 'tenant_abc123',
    permissions: ['read', 'send', 'manage'],
  })
  const file = join(home, '.molted', 'credentials.json')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect((await stat(dirname(file))).mode & 0o777).toBe(0o700)
  expect(await readFile(file, 'utf8')).toContain(DEMO_KEY)

  const who = await run('molted auth whoami')
  expect(JSON.parse(who.stdout)).toMatchObject({ source: 'login', tenantId: 'tenant_abc123' })
  const elsewhere = as(home, { MOLTED_API_URL: undefined })
  expect(await elsewhere.ask('molted auth whoami')).toMatchObject({ baseUrl: server.address })

  const asked: string[] = []
  const stranger = await listen((request, response) => {
    asked.push(request.headers.authorization ?? '')
    answer(response, 200, WHOAMI)
  })
  expect(await run(`molted agents leases --base-url ${stranger}`)).toMatchObject({ code: 1, stdout: '' })
  expect(asked).toEqual([])

  await chmod(file, 0o644)
  const wide = await run('molted auth whoami')
  expect(wide).toMatchObject({ code: 0 })
  expect(wide.stderr).toContain('it is 0600 now')
  expect((await stat(file)).mode & 0o777).toBe(0o600)

  const wrong = await as(home, { MOLTED_API_KEY: WRONG_KEY }).run('molted auth whoami')
  expect(wrong).toMatchObject({ code: 1, stdout: '' })
  expect(wrong.stderr).toMatch(/^error: 401 unauthorized: /)
  const refused = await run(`molted auth login --key ${WRONG_KEY}`)
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  const broken = await as(home, { MOLTED_API_KEY: `${WRONG_KEY}\u00e9` }).run('molted auth whoami')
  expect(broken).toMatchObject({ code: 1, stdout: '' })
  expect(await run('molted auth login', '\n')).toMatchObject({ code: 2, stdout: '' })
  expect(await ask('molted auth whoami')).toMatchObject({ source: 'login' })

  const logout = await run('molted auth logout')
  expect(JSON.parse(logout.stdout)).toEqual({ loggedOut: true, baseUrl: server.address })
  expect(await readFile(file, 'utf8')).not.toContain(DEMO_KEY)
  expect(await ask('molted auth logout')).toMatchObject({ loggedOut: false })
  for (const { stdout, stderr } of [login, who, wide, wrong, refused, broken, logout]) {
    expect(stdout + stderr).not.toContain(DEMO_KEY)
    expect(stdout + stderr).not.toContain(WRONG_KEY.slice(10))
  }

  await writeFile(file, 'not json')
  expect(await run('molted auth whoami')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('molted auth login'),
  })
})

test('a message is sent, followed, cancelled and held for approval; a blocked send exits 0', async () => {
  const { run, ask } = as(await freshHome(), { MOLTED_API_KEY: DEMO_KEY })
  const owner = as(await freshHome(), { MOLTED_API_KEY: OWNER_KEY })

  const line = `molted send --to alice@example.com --template onboarding-welcome \\
    --dedupe-key step1 --payload '{"firstName": "Alice", "trialDays": 14}' \\
    --mailbox mbx_abc123 --reason "onboarding sequence step 1"`
  const first = await run(line)
  expect(first).toMatchObject({ code: 0, stderr: '' })
  const { requestId, ...rest } = JSON.parse(first.stdout)
  expect(rest).toMatchObject({ status: 'queued', policyTrace: { decision: { allow: true } } })
  expect(await ask(line)).toMatchObject({ status: 'duplicate', requestId })
  await until(async () => (await ask(`molted send status ${requestId}`)).status === 'delivered')
  const status = await ask(`molted send status ${requestId}`)
  expect(status).toMatchObject({ requestId, dedupeKey: 'step1', recipientEmail: 'alice@example.com' })
  expect(status.trace).toBeUndefined()
  const trace = await ask(`molted trace ${requestId}`)
  expect(trace.trace.map(({ kind }: { kind: string }) => kind)).toContain('decision')
  expect(trace).toMatchObject({ sendReason: 'onboarding sequence step 1', status: 'delivered' })

  const blocked = await run('molted send --to bob@example.com --subject Hello --text "It works."')
  expect(blocked.code).toBe(0)
  expect(JSON.parse(blocked.stdout)).toMatchObject({ status: 'blocked', reason: 'suppressed' })
  const [, key = ''] = /--dedupe-key (cli-[0-9a-f-]{36})/.exec(blocked.stderr) ?? []
  expect(await ask(`molted send list --dedupe-key ${key}`)).toMatchObject({
    items: [{ status: 'blocked', templateId: '_default' }],
  })

  const simulated = 'molted send simulate --to dora@example.com --subject Hello --html "<p>It works.</p>"'
  expect(await run(simulated)).toMatchObject({ code: 0, stderr: '' })
  expect(await ask(simulated)).toMatchObject({ simulation: true, wouldAllow: true, status: 'queued' })
  expect(await ask('molted send list --to dora@example.com')).toMatchObject({ items: [] })

  const later = new Date(Date.now() + 3_600_000).toISOString()
  const scheduled = await ask(`molted send --to eve@example.com --subject S --body T --schedule ${later}`)
  expect(scheduled).toMatchObject({ status: 'scheduled', scheduledAt: later })
  expect(await ask(`molted send cancel ${scheduled.requestId}`)).toEqual({ cancelled: true })

  const box = await ask('molted mailboxes create --address held --autonomy review --daily-limit 9')
  const held = await ask(`molted send --to carol@example.com --subject Hi --text One --mailbox ${box.id}`)
  expect(held).toMatchObject({ status: 'pending_approval' })
  const { approvalQueueId } = held
  await until(async () => (await ask(`molted approvals show ${approvalQueueId}`)).message !== null)
  const forbidden = await run(`molted approvals approve ${approvalQueueId}`)
  expect(forbidden).toMatchObject({ code: 1, stdout: '' })
  expect(forbidden.stderr).toMatch(/^error: 403 /)
  const edit = `molted approvals edit ${approvalQueueId} --subject "Hi Carol" --text "Two"`
  expect(await owner.ask(edit)).toMatchObject({ requestId: held.requestId })
  const pending = await owner.ask(`molted approvals list --status pending --mailbox ${box.id}`)
  expect(pending.items).toHaveLength(1)
  const seen = await until(async () => {
    const shown = await owner.ask(`molted approvals show ${pending.items[0].id}`)
    return shown.message === null ? undefined : shown
  })
  const yes = `molted approvals approve ${seen.id} --sha256 ${seen.message.sha256} --reason "Seen"`
  // A key that edited a message cannot approve it.
  const own = await owner.run(yes)
  expect(own).toMatchObject({ code: 1, stdout: '' })
  expect(own.stderr).toContain('human_decision_required')
  const third = await ask(`molted send --to gil@example.com --subject Hi --text Yes --mailbox ${box.id}`)
  const whole = await until(async () => {
    const shown = await owner.ask(`molted approvals show ${third.approvalQueueId}`)
    return shown.message === null ? undefined : shown
  })
  const approve = `molted approvals approve ${whole.id} --sha256 ${whole.message.sha256} --reason "Seen"`
  expect(await owner.ask(approve)).toMatchObject({ status: 'approved', decisionReason: 'Seen' })
  const second = await ask(`molted send --to finn@example.com --subject Hi --text No --mailbox ${box.id}`)
  const no = `molted approvals reject ${second.approvalQueueId}`
  expect(await owner.ask(no)).toMatchObject({ status: 'rejected', requestId: second.requestId })
})

test('templates, mailboxes, suppressions and keys can be created, read, changed and removed', async () => {
  const { run, ask } = as(await freshHome(), { MOLTED_API_KEY: DEMO_KEY })

  const made = await ask(`molted templates create welcome-cli --type transactional \\
    --subject "Hi {{ name }}" --text "Dear {{ name }}" --variables '[{"name": "name"}]' --publish`)
  expect(made).toMatchObject({ slug: 'welcome-cli', name: 'welcome-cli', publishedVersion: 1 })
  const version = await ask(
    'molted templates add-version welcome-cli --subject "Hello {{ name }}" --html "<p>{{ name }}</p>"',
  )
  expect(version).toMatchObject({ version: 2, status: 'draft' })
  expect(await ask('molted templates lint welcome-cli')).toHaveProperty('errors')
  const render = `molted templates render welcome-cli --payload '{"name": "Ann"}' --version-number`
  expect(await ask(`${render} 1`)).toMatchObject({ subject: 'Hi Ann', text: 'Dear Ann' })
  expect(await ask('molted templates publish welcome-cli 1')).toMatchObject({ status: 'published' })
  expect(await ask('molted templates show welcome-cli')).toMatchObject({ versions: [{}, {}] })
  const templates = await ask('molted templates list --limit 2')
  expect(templates.items).toHaveLength(2)
  expect(await ask(`molted templates list --cursor ${templates.nextCursor}`)).toHaveProperty('items.0')
  expect(await ask('molted templates delete welcome-cli')).toMatchObject({ deleted: true })

  const box = await ask(`molted mailboxes create --name "Sales Anna" --config '{"fatigueLimit": 5}'`)
  expect(box).toMatchObject({ displayName: 'Sales Anna', config: { fatigueLimit: 5 } })
  const changed = await ask(`molted mailboxes update ${box.id} --cooldown 30 --monthly-limit 70`)
  expect(changed).toMatchObject({ config: { cooldownMinutes: 30, monthlyLimit: 70 } })
  expect(await ask(`molted mailboxes autonomy ${box.id} review`)).toMatchObject({ autonomyLevel: 1 })
  expect(await ask(`molted mailboxes autonomy ${box.id}`)).toMatchObject({ autonomy: 'review' })
  expect(await ask(`molted mailboxes show ${box.id}`)).toMatchObject({ id: box.id })
  expect(await ask('molted mailboxes list')).toHaveProperty('items.0.id')
  expect((await run(`molted mailboxes delete ${box.id}`)).code).toBe(0)

  const row = await ask('molted suppressions add zoe@example.com --reason legal_request --source cli')
  expect(row).toMatchObject({ scope: 'tenant', reasonCode: 'legal_request', source: 'cli' })
  expect(await ask('molted suppressions check zoe@example.com')).toMatchObject({ suppressed: true })
  expect(await ask('molted suppressions list --email zoe@example.com')).toMatchObject({
    items: [{ id: row.id }],
  })
  const refused = await run(`molted suppressions remove ${row.id}`)
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toContain('human_decision_required')
  const owner = as(await freshHome(), { MOLTED_API_KEY: OWNER_KEY })
  expect(await owner.ask(`molted suppressions remove ${row.id}`)).toMatchObject({ deleted: true })
  expect(await ask('molted suppressions check zoe@example.com')).toMatchObject({ suppressed: false })

  const key = await ask('molted keys create --label scripts --permissions read --mailbox mbx_abc123')
  expect(key).toMatchObject({ permissions: ['read'], mailboxScopes: [{ mailboxId: 'mbx_abc123' }] })
  expect(await as(await freshHome(), { MOLTED_API_KEY: key.rawKey }).ask('molted auth whoami')).toMatchObject(
    {
      keyId: key.id,
    },
  )
  expect(await ask(`molted keys update ${key.id} --label renamed`)).toMatchObject({ label: 'renamed' })
  expect((await run('molted keys list')).stdout).not.toContain(key.rawKey)
  expect(await ask(`molted keys revoke ${key.id}`)).toMatchObject({ status: 'revoked' })
})

test('a wrong command line exits 2 with a hint, without a request to the API', async () => {
  const { run } = as(await freshHome(), { MOLTED_API_KEY: DEMO_KEY, MOLTED_API_URL: 'http://localhost:9' })
  const lines = {
    molted: 'Usage: molted',
    'molted agents': 'Usage: molted agents',
    'molted agnets': 'Did you mean agents?',
    'molted agents leases --jsn': 'Did you mean --json?',
    'molted agents register': "required option '--agent-name <name>'",
    'molted agents lease --contact-email a@example.com': 'either --agent-id or --agent-name is required',
    'molted agents lease --agent-name a --contact-email a@b.c --duration soon': 'It is not a number.',
    'molted agents consensus create --action a --contact-email a@b.c --reason r': 'either --agent-id',
    'molted agents consensus vote x --agent-id a --vote maybe': 'Allowed choices are approve, reject.',
    'molted agents update-config a --config {': 'It is not JSON',
    'molted agents update-config a --config []': 'It is not a JSON object.',
    'molted agents release-lease': "missing required argument 'LEASE_ID'",
    'molted send': "required option '--to <email>'",
    'molted send --to a@example.com': 'either --template or --subject',
    'molted send --to a@example.com --subject S': 'without --template, give --subject and --text or --html',
    'molted send --to a@example.com --template t --text T': 'give either --template, or --subject',
    'molted send --to a@example.com --template t --payload x': 'It is not JSON',
    'molted send --to a@example.com --template t --schedule soon': 'It is not a time',
    'molted send status': "missing required argument 'REQUEST_ID'",
    'molted mailboxes update mbx_1': 'nothing to change',
    'molted completion tcsh': 'Allowed choices are bash, zsh, fish.',
    'molted agents leases --json --table': 'cannot be used with',
    'molted agents leases --base-url nowhere': '"nowhere" is not the address of an API',
  }
  await inTurns(Object.entries(lines), async ([line, hint]) => {
    const { code, stdout, stderr } = await run(line)
    expect({ line, code, stdout, stderr }).toEqual({
      line,
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(hint),
    })
  })
})

test('a failure of the API or the network exits 1 and names the address; only safe requests are repeated', async () => {
  const closed = `http://localhost:${await freePort()}`
  const home = await freshHome()
  const far = await as(home, { MOLTED_API_KEY: DEMO_KEY, MOLTED_API_URL: closed }).run('molted agents leases')
  expect(far).toMatchObject({ code: 1, stdout: '' })
  expect(far.stderr).toContain(`error: ${closed} cannot be reached: ECONNREFUSED`)
  expect(far.stderr).toContain('npm run dev')

  const seen: string[] = []
  const flaky = await listen((request, response) => {
    const path = request.url?.split('?')[0] ?? ''
    seen.push(`${request.method} ${path}`)
    const isFirst = seen.filter((each) => each === seen.at(-1)).length === 1
    if (path === '/v1/agent/whoami') return answer(response, 200, WHOAMI)
    if (path === '/v1/agent/sends/moved') return response.writeHead(302, { location: '/x' }).end()
    if (path === '/v1/agent/sends/page') return response.writeHead(200).end('<html>')
    if (path === '/v1/agent/sends/echo') {
      return answer(response, 400, { error: 'invalid', message: request.headers.authorization })
    }
    if (!isFirst) return answer(response, 200, [])
    if (request.method === 'GET') return request.socket.destroy()
    answer(response, 503, { error: 'unavailable', message: 'Later.' })
  })
  const { run } = as(home, { MOLTED_API_KEY: DEMO_KEY, MOLTED_API_URL: flaky })
  expect(await run('molted agents leases')).toMatchObject({ code: 0, stdout: '[]\n' })
  const once = await run('molted agents register --agent-name a')
  expect(once).toMatchObject({ code: 1, stdout: '' })
  expect(once.stderr).toContain('error: 503 unavailable: Later.')
  expect(seen.filter((each) => each === 'POST /v1/agent/register')).toHaveLength(1)
  expect(seen.filter((each) => each === 'GET /v1/agent/coordination/leases')).toHaveLength(2)
  for (const [id, reason] of [
    ['moved', '302, a redirect to /x'],
    ['page', 'not JSON'],
    ['echo', '400 invalid: Bearer mm_live_…'],
  ]) {
    const failed = await run(`molted send status ${id}`)
    expect(failed).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(reason ?? '') })
    expect(failed.stderr).not.toContain(DEMO_KEY)
  }
})

test.runIf(process.platform === 'linux')(
  'on a terminal, answers are tables, and text from mail cannot control the terminal',
  async () => {
    const { run } = as(await freshHome(), { MOLTED_API_KEY: DEMO_KEY, TERM: 'xterm' })
    const terminal = (line: string) => run(`script -qec '${line}' /dev/null`)
    await run(`molted templates create evil --name "$(printf 'a\\033[31mb\\007')" --type transactional`)
    const table = (await terminal('molted templates list')).stdout
    expect(stripVTControlCharacters(table)).toMatch(/^ID +SLUG +NAME +TYPE +PUBLISHED VERSION +UPDATED AT/m)
    expect(table).toContain('\x1b[1m')
    expect(table).not.toContain('\x1b[31m')
    expect(table).not.toContain('\x07')

    const block = 'molted send simulate --to bob@example.com --subject S --text T'
    const told = stripVTControlCharacters((await terminal(block)).stdout)
    expect(told).toMatch(/^status +blocked\r$[\s\S]*^RULE +PASSED +DETAIL\r$/m)
    const plain = (await terminal(`NO_COLOR=1 ${block}`)).stdout
    expect(plain).toMatch(/^status +blocked\r$/m)
    expect(plain).not.toContain('\x1b')
    expect(JSON.parse((await terminal(`${block} --json`)).stdout)).toMatchObject({ status: 'blocked' })
    expect((await run(`${block} --table`)).stdout).toMatch(/^status +blocked$/m)
    expect((await terminal('molted suppressions list --email nobody@example.com')).stdout).toBe('none\r\n')

    const asking = as(await freshHome()).start("script -qec 'molted auth login' /dev/null", null)
    await until(() => asking.stdout().includes(`Key for ${server.address}: `))
    asking.child.stdin.end(`${DEMO_KEY}\r`)
    expect(await asking.ended).toBe(0)
    expect(stripVTControlCharacters(asking.stdout())).toMatch(/^loggedIn +true\r$/m)
    expect(asking.stdout()).not.toContain(DEMO_KEY.slice(10))
  },
)

test('a list of recipients, from the command line or from stdin, is sent and simulated as the batch guide says', async () => {
  const { run, ask } = as(await freshHome(), { MOLTED_API_KEY: DEMO_KEY })
  const recipients = [
    { email: 'batch-alice@example.com', dedupeKey: 'march-alice', payload: { name: 'Alice' } },
    { email: 'bob@example.com', dedupeKey: 'march-bob', payload: { name: 'Bob' } },
  ]
  const line = `molted send batch --template campaign-march \\
    --recipients '${JSON.stringify(recipients)}'`
  const sent = await ask(line)
  expect(sent).toMatchObject({
    batchId: expect.stringMatching(/^batch_/),
    ...{ total: 2, queued: 1, blocked: 1 },
    results: [
      { recipientEmail: 'batch-alice@example.com', status: 'queued' },
      { recipientEmail: 'bob@example.com', status: 'blocked', reason: 'suppressed' },
    ],
  })
  await writeFile(join(folder, 'recipients.json'), JSON.stringify(recipients))
  const again = await ask(
    `cat ${folder}/recipients.json | molted send batch --template campaign-march --mailbox mbx_abc123 --stdin`,
  )
  expect(again).toMatchObject({ blocked: 2, duplicates: 1 })
  expect(again.results[0]).toMatchObject({ requestId: sent.results[0].requestId, reason: 'duplicate' })

  const errored = await run(
    `molted send batch --template campaign-march --recipients '[{"email": "nobody", "dedupeKey": "x", "payload": {}}]'`,
  )
  expect(errored).toMatchObject({ code: 1, stderr: expect.stringContaining('1 of 1 recipients') })
  expect(JSON.parse(errored.stdout).results).toMatchObject([{ status: 'error' }])

  const simulate = 'molted send simulate-batch --template campaign-march --recipients'
  const published = await ask(`${simulate} '["carol@example.com", "bob@example.com"]'`)
  expect(published).toEqual({
    ...{ total: 2, wouldAllow: 1, wouldBlock: 1 },
    results: [
      { recipientEmail: 'carol@example.com', wouldAllow: true },
      { recipientEmail: 'bob@example.com', wouldAllow: false, reason: 'suppressed' },
    ],
  })
  const objects = `'[{"email": "carol@example.com", "dedupeKey": "x"}, "carol@example.com"]'`
  expect(await ask(`${simulate} ${objects}`)).toMatchObject({ wouldAllow: 2 })
  expect(await ask(`${simulate} ${objects} --sequential`)).toMatchObject({
    results: [{ wouldAllow: true }, { wouldAllow: false, reason: 'cooldown' }],
  })
  expect((await run(`${line} --table`)).stdout).toMatch(/^RECIPIENT EMAIL +REQUEST ID +STATUS +REASON$/m)

  for (const [rest, said] of [
    ['', 'either --recipients or --stdin is required'],
    [`--stdin --recipients '[]'`, 'either --recipients or --stdin is required'],
    [`--recipients '[]'`, 'the list of recipients is empty'],
    [`--recipients '{}'`, 'It is not a JSON array'],
    [`--recipients '["alice@example.com"]'`, 'recipient 1 is not an object'],
    ['--stdin', 'stdin: It is not JSON'],
  ]) {
    const misused = await run(`molted send batch --template campaign-march ${rest}`, 'not json')
    expect(misused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(said ?? '') })
  }
  expect(await run('molted send batch --stdin', '[]')).toMatchObject({ code: 2, stdout: '' })
})

test('a list of more than 500 takes several calls, with a progress bar on a terminal; the joined answer is shown', async () => {
  const { run } = as(await freshHome(), { MOLTED_API_KEY: DEMO_KEY, TERM: 'xterm' })
  const many = Array.from({ length: 1_001 }, (_, i) => `many${i}@example.com`)
  await writeFile(join(folder, 'many.json'), JSON.stringify(many))
  const line = `molted send simulate-batch --template campaign-march --stdin < ${folder}/many.json`
  const told = await run(line)
  expect(told).toMatchObject({ code: 0, stderr: '' })
  const { results, ...counts } = JSON.parse(told.stdout)
  expect(counts).toEqual({ total: 1_001, wouldAllow: 1_001, wouldBlock: 0 })
  expect(results.map(({ recipientEmail }: { recipientEmail: string }) => recipientEmail)).toEqual(many)
  if (process.platform === 'linux') {
    const bar = await run(`script -qec '${line} > told.json' /dev/null`)
    expect(bar.stdout).toMatch(/\r\[#{29}-\] 1000 of 1001\r\[#{30}\] 1001 of 1001/)
  }

  let calls = 0
  const flaky = await listen((request, response) => {
    if (request.url?.endsWith('/whoami')) return answer(response, 200, WHOAMI)
    calls += 1
    const batchId = `batch_${calls}`
    if (calls > 2) answer(response, 400, { error: 'invalid', message: 'no more' })
    else
      answer(response, 200, { batchId, total: 500, queued: 499, blocked: 1, results: [{ status: 'queued' }] })
  })
  const items = many.map((email) => ({ email, dedupeKey: email }))
  await writeFile(join(folder, 'items.json'), JSON.stringify(items))
  const cut = await run(`molted send batch --template t --stdin --base-url ${flaky} < ${folder}/items.json`)
  expect(cut).toMatchObject({ code: 1, stderr: expect.stringContaining('no more') })
  expect(JSON.parse(cut.stdout)).toEqual({
    ...{ batchIds: ['batch_1', 'batch_2'], total: 1_000, queued: 998, blocked: 2 },
    results: [{ status: 'queued' }, { status: 'queued' }],
  })
})

test('every command has help with an example, and shells can complete it', async () => {
  const { run } = as(await freshHome(), { MOLTED_API_URL: 'http://localhost:9' })
  const found: string[] = []
  const walk = async (line: string): Promise<void> => {
    const { code, stdout, stderr } = await run(`${line} --help`)
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: '' })
    const below = /^Commands:\n((?: .*\n)*)/m.exec(stdout)?.[1] ?? ''
    const names = [...below.matchAll(/^ {2}([a-z-]+)/gm)]
      .map(([, name]) => name)
      .filter((name) => name !== 'help')
    if (names.length === 0 || line === 'molted send') {
      expect(stdout).toMatch(new RegExp(`^Example:\\n {2}(source <\\()?${line} ?`, 'm'))
      found.push(line.slice('molted '.length))
    }
    await inTurns(names, (name) => walk(`${line} ${name}`))
  }
  await walk('molted')
  expect(found).toEqual(expect.arrayContaining(['agents consensus vote', 'auth login', 'send', 'trace']))
  expect(found.length).toBeGreaterThan(40)
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  expect((await run('molted --version')).stdout.trim()).toBe(version)

  const syntax = { bash: 'bash -n', zsh: 'zsh -n', fish: 'fish --no-execute' }
  for (const [shell, check] of Object.entries(syntax)) {
    const line = `molted completion ${shell} > script.${shell} && { ! command -v ${shell} || ${check} script.${shell}; }`
    expect(await run(line)).toMatchObject({ code: 0, stderr: '' })
  }
  const complete = async (...words: string[]) => {
    const line = `source script.bash; COMP_WORDS=(molted ${words.map((word) => `'${word}'`).join(' ')})
      COMP_CWORD=${words.length}; _molted; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout } = await run(`bash -c "$LINE"`, '', { LINE: line })
    return stdout.split('\n').filter((word) => word !== '')
  }
  expect(await complete('ag')).toEqual(['agents'])
  expect(await complete('agents', 'lease')).toEqual(['lease', 'leases', 'lease-history'])
  expect(await complete('agents', 'consensus', 'vote', 'id', '--vote', '')).toEqual(['approve', 'reject'])
  expect(await complete('send', '--t')).toEqual(['--to', '--template', '--text', '--table'])
  expect(await complete('send', '--to', 'agents', 'si')).toEqual(['simulate', 'simulate-batch'])
  expect(await complete('completion', 'z')).toEqual(['zsh'])
  expect(await complete('trace', 'req_')).toEqual([])
})

const WHOAMI = { tenantId: 'tenant_abc123', agentId: 'agent_1', permissions: ['read'] }

function answer(response: Parameters<RequestListener>[1], status: number, body: unknown) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** A server that runs until the test ends. */
async function listen(handle: RequestListener): Promise<string> {
  const own = createServer(handle).listen(0, 'localhost')
  await once(own, 'listening')
  onTestFinished(async () => {
    own.closeAllConnections()
    await new Promise((resolve) => own.close(resolve))
  })
  const address = own.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return `http://localhost:${address.port}`
}

async function freshHome() {
  return await mkdtemp(join(folder, 'home-'))
}

/** Runs the program from a shell with this home directory. */
function as(home: string, env: Record<string, string | undefined> = {}) {
  const start = (line: string, input: string | null = '', more: Record<string, string> = {}) => {
    const { MOLTED_API_KEY: _, NO_COLOR: __, FORCE_COLOR: ___, ...inherited } = process.env
    const path = [join(folder, 'bin'), dirname(process.execPath), inherited.PATH].join(delimiter)
    const child = spawn('sh', ['-c', line], {
      cwd: home,
      env: { ...inherited, MOLTED_API_URL: server.address, ...env, ...more, HOME: home, PATH: path },
    })
    const text = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        text[name] += chunk
      })
    }
    child.stdin.on('error', () => {})
    if (input !== null) child.stdin.end(input)
    const ended = once(child, 'close').then(([code]): number | null => code)
    return { child, ended, stdout: () => text.stdout, stderr: () => text.stderr }
  }
  const run = async (...how: Parameters<typeof start>) => {
    const program = start(...how)
    const code = await program.ended
    return { code, stdout: program.stdout(), stderr: program.stderr() }
  }
  const ask = async (line: string) => {
    const { code, stdout, stderr } = await run(line)
    if (code !== 0) throw new Error(`${line}: ${code}\n${stderr}`)
    return JSON.parse(stdout)
  }
  return { start, run, ask }
}

/** Works on four items at a time. */
async function inTurns<Item>(items: Item[], work: (item: Item) => Promise<void>) {
  const rest = items.values()
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (const item of rest) await work(item)
    }),
  )
}

async function until<Value>(check: () => Value | Promise<Value>): Promise<NonNullable<Value>> {
  for (const end = Date.now() + 15_000; Date.now() < end; await sleep(50)) {
    const value = await check()
    if (value) return value
  }
  throw new Error('the condition did not become true within 15 s')
}
