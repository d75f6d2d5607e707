import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import {
  createConsensus,
  getConsensus,
  listConsensus,
  voteOn,
} from '../../src/core/coordination/consensus.ts'
import { newCtx } from '../../src/core/ground/ctx.ts'
import type { Vote } from '../../src/core/policy/tally.ts'
import { agentsOf, START } from '../support/coordination-model.ts'
import { stalledAt } from '../support/coordination-pause.ts'

const MINUTE = 60_000

const ctxOf = (tenantId: string, now: number) =>
  newCtx(env, new Date(now), tenantId, { kind: 'system', name: 'test' })
const newName = () => `tenant_${crypto.randomUUID()}`
const open = (tenantId: string, agentId: string, now: number, timeoutMinutes = 5) =>
  createConsensus(ctxOf(tenantId, now), {
    agent: { id: agentId, name: null },
    action: 'pause outreach',
    contactEmail: 'ceo@bigcorp.com',
    reason: 'Fatigue scores are high',
    timeoutMinutes,
  })
const vote = (tenantId: string, id: string, agentId: string, word: Vote, now: number) =>
  voteOn(ctxOf(tenantId, now), id, { agent: { id: agentId, name: null }, vote: word, reason: null })
const rows = async (sql: string, ...binds: unknown[]) =>
  (
    await env.DB.prepare(sql)
      .bind(...binds)
      .all<Record<string, unknown>>()
  ).results

test('when 60 agents vote at once and 20 of them twice, each is counted once, in the object and in the database', async () => {
  const tenantId = newName()
  const names = Array.from({ length: 60 }, (_, i) => `agent ${i}`)
  const ids = await agentsOf(ctxOf(tenantId, START), names)
  const { id } = await open(tenantId, ids[0] ?? '', START)
  const calls = [
    ...ids.map((agentId) => ({ agentId, word: 'reject' as Vote })),
    ...ids.slice(0, 20).map((agentId, i) => ({ agentId, word: (i % 2 ? 'reject' : 'approve') as Vote })),
  ]
  const answers = await Promise.allSettled(
    calls.map(({ agentId, word }) => vote(tenantId, id, agentId, word, START)),
  )
  expect(await rows('SELECT status FROM consensus_requests WHERE id = ?', id)).toEqual([
    { status: 'rejected' },
  ])
  const found = await getConsensus(ctxOf(tenantId, START), id)
  expect(new Set(found.votes.map((each) => each.agentId)).size).toBe(found.votes.length)
  expect(found.status).toBe('rejected')
  expect(found.votes.filter((each) => each.vote === 'reject')).toHaveLength(31)
  for (const answer of answers) {
    if (answer.status === 'rejected')
      expect(['already_voted', 'consensus_closed']).toContain(answer.reason.code)
  }
  const mirrored = await rows(
    'SELECT agent_id, vote FROM consensus_votes WHERE request_id = ? ORDER BY agent_id',
    id,
  )
  const held = found.votes.map((each) => ({ agent_id: each.agentId, vote: each.vote }))
  expect(mirrored).toEqual(held.sort((a, b) => (a.agent_id < b.agent_id ? -1 : 1)))
})

test('agents that are active or have voted form the electorate; an inactive agent cannot vote, and a vote cannot be changed', async () => {
  const tenantId = newName()
  const [a = '', b = '', c = ''] = await agentsOf(ctxOf(tenantId, START), ['a', 'b', 'c'])
  const { id } = await open(tenantId, a, START, 30)
  expect(await vote(tenantId, id, a, 'approve', START)).toMatchObject({ status: 'pending' })
  const repeat = await vote(tenantId, id, a, 'approve', START + 1)
  expect(repeat).toMatchObject({ status: 'pending', vote: { at: START } })
  await expect(vote(tenantId, id, a, 'reject', START)).rejects.toMatchObject({ code: 'already_voted' })
  // After five minutes b and c are still active, so one vote of three is no majority. A millisecond later they are inactive.
  await expect(vote(tenantId, id, b, 'approve', START + 5 * MINUTE + 1)).rejects.toMatchObject({
    code: 'agent_inactive',
  })
  expect(await vote(tenantId, id, c, 'reject', START + 5 * MINUTE)).toMatchObject({ status: 'pending' })
  const [, back = ''] = await agentsOf(ctxOf(tenantId, START + 6 * MINUTE), ['a', 'b'])
  expect(await vote(tenantId, id, back, 'approve', START + 6 * MINUTE)).toMatchObject({ status: 'approved' })
  await expect(vote(tenantId, id, back, 'reject', START + 6 * MINUTE)).rejects.toMatchObject({
    code: 'already_voted',
  })

  await env.DB.prepare("UPDATE agents SET status = 'suspended' WHERE tenant_id = ? AND id = ?")
    .bind(tenantId, c)
    .run()
  const next = await open(tenantId, a, START + 6 * MINUTE)
  await expect(vote(tenantId, next.id, c, 'reject', START + 6 * MINUTE)).rejects.toMatchObject({
    code: 'agent_inactive',
  })
})

test('a vote counts until one millisecond before the timeout, and a request that was read as expired stays expired', async () => {
  const tenantId = newName()
  const [a = '', b = ''] = await agentsOf(ctxOf(tenantId, START + 2 * MINUTE), ['a', 'b', 'c'])
  const timeout = START + 5 * MINUTE
  const first = await open(tenantId, a, START)
  expect(first.timeoutAt).toEqual(new Date(timeout))
  expect(await vote(tenantId, first.id, a, 'approve', timeout - 1)).toMatchObject({ status: 'pending' })
  await expect(vote(tenantId, first.id, b, 'approve', timeout)).rejects.toMatchObject({
    code: 'consensus_closed',
    details: { consensusStatus: 'expired' },
  })
  expect(await vote(tenantId, first.id, a, 'approve', timeout + 1)).toMatchObject({ status: 'expired' })

  const second = await open(tenantId, a, START)
  expect((await getConsensus(ctxOf(tenantId, timeout), second.id)).status).toBe('expired')
  await expect(vote(tenantId, second.id, b, 'approve', timeout - 1)).rejects.toMatchObject({
    code: 'consensus_closed',
  })
  expect(await rows('SELECT status FROM consensus_requests WHERE id = ?', second.id)).toEqual([
    { status: 'expired' },
  ])

  const page = { before: null, limit: 10 }
  const listed = (status: 'pending' | 'expired', now: number) =>
    listConsensus(ctxOf(tenantId, now), { status, ...page })
  const third = await open(tenantId, a, START)
  expect((await listed('pending', timeout - 1)).map((each) => each.id)).toEqual([third.id])
  expect(await listed('pending', timeout)).toEqual([])
  expect((await listed('expired', timeout)).map((each) => each.id).sort()).toEqual(
    [first.id, second.id, third.id].sort(),
  )
})

test('the next read writes what the object knows and the database lacks, and the next vote creates an object that is missing', async () => {
  const tenantId = newName()
  const [a = '', b = '', c = ''] = await agentsOf(ctxOf(tenantId, START), ['a', 'b', 'c'])
  const { id } = await open(tenantId, a, START)
  const object = env.CONSENSUS_REQUEST.get(env.CONSENSUS_REQUEST.idFromName(`${tenantId}:${id}`))
  await vote(tenantId, id, a, 'approve', START)
  await evictDurableObject(object)
  // The request that cast this vote died before it wrote to the database.
  await object.vote({ id: crypto.randomUUID(), agentId: b, vote: 'approve', reason: 'yes', at: START + 1 }, [
    a,
    b,
    c,
  ])
  expect(await rows('SELECT status FROM consensus_requests WHERE id = ?', id)).toEqual([
    { status: 'pending' },
  ])
  expect(await getConsensus(ctxOf(tenantId, START + 2), id)).toMatchObject({
    status: 'approved',
    decidedAt: new Date(START + 1),
    votes: [{ agentId: a }, { agentId: b, reason: 'yes' }],
  })
  expect(await rows('SELECT status, decided_at FROM consensus_requests WHERE id = ?', id)).toEqual([
    { status: 'approved', decided_at: START + 1 },
  ])
  expect(
    await rows('SELECT agent_id FROM consensus_votes WHERE request_id = ? ORDER BY created_at', id),
  ).toEqual([{ agent_id: a }, { agent_id: b }])

  // A vote that is counted first and written last does not undo the result.
  const { id: raced } = await open(tenantId, a, START)
  const slow = stalledAt(env, 1)
  const late = voteOn(newCtx(slow.env, new Date(START), tenantId, { kind: 'system', name: 'test' }), raced, {
    ...{ agent: { id: a, name: null }, vote: 'approve', reason: null },
  })
  await slow.reached
  expect(await vote(tenantId, raced, b, 'approve', START)).toMatchObject({ status: 'approved' })
  slow.goOn()
  expect(await late).toMatchObject({ status: 'pending' })
  expect(await rows('SELECT status FROM consensus_requests WHERE id = ?', raced)).toEqual([
    { status: 'approved' },
  ])

  const orphan = crypto.randomUUID()
  await env.DB.prepare(
    `INSERT INTO consensus_requests (tenant_id, id, requesting_agent_id, action, contact, contact_email, reason, status,
       timeout_at, created_at) VALUES (?, ?, ?, 'x', 'x@y.de', 'x@y.de', 'x', 'pending', ?, ?)`,
  )
    .bind(tenantId, orphan, a, START + 5 * MINUTE, START)
    .run()
  expect(await getConsensus(ctxOf(tenantId, START), orphan)).toMatchObject({ status: 'pending', votes: [] })
  expect(await vote(tenantId, orphan, a, 'reject', START)).toMatchObject({ status: 'pending' })
  expect(await vote(tenantId, orphan, b, 'reject', START)).toMatchObject({ status: 'rejected' })
})
