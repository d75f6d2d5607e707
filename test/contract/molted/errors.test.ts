import { exports } from 'cloudflare:workers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { call, grant, newTenant } from '../../support/tenant.ts'

const MOLTED = { statusCode: expect.any(Number), error: expect.any(String), message: expect.any(String) }
const REQUEST_ID = /^[0-9a-f-]{36}$/

const BODY = {
  recipientEmail: 'alice@example.com',
  templateId: 'welcome',
  dedupeKey: 'k1',
  payload: { firstName: 'Ann' },
}

/** A request with exactly these bytes, headers and stream. */
async function raw(path: string, init: RequestInit) {
  const response = await exports.default.fetch(`http://moltpost.test${path}`, init)
  const text = await response.text()
  return {
    status: response.status,
    text,
    body: text.startsWith('{') ? JSON.parse(text) : null,
    headers: response.headers,
  }
}

test('the Worker reports that it is healthy, and publishes valid OpenAPI 3.1 documents', async () => {
  expect(await call('GET', '/health')).toMatchObject({ status: 200, body: { status: 'ok' } })
  const { status, body } = await call('GET', '/openapi.json')
  expect(status).toBe(200)
  expect(body.openapi).toMatch(/^3\.1\.\d+$/)
  expect(body.info).toMatchObject({ title: 'Moltpost', version: expect.any(String) })
  expect(body.servers[0].url).toMatch(/^https?:\/\//)
  expect(body.components.securitySchemes.bearer).toMatchObject({ type: 'http', scheme: 'bearer' })

  const ids = new Set<string>()
  for (const [path, methods] of Object.entries(body.paths as Record<string, Record<string, Operation>>)) {
    expect(path).toMatch(/^\/[^?#]*$/)
    const named = [...path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1])
    for (const [method, operation] of Object.entries(methods)) {
      const where = `${method} ${path}`
      expect(where).toMatch(/^(get|post|put|patch|delete) /)
      expect({ where, has: Object.keys(operation.responses).length > 0 }).toEqual({ where, has: true })
      const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
      expect({ where, declared: declared.map(({ name }) => name).sort() }).toEqual({
        where,
        declared: named.sort(),
      })
      expect(declared.every(({ required }) => required)).toBe(true)
      if (operation.operationId) expect(ids.has(operation.operationId)).toBe(false)
      if (operation.operationId) ids.add(operation.operationId)
    }
  }
  const references = [...JSON.stringify(body).matchAll(/"\$ref":"#\/components\/([^"]+)"/g)]
  for (const [, reference = ''] of references) {
    const [kind = '', name = ''] = reference.split('/')
    expect({ reference, exists: body.components[kind]?.[name] !== undefined }).toEqual({
      reference,
      exists: true,
    })
  }
})

type Operation = {
  responses: Record<string, unknown>
  operationId?: string
  parameters?: { in: string; name: string; required: boolean }[]
}

test('an unknown route is 404 in the error shape of its surface, and every answer has a request id', async () => {
  const { key } = await newTenant()
  const routes: [string, string, unknown][] = [
    ['GET', '/v1/agent/x', { statusCode: 404, error: 'not_found', message: expect.any(String) }],
    ['PUT', '/v1/agent/sends', { statusCode: 404, error: 'not_found', message: expect.any(String) }],
    ['GET', '/v1/ops/x', { statusCode: 404, error: 'not_found', message: expect.any(String) }],
    ['POST', '/v1/templates/a/b/c/d', { statusCode: 404, error: 'not_found', message: expect.any(String) }],
    ['GET', '/v1/x', { error: 'not_found', message: expect.any(String) }],
    ['GET', '/v1/agents', { error: 'not_found', message: expect.any(String) }],
    ['GET', '/v1', { error: 'not_found', message: expect.any(String) }],
    ['GET', '/x', { error: 'not_found', message: expect.any(String) }],
    ['POST', '/', { error: 'not_found', message: expect.any(String) }],
  ]
  for (const [method, path, shape] of routes) {
    const answer = await call(method, path, { key })
    expect({ path, status: answer.status, body: answer.body }).toEqual({ path, status: 404, body: shape })
  }
  const answers = [
    await call('GET', '/health'),
    await call('GET', '/openapi.json'),
    await call('GET', '/x'),
    await call('GET', '/v1/agent/x', { key }),
    await call('GET', '/v1/agent/sends'),
    await call('GET', '/v1/agent/sends', { key }),
    await call('POST', '/v1/agent/request-send', { key, body: '{' }),
    await call('POST', '/v1/agents/register', { body: {} }),
  ]
  const ids = answers.map(({ headers }) => headers.get('x-request-id'))
  for (const id of ids) expect(id).toMatch(REQUEST_ID)
  expect(new Set(ids).size).toBe(answers.length)
})

test('a body that is not JSON, has another content type or lacks fields is 400, and the message says which', async () => {
  const { key } = await newTenant()
  for (const path of [
    '/v1/agent/request-send',
    '/v1/agent/simulate-send',
    '/v1/agent/keys',
    '/v1/suppressions',
  ]) {
    for (const body of ['{', '{"a":}', "{'a':1}", 'undefined', '\u0000', '{"a":1}}']) {
      const answer = await call('POST', path, { key, body })
      expect({ path, body, status: answer.status }).toEqual({ path, body, status: 400 })
      expect(answer.body).toMatchObject({ ...MOLTED, statusCode: 400 })
      expect(answer.body.error).toBe('malformed_json')
    }
    for (const body of ['[]', '17', 'null', '"text"', 'true']) {
      const answer = await call('POST', path, { key, body })
      expect({ path, body, status: answer.status }).toEqual({ path, body, status: 400 })
      expect(answer.body).toMatchObject(MOLTED)
    }
  }
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    '',
  ]) {
    const answer = await call('POST', '/v1/agent/request-send', {
      key,
      body: JSON.stringify(BODY),
      headers: { 'content-type': type },
    })
    expect({ type, status: answer.status }).toEqual({ type, status: 400 })
    expect(answer.body).toMatchObject(MOLTED)
  }
  for (const field of ['recipientEmail', 'templateId']) {
    const { [field as 'templateId']: _, ...rest } = BODY
    const answer = await call('POST', '/v1/agent/request-send', { key, body: rest })
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid', field } })
    expect(answer.body.message).toContain(field)
  }
  const many = await call('POST', '/v1/agent/request-send', { key, body: {} })
  expect(many.body.issues.map((issue: { field: string }) => issue.field)).toEqual([
    'recipientEmail',
    'templateId',
  ])
  const unknown = await call('POST', '/v1/agent/request-send', { key, body: { ...BODY, somethingElse: 1 } })
  expect(unknown.status).toBe(200)
  expect(await call('POST', '/v1/agent/request-send', { body: {} })).toMatchObject({
    status: 401,
    body: { statusCode: 401, error: 'unauthorized' },
  })
})

test('a body above 10 MiB is 413, with or without a Content-Length', async () => {
  const { key } = await newTenant()
  const large = JSON.stringify({ ...BODY, payload: { firstName: 'x'.repeat(10 * 1024 * 1024) } })
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  for (const path of [
    '/v1/agent/request-send',
    '/v1/agent/keys',
    '/v1/agents/register',
    '/v1/suppressions',
  ]) {
    const told = await raw(path, { method: 'POST', headers, body: large })
    expect({ path, status: told.status }).toEqual({ path, status: 413 })
    expect(told.body).toMatchObject({ error: 'payload_too_large', message: expect.any(String) })
    expect(told.headers.get('x-request-id')).toMatch(REQUEST_ID)

    const chunk = new TextEncoder().encode('x'.repeat(1024 * 1024))
    let sent = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(sent === 0 ? new TextEncoder().encode('{"a":"') : chunk)
        if (sent++ === 11) controller.close()
      },
    })
    const met = await raw(path, { method: 'POST', headers, body, duplex: 'half' } as RequestInit)
    expect({ path, status: met.status }).toEqual({ path, status: 413 })
    expect(met.body).toMatchObject({ error: 'payload_too_large' })
  }
  const fits = { ...BODY, payload: { firstName: 'x'.repeat(300_000) } }
  const answer = await call('POST', '/v1/agent/request-send', { key, body: fits })
  expect(answer.status).toBeLessThan(500)
})

const NASTY = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  'x\udfff',
  '\u202e',
  '\r\nBcc: all@example.com',
  '__proto__',
  'constructor',
  "' OR 1=1 --",
  '{{ firstName }}',
  '{% for i in (1..1000000000) %}x{% endfor %}',
  '%s%n',
  '../../etc/passwd',
  'a@b.c',
  'x'.repeat(200_000),
  '€'.repeat(70_000),
  '2026-01-01T00:00:00Z',
  '+275760-09-13T00:00:00Z',
]

const value = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...NASTY) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
  fc.constantFrom<unknown>(null, true, 0, -0, -1, 1e308, -1e-308, 2 ** 53, [], {}, [[[]]], [null]),
  fc.jsonValue({ maxDepth: 6 }),
  fc.integer({ min: 900, max: 5_000 }).map((depth) => nested(depth)),
)

/** JSON text of this nesting depth, inserted unchanged. */
class Raw {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

function nested(depth: number): Raw {
  return depth % 2 === 0
    ? new Raw(`${'['.repeat(depth)}${']'.repeat(depth)}`)
    : new Raw(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`)
}

const FIELDS = [
  'tenantId',
  'mailboxId',
  'recipientEmail',
  'templateId',
  'dedupeKey',
  'idempotencyKey',
  'payload',
  'sendReason',
  'campaignId',
  'scheduledAt',
  'agentId',
  'agentName',
  '__proto__',
  'constructor',
] as const

const mutation = fc.record({
  path: fc.constantFrom('/v1/agent/request-send', '/v1/agent/simulate-send'),
  fields: fc.uniqueArray(fc.tuple(fc.constantFrom(...FIELDS), value), {
    minLength: 1,
    maxLength: 3,
    selector: ([field]) => field,
  }),
  inPayload: fc.option(fc.tuple(fc.constantFrom('firstName', '__proto__', 'subject', 'text', 'html'), value)),
  isInline: fc.boolean(),
})

const jsonOf = (of: unknown) => (of instanceof Raw ? of.text : JSON.stringify(of))

test('garbage in any field of a send has a documented answer: never a 5xx, and no internal details', async () => {
  const tenant = await newTenant({
    mailbox: { hourly_limit: 100_000, daily_limit: 100_000 },
    tenant: { plan: 'enterprise' },
  })
  const secrets = [tenant.key, tenant.ownerKey, await grant(tenant.id, ['read'])]
  const bad: string[] = []
  let count = 0
  let slowest = 0
  await fc.assert(
    fc.asyncProperty(mutation, async ({ path, fields, inPayload, isInline }) => {
      const templateId = isInline ? '_default' : 'welcome'
      const members = new Map<string, string>()
      const plain = { ...BODY, templateId, dedupeKey: `fuzz-${count++}` }
      for (const [field, of] of Object.entries(plain)) members.set(field, JSON.stringify(of))
      if (inPayload !== null) {
        const [name, of] = inPayload
        members.set(
          'payload',
          `{"firstName":"Ann","subject":"S","text":"T",${JSON.stringify(name)}:${jsonOf(of)}}`,
        )
      }
      for (const [field, of] of fields) members.set(field, jsonOf(of))
      const body = `{${[...members].map(([field, text]) => `${JSON.stringify(field)}:${text}`).join(',')}}`
      const before = Date.now()
      const answer = await call('POST', path, { key: tenant.key, body })
      slowest = Math.max(slowest, Date.now() - before)
      const shown = JSON.stringify(answer.body)
      const isWell =
        (answer.status === 200 && typeof answer.body.requestId === 'string') ||
        ([400, 403, 404].includes(answer.status) && answer.body.statusCode === answer.status)
      const isSilent = !/SQLITE|D1_ERROR|\bat \/|node_modules|RangeError|stack/i.test(shown)
      const what = fields.map(([field, of]) => `${field}=${jsonOf(of)?.slice(0, 40)}`).join(' ')
      const inside = inPayload && `payload.${inPayload[0]}=${jsonOf(inPayload[1])?.slice(0, 40)}`
      if (!isWell || !isSilent || secrets.some((secret) => shown.includes(secret))) {
        bad.push(`${path} ${what} ${inside} → ${answer.status} ${shown.slice(0, 200)}`)
      }
    }),
    { numRuns: 300, seed: 7 },
  )
  expect(bad).toEqual([])
  expect(slowest).toBeLessThan(2_000)
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  expect((await tenant.send('after@example.com', 'after')).body.status).toBe('queued')
})

test('garbage in a path, a query or a header has a documented answer', async () => {
  const tenant = await newTenant()
  const paths = [
    '/v1/agent/sends/',
    '/v1/ops/trace/',
    '/v1/send/approvals/',
    '/v1/agent/dead-letters/',
    '/v1/templates/',
  ]
  const words = [
    '%00',
    '%ED%A0%80',
    '%',
    '%zz',
    'a'.repeat(3_000),
    '..%2f..',
    "'%20OR%201=1",
    '{}',
    '%0d%0aX: y',
    '__proto__',
  ]
  for (const path of paths) {
    for (const word of words) {
      const answer = await tenant.get(`${path}${word}`)
      expect({ path, word: word.slice(0, 20), status: answer.status }).toEqual({
        path,
        word: word.slice(0, 20),
        status: expect.toSatisfy((status: number) => status === 404 || status === 400),
      })
    }
  }
  const queries = [
    'cursor=%00',
    'limit=1e9',
    'limit=-1',
    'limit=NaN',
    'cursor=',
    'status=%00',
    'recipientEmail=%00',
    'dedupeKey=%ED%A0%80',
    'templateId=%',
  ]
  for (const query of queries) {
    const answer = await tenant.get(`/v1/agent/sends?${query}`)
    expect({ query, isOurs: answer.status < 500 }).toEqual({ query, isOurs: true })
  }
  const headers: Record<string, string>[] = [
    { authorization: 'Bearer' },
    { authorization: 'Bearer  ' },
    { authorization: 'Basic dXNlcjpwYXNz' },
    { authorization: `Bearer ${'a'.repeat(7_000)}` },
    { authorization: `bearer ${tenant.key} extra` },
    { 'x-api-key': '' },
  ]
  for (const each of headers) {
    const answer = await call('GET', '/v1/agent/sends', { headers: each })
    expect(answer).toMatchObject({ status: 401, body: { statusCode: 401, error: 'unauthorized' } })
  }
  expect((await call('GET', '/v1/agent/sends', { headers: { 'x-api-key': tenant.key } })).status).toBe(200)
  expect(
    (await call('GET', '/v1/agent/sends', { headers: { authorization: `bearer ${tenant.key}` } })).status,
  ).toBe(200)
  for (const agent of ['agent_nobody', 'x'.repeat(5_000), '__proto__']) {
    const answer = await tenant.owner.post('/v1/agent/request-send', BODY, { 'x-agent-id': agent })
    expect(answer.status).toBe(404)
  }
})
