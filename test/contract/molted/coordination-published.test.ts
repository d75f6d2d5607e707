import { expect, test } from 'vitest'
import { sql } from '../../support/matrix-dump.ts'
import { eventually, newTenant, type Tenant } from '../../support/tenant.ts'

const CONSENSUS = '/v1/agent/coordination/consensus'
const PROPOSAL = {
  action: 'pause outreach',
  contactEmail: 'ceo@bigcorp.com',
  reason: 'Fatigue scores are high',
}

/** Lets agents fall silent, as six minutes without a heartbeat would. */
const silence = (tenant: Tenant, ...agentIds: string[]) =>
  sql(
    `UPDATE agents SET last_heartbeat_at = ?2 WHERE tenant_id = ?1 AND id IN (SELECT value FROM json_each(?3))`,
    tenant.id,
    Date.now() - 360_000,
    JSON.stringify(agentIds),
  )

async function register(tenant: Tenant, ...names: string[]): Promise<string[]> {
  const ids: string[] = []
  for (const agentName of names)
    ids.push((await tenant.owner.post('/v1/agent/register', { agentName })).body.id)
  return ids
}

// "Run once at startup to register your agent with the tenant." — "Agents must send a heartbeat at least every 5 minutes".
test('the key of a registration runs the first calls of the coordination page: it speaks for an agent that it registered, which has no vote', async () => {
  const tenant = await newTenant()
  const body = { tenantId: tenant.id, agentName: 'outreach-agent', agentRole: 'outbound' }
  const registered = await tenant.post('/v1/agent/register', body)
  expect(registered).toMatchObject({ status: 200, body })
  const named = { tenantId: tenant.id, agentName: 'outreach-agent' }
  expect(await tenant.post('/v1/agent/coordination/heartbeat', named)).toMatchObject({
    status: 200,
    body: { ok: true },
  })
  const lease = await tenant.post('/v1/agent/coordination/lease', {
    ...named,
    ...{ contactEmail: 'user@example.com', intent: 'outbound_sales', durationMinutes: 30 },
  })
  expect(lease.body).toMatchObject({ agentId: registered.body.id, intent: 'outbound_sales' })
  expect((await tenant.del(`/v1/agent/coordination/lease/${lease.body.id}`)).body).toEqual({ released: true })

  const denied = { status: 403, body: { error: 'agent_mismatch' } }
  expect(await tenant.post(CONSENSUS, { ...PROPOSAL, proposerAgent: 'outreach-agent' })).toMatchObject(denied)
  const { body: own } = await tenant.post(CONSENSUS, PROPOSAL)
  const vote = { agentId: registered.body.id, vote: 'approve' }
  expect(await tenant.post(`${CONSENSUS}/${own.id}/vote`, vote)).toMatchObject(denied)
  expect(await tenant.owner.post(`${CONSENSUS}/${own.id}/vote`, vote)).toMatchObject({
    status: 403,
    body: { error: 'no_vote' },
  })
  // Its one vote decides: the agent that it registered is not in the electorate.
  expect((await tenant.post(`${CONSENSUS}/${own.id}/vote`, { vote: 'approve' })).body).toMatchObject({
    agentId: tenant.agentId,
    consensusStatus: 'approved',
  })

  // It speaks for nobody else, not even by registering the name again; with the tenant's word the agent gets its vote.
  const [other] = await register(tenant, 'support-agent', 'outreach-agent')
  for (const [path, sent] of [
    ['/v1/agent/coordination/heartbeat', { agentId: other }],
    ['/v1/agent/coordination/lease', { agentId: other, contactEmail: 'user@example.com' }],
    ['/v1/agent/register', { agentName: 'Support-Agent', agentRole: 'mine' }],
    ['/v1/agent/coordination/heartbeat', named],
  ] as const)
    expect(await tenant.post(path, sent), path).toMatchObject(denied)
  const { body: next } = await tenant.owner.post(CONSENSUS, { ...PROPOSAL, requestingAgentId: other })
  expect((await tenant.owner.post(`${CONSENSUS}/${next.id}/vote`, vote)).status).toBe(200)
})

// "agentId | string | Yes | Voting agent ID."
test('a vote that names no agent is the vote of the agent of the key, and with a key of the tenant it is 400', async () => {
  const tenant = await newTenant()
  const { body } = await tenant.post(CONSENSUS, PROPOSAL)
  const path = `${CONSENSUS}/${body.id}/vote`
  expect(await tenant.owner.post(path, { vote: 'approve' })).toMatchObject({
    status: 400,
    body: { error: 'invalid', field: 'agentId' },
  })
  expect((await tenant.get(`${CONSENSUS}/${body.id}`)).body.votes).toEqual([])
  expect((await tenant.post(path, { vote: 'approve' })).body).toMatchObject({ agentId: tenant.agentId })
})

// "Active agents (those with a heartbeat within the last 5 minutes) are eligible to vote. The request is decided when a majority
// of active agents vote the same way." — "expired: The vote timed out before reaching a decision."
test('a proposal is counted again when it is read and at its timeout, among the agents that were active then', async () => {
  const tenant = await newTenant()
  const [ann = '', bob = '', cy = ''] = await register(tenant, 'ann', 'bob', 'cy')
  const propose = async (timeoutMinutes: number) => {
    const { body } = await tenant.owner.post(CONSENSUS, {
      ...PROPOSAL,
      ...{ requestingAgentId: ann, timeoutMinutes },
    })
    const path = `${CONSENSUS}/${body.id}`
    for (const agentId of [ann, bob])
      expect((await tenant.owner.post(`${path}/vote`, { agentId, vote: 'approve' })).body).toMatchObject({
        consensusStatus: 'pending',
      })
    return { ...body, path }
  }
  const [read, repeated, timed, open] = [
    await propose(5),
    await propose(5),
    await propose(0.05),
    await propose(0.05),
  ]
  await tenant.owner.post(`${open.path}/vote`, { agentId: cy, vote: 'reject' })
  expect((await tenant.get(read.path)).body.status).toBe('pending')

  await silence(tenant, cy, tenant.agentId)
  expect((await tenant.owner.get(read.path)).body).toMatchObject({ status: 'approved' })
  const repeat = await tenant.owner.post(`${repeated.path}/vote`, { agentId: ann, vote: 'approve' })
  expect(repeat.body).toMatchObject({ consensusStatus: 'approved' })
  // Nobody reads these until their time is over: what counts is who was active then.
  await eventually(async () => (Date.now() > Date.parse(open.timeoutAt) + 50 ? true : undefined))
  const status = async (id: string, wanted: string) => {
    const { body } = await tenant.owner.get(`${CONSENSUS}?status=${wanted}`)
    return body.items.find((each: { id: string }) => each.id === id)?.status
  }
  expect(await status(timed.id, 'approved')).toBe('approved')
  expect(await status(timed.id, 'expired')).toBeUndefined()
  expect((await tenant.owner.get(timed.path)).body.status).toBe('approved')
  const late = await tenant.owner.post(`${timed.path}/vote`, { agentId: cy, vote: 'reject' })
  expect(late).toMatchObject({ status: 409, body: { error: 'consensus_closed' } })
  // Two of three who voted, and nobody else was active: a majority. The closed status never changes.
  expect((await tenant.owner.get(open.path)).body.status).toBe('approved')
})

// "If an agent with the same name already exists, it is updated (upsert)." — "agentRole: Agent role. Defaults to general."
test('a name is one agent whatever its case, and a second registration keeps what is not given', async () => {
  const tenant = await newTenant()
  const first = await tenant.owner.post('/v1/agent/register', { agentName: 'alpha', agentRole: 'outbound' })
  const second = await tenant.owner.post('/v1/agent/register', { agentName: 'Alpha' })
  expect(second.body).toMatchObject({ id: first.body.id, agentName: 'alpha', agentRole: 'outbound' })
  const third = await tenant.owner.post('/v1/agent/register', { agentName: 'ALPHA', agentRole: 'inbound' })
  expect(third.body).toMatchObject({ id: first.body.id, agentName: 'alpha', agentRole: 'inbound' })
  expect((await tenant.owner.post('/v1/agent/register', { agentName: 'beta' })).body.agentRole).toBe(
    'general',
  )
  const lease = { agentName: 'aLPHA', contactEmail: 'user@example.com' }
  expect((await tenant.owner.post('/v1/agent/coordination/lease', lease)).body.agentId).toBe(first.body.id)
  const sent = await tenant.owner.post('/v1/agent/request-send', {
    ...{ recipientEmail: 'user@example.com', templateId: 'welcome', dedupeKey: 'case', agentName: 'Alpha' },
    payload: { firstName: 'Ann' },
  })
  expect(sent.body.status).toBe('queued')
  const both = { ...lease, agentId: first.body.id }
  expect((await tenant.owner.post('/v1/agent/coordination/lease', both)).status).toBe(200)

  const names = Array.from({ length: 10 }, (_, at) => (at % 2 ? 'Racing' : 'RACING'))
  const raced = await Promise.all(
    names.map((agentName) => tenant.owner.post('/v1/agent/register', { agentName })),
  )
  expect(new Set(raced.map(({ body }) => body.id)).size).toBe(1)
})

// "humanizer_style | string | Humanizer writing style (e.g., professional, casual)." — "Unrecognized keys are silently stripped."
test('an update of an agent’s configuration keeps the other settings, and an unknown style is 400 with the list', async () => {
  const tenant = await newTenant()
  const path = `/v1/agent/agents/${tenant.agentId}/config`
  await tenant.put(path, { humanizer_enabled: true, humanizer_style: 'professional' })
  const changed = await tenant.put(path, { humanizer_style: 'casual', colour: 'red' })
  expect(changed).toMatchObject({ status: 200 })
  expect(changed.body).toEqual({ humanizer_enabled: true, humanizer_style: 'casual' })
  expect(await tenant.put(path, { humanizer_style: 'shouting' })).toMatchObject({
    status: 400,
    body: { field: 'humanizer_style', message: expect.stringMatching(/casual.*professional.*friendly/) },
  })
  expect((await tenant.get(path)).body).toEqual(changed.body)
  expect((await tenant.put(path, {})).body).toEqual(changed.body)
})

// "durationMinutes | number | No | Lease duration in minutes." — "timeoutMinutes | number | No | Timeout in minutes."
test('durations are numbers of minutes with fractions, from one second to a day', async () => {
  const tenant = await newTenant()
  const contactEmail = 'user@example.com'
  const lasts = (from: string, to: string) => Date.parse(to) - Date.parse(from)
  for (const [durationMinutes, ms] of [
    [0.5, 30_000],
    [1 / 60, 1_000],
    [90.25, 5_415_000],
  ] as const) {
    const { body: lease } = await tenant.post('/v1/agent/coordination/lease', {
      contactEmail,
      durationMinutes,
    })
    expect(lease.expiresAt).toBeDefined()
    const { body } = await tenant.post(CONSENSUS, { ...PROPOSAL, timeoutMinutes: durationMinutes })
    expect(lasts(body.createdAt, body.timeoutAt)).toBe(ms)
    await tenant.del(`/v1/agent/coordination/lease/${lease.id}`)
  }
})
