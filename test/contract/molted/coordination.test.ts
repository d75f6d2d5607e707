import { expect, test } from 'vitest'
import { type Answer, call, grant, newTenant, type Tenant } from '../../support/tenant.ts'

const STAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const stamp = expect.stringMatching(STAMP)
const uuid = expect.stringMatching(UUID)
const agentId = expect.stringMatching(/^agent_/)

/** A key of a whole tenant, which may act for any of its agents. */
async function newTeam(...names: string[]) {
  const tenant = await newTenant()
  const { owner } = tenant
  const agents: Record<string, string> = {}
  for (const agentName of names) {
    agents[agentName] = (await owner.post('/v1/agent/register', { agentName })).body.id
  }
  return { tenant, owner, agents }
}

const minutesBetween = (from: string, to: string) => (Date.parse(to) - Date.parse(from)) / 60_000

/** A key that acts for one agent only. */
async function keyOf(tenant: Tenant, of: string) {
  const made = await tenant.owner.post('/v1/agent/keys', {
    label: 'bound',
    agentId: of,
    permissions: ['read', 'send', 'manage'],
  })
  expect(made.status).toBe(200)
  const secret = Object.values(made.body as Record<string, unknown>).find(
    (value) => typeof value === 'string' && value.startsWith('mm_live_') && value.length > 40,
  )
  return tenant.as(String(secret))
}

const refuses = (answer: Answer, status: number, error: string) =>
  expect({ status: answer.status, ...answer.body }).toMatchObject({
    status,
    statusCode: status,
    error,
    message: expect.any(String),
  })

test('every curl of the published document, in the order of its page, has an answer in the published shape', async () => {
  const tenant = await newTenant()
  const tenantId = tenant.id
  const post = tenant.owner.post
  const { get, put, del } = tenant.owner

  const registered = await post('/v1/agent/register', {
    tenantId,
    agentName: 'outreach-agent',
    agentRole: 'outbound',
  })
  expect(registered.status).toBe(200)
  expect(registered.body).toEqual({
    id: agentId,
    tenantId,
    agentName: 'outreach-agent',
    agentRole: 'outbound',
    lastHeartbeat: stamp,
    registeredAt: stamp,
  })
  const me = registered.body.id

  const beat = await post('/v1/agent/coordination/heartbeat', { tenantId, agentName: 'outreach-agent' })
  expect([beat.status, beat.body]).toEqual([200, { ok: true }])

  const asked = {
    tenantId,
    agentName: 'outreach-agent',
    contactEmail: 'user@example.com',
    intent: 'outbound_sales',
    durationMinutes: 30,
  }
  const lease = await post('/v1/agent/coordination/lease', asked)
  expect(lease.status).toBe(200)
  expect(lease.body).toEqual({
    id: uuid,
    tenantId,
    agentId: me,
    contactEmail: 'user@example.com',
    intent: 'outbound_sales',
    expiresAt: stamp,
    createdAt: stamp,
  })
  expect(minutesBetween(lease.body.createdAt, lease.body.expiresAt)).toBe(30)

  await post('/v1/agent/register', { tenantId, agentName: 'other-agent' })
  const conflict = await post('/v1/agent/coordination/lease', { ...asked, agentName: 'other-agent' })
  expect([conflict.status, conflict.body]).toEqual([
    200,
    {
      conflict: true,
      leaseHolder: { agentId: me, agentName: 'outreach-agent', expiresAt: lease.body.expiresAt },
    },
  ])

  const listed = await get(`/v1/agent/coordination/leases?tenantId=${tenantId}`)
  expect([listed.status, listed.body]).toEqual([200, [lease.body]])
  const released = await del(`/v1/agent/coordination/lease/${lease.body.id}?tenantId=${tenantId}`)
  expect([released.status, released.body]).toEqual([200, { released: true }])
  expect((await get(`/v1/agent/coordination/leases?tenantId=${tenantId}`)).body).toEqual([])
  expect((await del(`/v1/agent/coordination/lease/${lease.body.id}?tenantId=${tenantId}`)).body).toEqual({
    released: false,
  })

  const proposal = {
    tenantId,
    proposerAgent: 'outreach-agent',
    action: 'pause outreach',
    contactEmail: 'ceo@bigcorp.com',
    reason: 'Fatigue scores are high',
    timeoutMinutes: 5,
  }
  const created = await post('/v1/agent/coordination/consensus', proposal)
  expect(created.status).toBe(200)
  expect(created.body).toEqual({
    id: uuid,
    tenantId,
    requestingAgentId: me,
    action: 'pause outreach',
    contactEmail: 'ceo@bigcorp.com',
    reason: 'Fatigue scores are high',
    status: 'pending',
    timeoutAt: stamp,
    createdAt: stamp,
  })
  expect(minutesBetween(created.body.createdAt, created.body.timeoutAt)).toBe(5)
  const path = `/v1/agent/coordination/consensus/${created.body.id}`
  expect((await get(`${path}?tenantId=${tenantId}`)).body).toEqual({ ...created.body, votes: [] })

  // The first agent of the tenant is active, too, so two of three agents decide.
  const vote = { agentId: me, vote: 'approve', reason: 'Agreed, signals look bad' }
  const cast = await post(`${path}/vote`, vote)
  expect(cast.status).toBe(200)
  expect(cast.body).toEqual({
    id: uuid,
    consensusRequestId: created.body.id,
    agentId: me,
    vote: 'approve',
    reason: 'Agreed, signals look bad',
    consensusStatus: 'pending',
    createdAt: stamp,
  })
  const deciding = await post(`${path}/vote`, { ...vote, agentId: tenant.agentId })
  expect(deciding.body).toMatchObject({ agentId: tenant.agentId, consensusStatus: 'approved' })
  const { consensusRequestId: _id, consensusStatus: _status, ...first } = cast.body
  const decided = await get(`${path}?tenantId=${tenantId}`)
  expect(decided.body).toEqual({
    ...created.body,
    status: 'approved',
    votes: [first, expect.objectContaining({ agentId: tenant.agentId })],
  })

  const config = `/v1/agent/agents/${me}/config?tenantId=${tenantId}`
  expect([(await get(config)).status, (await get(config)).body]).toEqual([200, {}])
  const stored = await put(config, { humanizer_enabled: true, humanizer_style: 'professional' })
  expect([stored.status, stored.body]).toEqual([
    200,
    { humanizer_enabled: true, humanizer_style: 'professional' },
  ])
  expect((await get(config)).body).toEqual(stored.body)
})

test('omitted fields have their documented defaults, and registering a name again updates that agent', async () => {
  const { tenant, owner } = await newTeam()
  const first = await owner.post('/v1/agent/register', { agentName: 'helper' })
  expect(first.body).toMatchObject({ agentRole: 'general', tenantId: tenant.id })
  const again = await owner.post('/v1/agent/register', { agentName: 'helper', agentRole: 'inbound' })
  expect(again.body).toMatchObject({
    id: first.body.id,
    agentRole: 'inbound',
    registeredAt: first.body.registeredAt,
  })
  expect(Date.parse(again.body.lastHeartbeat)).toBeGreaterThanOrEqual(Date.parse(first.body.lastHeartbeat))
  const agents = await owner.get('/v1/agent/agents?active=true')
  expect(agents.body.items).toMatchObject([{ agentName: 'helper', active: true }, { id: tenant.agentId }])

  const lease = await owner.post('/v1/agent/coordination/lease', {
    agentName: 'helper',
    contactEmail: 'Ann@Example.com',
  })
  expect(lease.body).toMatchObject({
    intent: 'general',
    agentId: first.body.id,
    contactEmail: 'Ann@example.com',
  })
  expect(minutesBetween(lease.body.createdAt, lease.body.expiresAt)).toBe(30)
  const proposal = { proposerAgent: 'helper', action: 'a', contactEmail: 'ann@example.com', reason: 'b' }
  const request = await owner.post('/v1/agent/coordination/consensus', proposal)
  expect(minutesBetween(request.body.createdAt, request.body.timeoutAt)).toBe(5)
  const vote = await owner.post(`/v1/agent/coordination/consensus/${request.body.id}/vote`, {
    agentId: first.body.id,
    vote: 'reject',
  })
  expect(vote.body).toMatchObject({ vote: 'reject', reason: null })

  const renewed = await owner.post('/v1/agent/coordination/lease', {
    ...{ agentName: 'helper', contactEmail: 'ann@example.com', intent: 'support', durationMinutes: 60 },
  })
  expect(renewed.body).toMatchObject({
    id: lease.body.id,
    intent: 'support',
    createdAt: lease.body.createdAt,
  })
  expect(Date.parse(renewed.body.expiresAt)).toBeGreaterThan(Date.parse(lease.body.expiresAt))
  const shorter = await owner.post('/v1/agent/coordination/lease', {
    agentName: 'helper',
    contactEmail: 'ann@example.com',
    durationMinutes: 1,
  })
  expect(shorter.body).toMatchObject({ id: lease.body.id, expiresAt: renewed.body.expiresAt })

  const history = await owner.get('/v1/agent/coordination/leases/history?contactEmail=ANN@example.com')
  expect(
    history.body.items.map((event: { kind: string; epoch: number }) => [event.kind, event.epoch]).sort(),
  ).toEqual([
    ['granted', 1],
    ['renewed', 1],
    ['renewed', 1],
  ])
  expect(history.body.items[0]).toMatchObject({
    leaseId: lease.body.id,
    agentName: 'helper',
    holderName: 'helper',
  })
})

test('the agent of a request is named by id, by name or by both if they agree; otherwise it is the agent of the key', async () => {
  const { tenant, owner, agents } = await newTeam('ann', 'bob')
  const stranger = await newTenant()
  const paths: [string, string, string, Record<string, unknown>][] = [
    ['/v1/agent/coordination/heartbeat', 'agentId', 'agentName', {}],
    ['/v1/agent/coordination/lease', 'agentId', 'agentName', { contactEmail: 'ann@example.com' }],
    [
      '/v1/agent/coordination/consensus',
      'requestingAgentId',
      'proposerAgent',
      { action: 'a', contactEmail: 'ann@example.com', reason: 'b' },
    ],
  ]
  const bare = tenant.as(await grant(tenant.id, ['read', 'send', 'manage']))
  const bound = await keyOf(tenant, agents.ann ?? '')
  for (const [path, id, name, rest] of paths) {
    for (const named of [{ [id]: agents.ann }, { [name]: 'ann' }, { [id]: agents.ann, [name]: 'ann' }]) {
      expect((await owner.post(path, { ...rest, ...named })).status, path).toBe(200)
    }
    refuses(await owner.post(path, { ...rest, [id]: agents.ann, [name]: 'bob' }), 400, 'invalid')
    refuses(await owner.post(path, { ...rest, [id]: 'agent_nobody' }), 404, 'agent_not_found')
    refuses(await owner.post(path, { ...rest, [name]: 'nobody' }), 404, 'agent_not_found')
    refuses(await owner.post(path, { ...rest, [id]: stranger.agentId }), 404, 'agent_not_found')
    refuses(await bare.post(path, rest), 400, 'invalid')

    expect((await bound.post(path, rest)).status, path).toBe(200)
    expect((await bound.post(path, { ...rest, [name]: 'ann' })).status, path).toBe(200)
    refuses(await bound.post(path, { ...rest, [name]: 'bob' }), 403, 'agent_mismatch')
    refuses(await bound.post(path, rest, { 'x-agent-id': agents.bob ?? '' }), 403, 'agent_mismatch')
    refuses(await owner.post(path, { ...rest, [name]: 'ann', tenantId: stranger.id }), 403, 'tenant_mismatch')
    refuses(await call('POST', path, { body: { ...rest, [name]: 'ann' } }), 401, 'unauthorized')
  }
  // A key of the whole tenant takes no agent by default where there are several, and the answer says which there are.
  const lease = { contactEmail: 'eve@example.com' }
  const unnamed = await owner.post('/v1/agent/coordination/lease', lease)
  refuses(unnamed, 400, 'invalid')
  expect(unnamed.body.message).toMatch(/several agents: .*"ann", "bob"/)
  const header = await owner.post(
    '/v1/agent/coordination/lease',
    { contactEmail: 'dan@example.com' },
    { 'x-agent-id': agents.ann ?? '' },
  )
  expect(header.body.agentId).toBe(agents.ann)

  const reader = tenant.as(await grant(tenant.id, ['read']))
  refuses(await reader.post('/v1/agent/register', { agentName: 'x' }), 403, 'insufficient_scope')
  refuses(
    await reader.post('/v1/agent/coordination/lease', { ...lease, agentName: 'ann' }),
    403,
    'insufficient_scope',
  )
  expect((await reader.get('/v1/agent/coordination/leases')).status).toBe(200)
})

test('unknown ids and ids of other tenants are 404, and only the holder or a key of the whole tenant releases a lease', async () => {
  const { tenant, owner, agents } = await newTeam('ann', 'bob')
  const other = await newTeam('eve')
  const lease = await owner.post('/v1/agent/coordination/lease', {
    agentName: 'ann',
    contactEmail: 'ann@example.com',
  })
  const proposal = { proposerAgent: 'ann', action: 'a', contactEmail: 'ann@example.com', reason: 'b' }
  const request = await owner.post('/v1/agent/coordination/consensus', proposal)

  for (const [team, leaseId, consensusId, id] of [
    [other, lease.body.id, request.body.id, agents.ann],
    [{ owner }, crypto.randomUUID(), crypto.randomUUID(), 'agent_nobody'],
  ] as const) {
    refuses(await team.owner.del(`/v1/agent/coordination/lease/${leaseId}`), 404, 'not_found')
    refuses(await team.owner.get(`/v1/agent/coordination/consensus/${consensusId}`), 404, 'not_found')
    const vote = { agentId: team === other ? other.agents.eve : agents.ann, vote: 'approve' }
    refuses(
      await team.owner.post(`/v1/agent/coordination/consensus/${consensusId}/vote`, vote),
      404,
      'not_found',
    )
    refuses(await team.owner.get(`/v1/agent/agents/${id}/config`), 404, 'agent_not_found')
    refuses(
      await team.owner.put(`/v1/agent/agents/${id}/config`, { humanizer_enabled: true }),
      404,
      'agent_not_found',
    )
  }
  const path = `/v1/agent/coordination/consensus/${request.body.id}/vote`
  refuses(await owner.post(path, { agentId: other.agents.eve, vote: 'approve' }), 404, 'agent_not_found')
  const bob = await keyOf(tenant, agents.bob ?? '')
  refuses(await bob.post(path, { agentId: agents.ann, vote: 'approve' }), 403, 'agent_mismatch')
  refuses(await bob.del(`/v1/agent/coordination/lease/${lease.body.id}`), 403, 'agent_mismatch')
  refuses(
    await bob.put(`/v1/agent/agents/${agents.ann}/config`, { humanizer_enabled: true }),
    403,
    'agent_mismatch',
  )
  const ann = await keyOf(tenant, agents.ann ?? '')
  expect((await ann.del(`/v1/agent/coordination/lease/${lease.body.id}`)).body).toEqual({ released: true })
  expect((await other.owner.get('/v1/agent/coordination/leases')).body).toEqual([])
})

test('an invalid body is 400 and names the field; unknown config keys are ignored', async () => {
  const { owner, agents } = await newTeam('ann')
  const lease = { agentName: 'ann', contactEmail: 'ann@example.com' }
  const proposal = { proposerAgent: 'ann', action: 'a', contactEmail: 'ann@example.com', reason: 'b' }
  const wrong: [string, Record<string, unknown>, string][] = [
    ...[0, -1, 1_441, 1_440.01, 0.016, '30', null].map(
      (durationMinutes): [string, Record<string, unknown>, string] => [
        ...(['/v1/agent/coordination/lease', { ...lease, durationMinutes }, 'durationMinutes'] as const),
      ],
    ),
    ...[0, -1, 1_441, 1_440.01, 0.016, '5', null].map(
      (timeoutMinutes): [string, Record<string, unknown>, string] => [
        ...(['/v1/agent/coordination/consensus', { ...proposal, timeoutMinutes }, 'timeoutMinutes'] as const),
      ],
    ),
    ['/v1/agent/coordination/lease', { ...lease, contactEmail: 'nobody' }, 'contactEmail'],
    ['/v1/agent/coordination/lease', { agentName: 'ann' }, 'contactEmail'],
    ['/v1/agent/coordination/lease', { ...lease, intent: 7 }, 'intent'],
    ['/v1/agent/coordination/consensus', { ...proposal, action: undefined }, 'action'],
    ['/v1/agent/coordination/consensus', { ...proposal, reason: '' }, 'reason'],
    ['/v1/agent/register', {}, 'agentName'],
    ['/v1/agent/register', { agentName: ' ' }, 'agentName'],
    ['/v1/agent/register', { agentName: 'a\r\nb' }, 'agentName'],
    ['/v1/agent/register', { agentName: 'a', agentRole: 5 }, 'agentRole'],
    ['/v1/agent/coordination/heartbeat', { agentName: 5 }, 'agentName'],
  ]
  for (const [path, body, field] of wrong) {
    const answer = await owner.post(path, body)
    expect({ path, body, status: answer.status, field: answer.body.field }).toEqual({
      path,
      body,
      status: 400,
      field,
    })
  }
  refuses(await owner.post('/v1/agent/coordination/lease', '{"agentName":'), 400, 'malformed_json')
  expect((await owner.get('/v1/agent/coordination/leases')).body).toEqual([])
  for (const durationMinutes of [1, 1_440, 0.5, 1 / 60]) {
    const contactEmail = `d${durationMinutes}@example.com`
    const { body } = await owner.post('/v1/agent/coordination/lease', {
      agentName: 'ann',
      contactEmail,
      durationMinutes,
    })
    expect(minutesBetween(body.createdAt, body.expiresAt)).toBeCloseTo(durationMinutes, 4)
  }

  const config = `/v1/agent/agents/${agents.ann}/config`
  const stored = await owner.put(config, {
    humanizer_provider: 'local',
    colour: 'red',
  })
  expect([stored.status, stored.body]).toEqual([200, { humanizer_provider: 'local' }])
  for (const body of [
    { humanizer_enabled: 'yes' },
    { humanizer_style: 5 },
    { humanizer_provider: null },
    [],
  ]) {
    refuses(await owner.put(config, body), 400, 'invalid')
  }
  expect((await owner.get(config)).body).toEqual({ humanizer_provider: 'local' })

  const request = await owner.post('/v1/agent/coordination/consensus', proposal)
  const path = `/v1/agent/coordination/consensus/${request.body.id}/vote`
  refuses(await owner.post(path, { agentId: agents.ann, vote: 'abstain' }), 400, 'invalid')
  refuses(await owner.post(path, { agentId: agents.ann }), 400, 'invalid')
  const first = await owner.post(path, { agentId: agents.ann, vote: 'approve', reason: 'once' })
  const repeat = await owner.post(path, { agentId: agents.ann, vote: 'approve', reason: 'twice' })
  expect(repeat.body).toEqual(first.body)
  refuses(await owner.post(path, { agentId: agents.ann, vote: 'reject' }), 409, 'already_voted')
  const { body: found } = await owner.get(`/v1/agent/coordination/consensus/${request.body.id}`)
  expect(found.votes).toHaveLength(1)
})

test('while an agent holds a lease, the sends of other agents to the contact are blocked and name the holder; its own sends pass', async () => {
  const { tenant, owner, agents } = await newTeam('ann', 'bob')
  const lease = await owner.post('/v1/agent/coordination/lease', {
    agentName: 'ann',
    contactEmail: 'user@example.com',
  })
  const leaseHolder = { agentId: agents.ann, agentName: 'ann', expiresAt: lease.body.expiresAt }
  const send = (
    dedupeKey: string,
    more: Record<string, unknown> = {},
    headers: Record<string, string> = {},
    route = 'request-send',
  ) =>
    owner.post(
      `/v1/agent/${route}`,
      {
        recipientEmail: 'User@Example.com',
        templateId: 'welcome',
        dedupeKey,
        payload: { firstName: 'Ann' },
        ...more,
      },
      headers,
    )
  for (const [position, [more, headers]] of (
    [
      [{}, {}],
      [{ agentName: 'bob' }, {}],
      [{ agentId: agents.bob }, {}],
      [{ agentName: 'ann' }, { 'x-agent-id': agents.bob ?? '' }],
    ] as [Record<string, unknown>, Record<string, string>][]
  ).entries()) {
    const blocked = await send(`blocked-${position}`, more, headers)
    expect(blocked).toMatchObject({
      status: 200,
      body: { status: 'blocked', reason: 'lease_conflict', leaseHolder },
    })
    expect(blocked.body.policyTrace.decision).toEqual({ allow: false, reason: 'lease_conflict' })
    expect(blocked.body.policyTrace.auditEvents.at(-1)).toMatchObject({ rule: 'lease', passed: false })
    const simulated = await send(`simulated-${position}`, more, headers, 'simulate-send')
    expect(simulated.body).toMatchObject({
      simulation: true,
      wouldAllow: false,
      reason: 'lease_conflict',
      leaseHolder,
    })
  }
  for (const [position, [more, headers]] of (
    [
      [{ agentName: 'ann' }, {}],
      [{ agentId: agents.ann }, {}],
      [{}, { 'x-agent-id': agents.ann ?? '' }],
    ] as [Record<string, unknown>, Record<string, string>][]
  ).entries()) {
    expect((await send(`simulated-own-${position}`, more, headers, 'simulate-send')).body).toMatchObject({
      wouldAllow: true,
    })
    expect((await send(`own-${position}`, more, headers)).body.status).toBe('queued')
  }
  const bob = await keyOf(tenant, agents.bob ?? '')
  await owner.post('/v1/agent/mailboxes', { name: 'the mailbox of bob', agentId: agents.bob })
  const mine = { recipientEmail: 'user@example.com', templateId: 'welcome', payload: { firstName: 'Ann' } }
  expect((await bob.post('/v1/agent/request-send', { ...mine, dedupeKey: 'bob' })).body.reason).toBe(
    'lease_conflict',
  )
  refuses(
    await bob.post('/v1/agent/request-send', { ...mine, dedupeKey: 'bob', agentName: 'ann' }),
    403,
    'agent_mismatch',
  )
  refuses(
    await bob.post('/v1/agent/request-send', { ...mine, dedupeKey: 'bob', agentName: 'nobody' }),
    404,
    'agent_not_found',
  )

  await owner.del(`/v1/agent/coordination/lease/${lease.body.id}`)
  // A refused send does not take its dedupe key.
  expect((await send('blocked-0')).body.status).toBe('queued')
})

test('leases are listed as a bare array ordered by contact, and a header leads to the next page', async () => {
  const { owner } = await newTeam('ann')
  for (const name of ['cy', 'ann', 'bo']) {
    await owner.post('/v1/agent/coordination/lease', {
      agentName: 'ann',
      contactEmail: `${name}@example.com`,
    })
  }
  const emails = (answer: Answer) => answer.body.map((lease: { contactEmail: string }) => lease.contactEmail)
  const all = await owner.get('/v1/agent/coordination/leases')
  expect(emails(all)).toEqual(['ann@example.com', 'bo@example.com', 'cy@example.com'])
  expect(all.headers.get('x-next-cursor')).toBeNull()
  const first = await owner.get('/v1/agent/coordination/leases?limit=2')
  expect(emails(first)).toEqual(['ann@example.com', 'bo@example.com'])
  const cursor = encodeURIComponent(first.headers.get('x-next-cursor') ?? '')
  expect(emails(await owner.get(`/v1/agent/coordination/leases?limit=2&cursor=${cursor}`))).toEqual([
    'cy@example.com',
  ])
})
