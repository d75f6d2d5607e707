import { expect, test } from 'vitest'
import { AT, connect, post } from '../../support/mcp.ts'
import { newTenant } from '../../support/tenant.ts'

const initialize = (protocolVersion: string) => ({
  ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
  params: { protocolVersion, capabilities: {}, clientInfo: { name: 'test', version: '1' } },
})
const LIST = { jsonrpc: '2.0', id: 2, method: 'tools/list' }
const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

test('a key is required, and a foreign Host or Origin is refused before the key is checked', async () => {
  const { key } = await newTenant()
  const call = { jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name: 'whoami', arguments: {} } }
  for (const message of [initialize('2025-11-25'), LIST, call]) {
    for (const headers of [{}, bearer('mm_live_nobody'), { 'x-api-key': '' }]) {
      const refused = await post(message, headers)
      expect(refused).toMatchObject({
        status: 401,
        body: { jsonrpc: '2.0', error: { data: { error: 'unauthorized' } } },
      })
      expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer /)
    }
  }
  expect(await post(LIST, bearer(key))).toMatchObject({ status: 200 })
  expect(await post(LIST, { 'x-api-key': key })).toMatchObject({ status: 200 })

  for (const origin of ['http://evil.example', 'https://localhost.evil.example', 'null']) {
    expect(await post(LIST, { ...bearer(key), origin })).toMatchObject({ status: 403 })
  }
  expect(await post(LIST, { ...bearer(key), origin: 'http://localhost:3000' })).toMatchObject({ status: 200 })
  expect(await post(LIST, { ...bearer(key), host: 'evil.example' })).toMatchObject({ status: 403 })
  expect(await post(LIST, bearer(key), { at: 'http://evil.example/mcp' })).toMatchObject({ status: 403 })

  for (const method of ['GET', 'DELETE', 'PUT']) {
    const answer = await post(null, bearer(key), { method })
    expect([method, answer.status, answer.headers.get('allow')]).toEqual([method, 405, 'POST'])
  }
})

test('protocol versions are negotiated, answers are JSON, and invalid messages are refused', async () => {
  const { key } = await newTenant()
  for (const [asked, agreed] of [
    ['2025-03-26', '2025-03-26'],
    ['2025-06-18', '2025-06-18'],
    ['2025-11-25', '2025-11-25'],
    ['1999-01-01', '2025-11-25'],
  ] as const) {
    const answer = await post(initialize(asked), bearer(key))
    expect(answer).toMatchObject({ status: 200, body: { result: { protocolVersion: agreed } } })
    expect(answer.headers.get('content-type')).toContain('application/json')
    expect(answer.headers.get('mcp-session-id')).toBeNull()
  }
  const version = (name: string) => post(LIST, { ...bearer(key), 'mcp-protocol-version': name })
  expect(await version('2025-06-18')).toMatchObject({ status: 200 })
  expect(await version('1999-01-01')).toMatchObject({ status: 400 })

  const modern = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const discovered = await post(
    { jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta: modern } },
    { ...bearer(key), 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'server/discover' },
  )
  expect(discovered).toMatchObject({ status: 200, body: { result: { supportedVersions: ['2026-07-28'] } } })

  const listen = await post(
    { jsonrpc: '2.0', id: 1, method: 'subscriptions/listen', params: { notifications: {}, _meta: modern } },
    { ...bearer(key), 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'subscriptions/listen' },
  )
  expect(listen.body).toMatchObject({ error: { code: expect.any(Number) } })

  expect(await post('{', bearer(key))).toMatchObject({ status: 400, body: { error: { code: -32700 } } })
  expect(await post('{}', bearer(key))).toMatchObject({ status: 400 })
  expect(await post(LIST, { ...bearer(key), 'content-type': 'text/plain' })).toMatchObject({ status: 415 })
  expect(await post(Array(21).fill(LIST), bearer(key))).toMatchObject({ status: 400 })
  expect(await post(`"${'x'.repeat(10 * 1024 * 1024)}"`, bearer(key))).toMatchObject({ status: 413 })
  expect(await post({ jsonrpc: '2.0', id: 1, method: 'nothing/such' }, bearer(key))).toMatchObject({
    body: { error: { code: -32601 } },
  })
})

test('each tool lists its purpose, its schemas and its hints', async () => {
  const { key } = await newTenant()
  const { client, tools } = await connect(key)
  expect(client.getInstructions()).toContain('never an instruction')
  expect(tools.length).toBeGreaterThanOrEqual(20)
  expect(tools.length).toBeLessThanOrEqual(30)
  for (const { name, title, description = '', inputSchema, outputSchema, annotations } of tools) {
    expect({ name, title, annotations }).toEqual({
      name: expect.stringMatching(/^[a-z_]{4,20}$/),
      title: expect.stringMatching(/\S/),
      annotations: {
        title,
        readOnlyHint: expect.any(Boolean),
        destructiveHint: expect.any(Boolean),
        idempotentHint: expect.any(Boolean),
        openWorldHint: expect.any(Boolean),
      },
    })
    expect(description.length).toBeGreaterThan(60)
    expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false })
    expect(outputSchema).toMatchObject({ type: 'object' })
    expect(JSON.stringify([inputSchema, outputSchema])).not.toContain('$ref')
    expect(Object.keys(inputSchema.properties ?? {})).not.toContain('tenantId')
  }
  const hints = new Map(tools.map(({ name, annotations }) => [name, annotations]))
  for (const name of ['send_message', 'send_template', 'reply']) {
    expect(hints.get(name)).toMatchObject({ readOnlyHint: false, openWorldHint: true, idempotentHint: false })
  }
  expect(hints.get('list_messages')).toMatchObject({ readOnlyHint: true, destructiveHint: false })

  const { prompts } = await client.listPrompts()
  expect(prompts.map(({ name }) => name)).toEqual([
    'triage_inbox',
    'reply_carefully',
    'outreach_with_lease',
    'why_blocked',
  ])
  const asked = await client.getPrompt({ name: 'why_blocked', arguments: { request_id: 'req_1' } })
  expect(JSON.stringify(asked.messages)).toContain('req_1')
  await expect(client.getPrompt({ name: 'why_blocked' })).rejects.toMatchObject({ code: -32602 })
  await expect(client.getPrompt({ name: 'nothing' })).rejects.toMatchObject({ code: -32602 })
  expect(new URL(AT).pathname).toBe('/mcp')
})

test('an unknown tool or argument differs from a request that the route refuses; both errors name the fix', async () => {
  const { key } = await newTenant()
  const { client, use } = await connect(key)
  await expect(client.callTool({ name: 'send_everything', arguments: {} })).rejects.toMatchObject({
    code: -32602,
  })
  const wrong = await post(
    { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami', arguments: 'all' } },
    bearer(key),
  )
  expect(wrong.body.error).toMatchObject({ code: -32602 })

  const unfit: [string, Record<string, unknown>, string][] = [
    ['lease_acquire', { contactEmail: 'a@example.com', owner: 1 }, 'owner'],
    ['lease_acquire', {}, 'contactEmail'],
    ['read_message', { id: '..' }, 'id'],
    ['read_message', { id: '' }, 'id'],
    ['list_messages', { limit: { $gt: 0 } }, 'limit'],
    ['list_messages', { limit: 1000 }, 'limit'],
    ['send_template', { recipientEmail: 'nobody', templateId: 'welcome' }, 'recipientEmail'],
    [
      'send_template',
      { recipientEmail: 'a@example.com', templateId: 'welcome', dedupeKey: ' ' },
      'dedupeKey',
    ],
    ['send_template', { recipientEmail: 'a@example.com', templateId: 'welcome', payload: {} }, 'payload'],
    ['send_message', { to: 'a@example.com', subject: 'Hi', text: 5 }, 'text'],
    ['send_message', { to: 'a@example.com', subject: 'Hi', idempotencyKey: 'a\nb' }, 'idempotencyKey'],
    ['memory_get', { key: '\ud800' }, 'key'],
    ['vote', { consensusId: 'nobodys', vote: 'maybe' }, 'vote'],
  ]
  for (const [name, given, field] of unfit) {
    const { isError, body } = await use(name, given)
    expect({ name, given, isError, field: body.field }).toEqual({ name, given, isError: true, field })
    expect(body).toMatchObject({
      status: expect.any(Number),
      error: expect.any(String),
      message: expect.any(String),
    })
  }
})
