import { createExecutionContext, env, waitOnExecutionContext } from 'cloudflare:test'
import { expect, onTestFinished, test, vi } from 'vitest'
import { tellFailure } from '../../src/core/ground/log.ts'
import worker from '../../src/index.ts'
import { ENTRIES, newWorld, probe } from '../support/matrix.ts'
import { quiet } from '../support/matrix-dump.ts'
import { connect } from '../support/mcp.ts'
import { call } from '../support/tenant.ts'

type Line = Record<string, unknown> & { event: string }

/** Everything that the Worker logs from now until the end of the test. */
function listen(): () => string[] {
  const spies = (['log', 'info', 'debug', 'warn', 'error'] as const).map((level) =>
    vi.spyOn(console, level).mockImplementation(() => undefined),
  )
  onTestFinished(() => {
    for (const spy of spies) spy.mockRestore()
  })
  return () => spies.flatMap(({ mock }) => mock.calls.map((words) => words.map(String).join(' ')))
}

const IP = '203.0.113.77'

test('every request, job and mail leaves one line of JSON, and none holds an address, a word, a key or an IP', async () => {
  const written = listen()
  const { ids, canary, tenant, key, keys } = await newWorld()
  const headers = { 'cf-connecting-ip': IP, 'user-agent': canary, referer: `https://${canary}.example/` }
  const asked = Object.entries(ENTRIES).filter(([, { endsTenant }]) => !endsTenant)
  const before = requests(written()).length
  let sent = 0
  for (const [route, entry] of asked) {
    const request = entry.request(ids)
    const spoken = { ...request, query: { ...request.query, note: canary } }
    for (const given of [key, `mm_live_${canary}`]) {
      await probe(route, spoken, { key: given, headers })
      sent += 1
    }
    if (request.body === undefined) continue
    const broken = await call(route.split(' ')[0] ?? '', request.path, { key, headers, body: `{"${canary}` })
    expect(broken.status === 503 || broken.status < 500).toBe(true)
    sent += 1
  }
  const paths = ['/mcp', `/v1/agent/${canary}`, `/${canary}@example.com`, `/u/${canary}`, `/claim/${canary}`]
  for (const path of [...paths, `/portal/enter/${canary}`, `/verify/${canary}`]) {
    await call('GET', `${path}?to=${tenant.address}`, { key, headers })
    sent += 1
  }
  const raw = `From: ${canary}@example.org\r\nTo: ${tenant.address}\r\nSubject: ${canary}\r\n\r\n${canary}\r\n`
  const refusals: string[] = []
  for (const to of [tenant.address, `nobody-${canary}@moltpost.test`]) {
    const ctx = createExecutionContext()
    const mail = { from: `${canary}@example.org`, to, raw, setReject: (why: string) => refusals.push(why) }
    await worker.email(mail as unknown as ForwardableEmailMessage, env, ctx)
    await waitOnExecutionContext(ctx)
  }
  expect(refusals).toHaveLength(1)
  await quiet()

  // These ids contain the word on purpose.
  const made = [ids.deliveryId, ids.exportId, ids.batchId]
  const texts = written().map((text) => made.reduce((rest, id) => rest.replaceAll(id, 'id'), text))
  const lines = texts.map((text): Line => JSON.parse(text))
  for (const line of lines) {
    expect(line).toMatchObject({
      time: expect.any(String),
      level: expect.any(String),
      event: expect.any(String),
    })
  }
  const secrets = [
    canary,
    tenant.address,
    tenant.key,
    tenant.ownerKey,
    ...Object.values(keys),
    IP,
    '@',
    'mm_live_',
  ]
  expect(texts.filter((text) => secrets.some((secret) => text.includes(secret)))).toEqual([])

  const told = requests(texts).slice(before)
  expect(told).toHaveLength(sent)
  for (const { requestId, surface, method, route, status, ms } of told) {
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/)
    expect(`${surface} ${method} ${route}`).toMatch(/^\w+ [A-Z]+ \/[\w/{}.*-]*$/)
    expect({ route, status: Number(status) < 500 || status === 503 }).toEqual({ route, status: true })
    expect(Number.isInteger(ms)).toBe(true)
  }
  // The pattern of each route in the words of its document, whatever was asked for below it.
  const routes = new Set(told.map(({ method, route }) => `${method} ${route}`))
  expect(asked.map(([route]) => route).filter((route) => !routes.has(route))).toEqual([])
  for (const surface of ['molted', 'moltbotden', 'mailmolt', 'mcp', 'portal', 'operator', 'claim'])
    expect(told.map((line) => line.surface)).toContain(surface)

  const jobs = lines.filter(({ event }) => event === 'job')
  expect(jobs).toContainEqual(
    expect.objectContaining({ queue: 'render', tenantId: ids.tenantId, sendId: ids.heldId, outcome: 'done' }),
  )
  const mails = lines.filter(({ event }) => event === 'mail')
  expect(mails).toMatchObject([
    { outcome: 'accepted', tenantId: ids.tenantId, arrivalId: expect.stringMatching(/^arr_/) },
    { outcome: 'refused', reason: '550 5.1.1 There is no such mailbox.' },
  ])
}, 120_000)

test('the log line of a send has tenant, id, outcome and reason, and the line of a refused request has its code', async () => {
  const written = listen()
  const { ids, tenant, key } = await newWorld()
  const send = (to: string) => tenant.post('/v1/messages', { to, subject: 'Hello', text: 'Hello' })
  await tenant.owner.post('/v1/suppressions', { recipientEmail: 'no@example.com', reasonCode: 'manual_dnc' })
  const held = await send('yes@example.com')
  await send('no@example.com')
  await tenant.post('/v1/messages', { to: 'yes@example.com' })
  await call('GET', `/v1/agent/sends/${ids.heldId}`, { key })
  await call('POST', '/v1/agent/whoami')
  const { use } = await connect(tenant.key)
  await use('send_message', { to: 'no@example.com', subject: 'Hello', text: 'Hello' })
  const own = { tenantId: tenant.id, level: 'info' }
  const sendId = expect.stringMatching(/^req_/)
  const told = requests(written())
  expect(told.filter((line) => line.route === '/v1/messages' || 'tool' in line)).toMatchObject([
    {
      ...own,
      surface: 'mailmolt',
      status: 202,
      sendId: held.body.message.request_id ?? sendId,
      outcome: 'pending_approval',
    },
    { ...own, surface: 'mailmolt', status: 403, sendId, outcome: 'blocked', reason: 'suppressed' },
    { ...own, surface: 'mailmolt', status: 422, reason: 'invalid' },
    {
      ...own,
      surface: 'mcp',
      status: 200,
      sendId,
      tool: 'send_message',
      outcome: 'blocked',
      reason: 'suppressed',
    },
  ])
  const [read, refused] = ['GET /v1/agent/sends/{requestId}', 'POST /v1/agent/whoami'].map((wanted) =>
    told.findLast(({ method, route }) => `${method} ${route}` === wanted),
  )
  expect(read).toMatchObject({ ...own, sendId: ids.heldId, status: 200 })
  expect(refused).toMatchObject({ status: 401, reason: 'unauthorized' })
  expect(refused).not.toHaveProperty('tenantId')
})

test('an error is logged with its kind, place and message, without the text that the message quotes', () => {
  const written = listen()
  const trap = (work: () => unknown) => {
    try {
      work()
    } catch (error) {
      tellFailure('internal_error', error)
    }
  }
  trap(() => JSON.parse('Dear Alice, your code is 1234'))
  trap(() => {
    const cause = new Error('Failed query: update x params: alice@example.com,Dear Alice')
    throw new Error('outer', { cause })
  })
  trap(() => {
    throw new TypeError(`fetch failed for https://hooks.example.com/secret from ${IP} with ${'k'.repeat(43)}`)
  })
  trap(() => {
    throw new Error('D1_ERROR: UNIQUE constraint failed: sends.tenant_id, sends.id: SQLITE_CONSTRAINT')
  })
  trap(() => {
    throw 'alice@example.com'
  })
  const lines = written().map((text): Line => JSON.parse(text))
  expect(lines.map(({ error }) => error)).toEqual([
    expect.stringMatching(/^SyntaxError: Unexpected token/),
    'Error: Failed query: update x params: …',
    'TypeError: fetch failed for … from … with …',
    'Error: D1_ERROR: UNIQUE constraint failed: sends.tenant_id, sends.id: SQLITE_CONSTRAINT',
    'string',
  ])
  expect(JSON.stringify(lines)).not.toMatch(/alice|1234|hooks|203\.0|kkkk/i)
  expect(lines[0]?.at).toEqual(expect.arrayContaining([expect.stringMatching(/^at .*log\.test/)]))
})

function requests(texts: string[]): Line[] {
  return texts.map((text): Line => JSON.parse(text)).filter(({ event }) => event === 'request')
}
