import { expect, test } from 'vitest'
import { ENTRIES, type Ids, idsOf, newWorld, probe, unlike, type World } from '../../support/matrix.ts'
import { argumentsOf, type Connection, connect, unfenced } from '../../support/mcp.ts'
import { call } from '../../support/tenant.ts'

/** The route of each tool, in an order in which each finds the data it needs. */
const ROUTES: Record<string, string> = {
  whoami: 'POST /v1/agent/whoami',
  list_templates: 'GET /v1/templates',
  list_messages: 'GET /v1/messages',
  read_message: 'GET /v1/messages/{id}',
  search_mail: 'GET /v1/search',
  list_threads: 'GET /v1/threads',
  read_thread: 'GET /v1/threads/{id}',
  mark_thread: 'PATCH /v1/threads/{id}',
  classify_intent: 'POST /v1/agent/classify-intent',
  next_action: 'POST /v1/agent/next-best-action',
  send_status: 'GET /v1/agent/sends/{requestId}',
  list_agents: 'GET /v1/agent/agents',
  list_leases: 'GET /v1/agent/coordination/leases',
  simulate_send: 'POST /v1/agent/simulate-send',
  send_template: 'POST /v1/agent/request-send',
  send_message: 'POST /v1/messages',
  reply: 'POST /v1/messages/{id}/reply',
  heartbeat: 'POST /v1/agent/coordination/heartbeat',
  consensus_status: 'GET /v1/agent/coordination/consensus/{consensusId}',
  vote: 'POST /v1/agent/coordination/consensus/{consensusId}/vote',
  propose: 'POST /v1/agent/coordination/consensus',
  memory_get: 'GET /v1/agents/me/memory/{key}',
  memory_search: 'POST /v1/agents/me/memory/search',
  memory_put: 'PUT /v1/agents/me/memory/{key}',
  lease_acquire: 'POST /v1/agent/coordination/lease',
  lease_release: 'DELETE /v1/agent/coordination/lease/{leaseId}',
}

/** Arguments that a tool call leaves out. */
const LEFT_OUT = ['agentName']

const requestOf = (route: string, ids: Ids) => {
  const entry = ENTRIES[route]
  if (!entry) throw new Error(`the matrix has no ${route}`)
  return { entry, request: entry.request(ids) }
}

const given = (tools: Connection['tools'], name: string, ids: Ids) => {
  const route = ROUTES[name] ?? ''
  const known = tools.find((tool) => tool.name === name)?.inputSchema.properties ?? {}
  const wanted = argumentsOf(route, requestOf(route, ids).request)
  return Object.fromEntries(
    Object.entries(wanted).filter(([field]) => !LEFT_OUT.includes(field) && field in known),
  )
}

/** An answer without its ids, keys and times, so that answers of two worlds can be compared. */
function alike(value: unknown, { ids, canary, tenant }: World): unknown {
  const words = [...Object.entries(ids), ['canary', canary], ['address', tenant.address]] as [
    string,
    string,
  ][]
  const text = words
    .sort(([, a], [, b]) => b.length - a.length)
    .reduce((text, [name, word]) => text.replaceAll(word, `<${name}>`), JSON.stringify(value))
  return JSON.parse(
    text
      .replace(/(req|msg|thread|apq|lease|cns|mbx|agent|tenant|tpl|key)_[0-9a-z]{20,}/g, '<new id>')
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '<new id>')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
      .replace(/"score":[\d.]+/g, '"score":0'),
  )
}

test('each tool has the same effect and answer as its route', async () => {
  const [byRoute, byTool] = await Promise.all([newWorld(), newWorld()])
  const { tools, use } = await connect(byTool.key)
  expect(tools.map(({ name }) => name).sort()).toEqual(Object.keys(ROUTES).sort())

  for (const [name, route] of Object.entries(ROUTES)) {
    const answer = await probe(route, requestOf(route, byRoute.ids).request, { key: byRoute.key })
    const called = await use(name, given(tools, name, byTool.ids))
    expect({ name, status: answer.status < 300, isError: called.isError }).toEqual({
      name,
      status: true,
      isError: false,
    })
    const { dedupe: _, ...said } = unfenced(called.body) as Record<string, unknown>
    const told = Array.isArray(answer.body) ? { items: answer.body } : answer.body
    expect({ name, said: alike(told, byRoute) }).toMatchObject({ name, said: alike(said, byTool) })
    expect(JSON.parse(called.text)).toEqual(called.body)
  }
  for (const path of [
    '/v1/agent/sends',
    '/v1/agent/coordination/leases',
    '/v1/agents/me/memory',
    '/v1/messages',
  ]) {
    const [one, other] = await Promise.all([
      call('GET', path, { key: byRoute.key }),
      call('GET', path, { key: byTool.key }),
    ])
    const count = (body: { items?: unknown[]; data?: unknown[] }) => (body.items ?? body.data)?.length
    expect({ path, count: count(other.body) }).toEqual({ path, count: count(one.body) })
  }
})

test('for ids of another tenant, tools and resources answer as for ids that do not exist', async () => {
  const [a, b] = await Promise.all([newWorld(), newWorld()])
  const { client, tools, use } = await connect(b.key)
  const secrets = [...Object.values(a.ids), a.canary, a.tenant.address]
  let probes = 0
  for (const [name, route] of Object.entries(ROUTES)) {
    const { entry } = requestOf(route, b.ids)
    for (const id of idsOf(entry, a.ids).filter((each) => each !== 'tenantId')) {
      const theirs = given(tools, name, { ...b.ids, [id]: a.ids[id] })
      const nobodys = { ...b.ids, [id]: unlike(a.ids[id]) }
      const foreign = await use(name, theirs)
      const unknown = await use(name, given(tools, name, nobodys))
      const told = secrets
        .filter((secret) => JSON.stringify(theirs).includes(secret))
        .reduce((text, word) => text.replaceAll(word, ''), foreign.text)
      expect({ name, id, leaks: secrets.filter((secret) => told.includes(secret)) }).toEqual({
        name,
        id,
        leaks: [],
      })
      expect({
        name,
        id,
        isError: foreign.isError,
        error: foreign.body.error,
        status: foreign.body.status,
      }).toEqual({
        ...{ name, id },
        ...{ isError: unknown.isError, error: unknown.body.error, status: unknown.body.status },
      })
      probes++
    }
  }
  const read = (uri: string) => client.readResource({ uri })
  for (const uri of [
    `moltpost://messages/${a.ids.messageId}`,
    `moltpost://threads/${a.ids.threadId}`,
    `moltpost://sends/${a.ids.heldId}`,
    'moltpost://messages/..',
    'moltpost://nothing',
  ]) {
    await expect(read(uri)).rejects.toMatchObject({ code: -32602 })
    probes++
  }
  for (const uri of [
    'moltpost://inbox',
    `moltpost://messages/${b.ids.messageId}`,
    `moltpost://threads/${b.ids.threadId}`,
    `moltpost://sends/${b.ids.heldId}`,
  ]) {
    expect(JSON.stringify((await read(uri)).contents)).toContain(b.canary)
  }
  expect(probes).toBeGreaterThan(25)
})

test('a tool can do no more than the key it is called with', async () => {
  const { tenant, ids, key } = await newWorld()
  const refused = async (with_: string, name: string) => {
    const { tools, use } = await connect(with_)
    return await use(name, given(tools, name, ids))
  }
  const { body } = await tenant.owner.post('/v1/agent/keys', { label: 'reads', permissions: ['read'] })
  for (const name of ['send_template', 'send_message', 'reply', 'memory_put', 'lease_acquire']) {
    const { isError, body: said } = await refused(body.rawKey, name)
    expect({ name, isError, ...said }).toMatchObject({
      name,
      isError: true,
      status: 403,
      error: 'insufficient_scope',
    })
  }
  expect((await refused(key, 'list_messages')).isError).toBe(false)
})
