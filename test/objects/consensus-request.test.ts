import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import type { CastVote, Vote } from '../../src/core/policy/tally.ts'

/** Far in the future, because alarms follow the real clock. */
const START = Date.UTC(2100, 0, 1)
const TIMEOUT = START + 300_000

const named = (name: string) => env.CONSENSUS_REQUEST.get(env.CONSENSUS_REQUEST.idFromName(`test:${name}`))
const fresh = async (timeoutAt = TIMEOUT, name: string = crypto.randomUUID()) => {
  const object = named(name)
  await object.open(timeoutAt)
  return object
}
const cast = (agentId: string, vote: Vote, at = START): CastVote => ({
  id: crypto.randomUUID(),
  agentId,
  vote,
  reason: null,
  at,
})

test('200 agents vote at once, 50 of them twice: each is counted once, and the majority decides once', async () => {
  const object = await fresh()
  const agents = Array.from({ length: 200 }, (_, i) => `agent-${i}`)
  const votes = agents.map((agent, i) => cast(agent, i < 90 ? 'approve' : 'reject'))
  const doubles = agents.slice(0, 50).map((agent, i) => cast(agent, i % 2 ? 'approve' : 'reject'))
  const all = [...votes, ...doubles].sort((a, b) => (a.id < b.id ? -1 : 1))
  const answers = await Promise.all(all.map((vote) => object.vote(vote, agents)))

  const outcomes = Map.groupBy(answers, (answer) => answer?.outcome)
  const ballot = await object.look(START)
  const voters = ballot?.votes.map((vote) => vote.agentId) ?? []
  expect(new Set(voters).size).toBe(voters.length)
  expect(outcomes.get('counted')).toHaveLength(voters.length)
  const counted = new Map(ballot?.votes.map((vote) => [vote.agentId, vote.vote]))
  for (const [position, answer] of answers.entries()) {
    const vote = all[position]
    if (answer?.outcome === 'repeated') expect(counted.get(vote?.agentId ?? '')).toBe(vote?.vote)
    if (answer?.outcome === 'already_voted') expect(counted.get(vote?.agentId ?? '')).not.toBe(vote?.vote)
  }
  const statuses = answers.map((answer) => answer?.ballot.status)
  const same = (word: Vote) => ballot?.votes.filter((vote) => vote.vote === word).length ?? 0
  if (ballot?.status === 'pending')
    expect([same('approve'), same('reject')].every((n) => n <= 100)).toBe(true)
  else expect(Math.max(same('approve'), same('reject'))).toBe(101)
  expect(new Set(statuses.filter((status) => status !== 'pending')).size).toBeLessThanOrEqual(1)
})

test('when approvals and rejections race for the majority, one wins and every later read agrees', async () => {
  for (let round = 0; round < 10; round++) {
    const object = await fresh()
    const agents = Array.from({ length: 9 }, (_, i) => `agent-${i}`)
    const votes = agents.map((agent, i) => cast(agent, i % 2 ? 'approve' : 'reject'))
    const answers = await Promise.all(votes.map((vote) => object.vote(vote, agents)))
    expect(await object.look(START)).toMatchObject({ status: 'rejected' })
    expect(answers.filter((answer) => answer?.ballot.status === 'rejected').length).toBeGreaterThan(0)
    expect(await object.look(TIMEOUT + 1)).toMatchObject({ status: 'rejected' })
  }
})

test('a vote counts at one millisecond before the timeout and not at it, whether or not the alarm has rung', async () => {
  const held = await fresh()
  const early = await held.vote(cast('a', 'approve', TIMEOUT - 1), ['a', 'b', 'c'])
  expect(early).toMatchObject({ outcome: 'counted', ballot: { status: 'pending' } })
  expect(await held.vote(cast('b', 'approve', TIMEOUT), ['a', 'b', 'c'])).toMatchObject({
    outcome: 'closed',
    ballot: { status: 'expired', decidedAt: TIMEOUT, votes: [{ agentId: 'a' }] },
  })
  expect(await held.vote(cast('c', 'approve', TIMEOUT - 1), ['c'])).toMatchObject({ outcome: 'closed' })

  // Once a read has reported that it expired, an earlier vote that comes in late does not decide it.
  const read = await fresh()
  expect(await read.look(TIMEOUT - 1)).toMatchObject({ status: 'pending' })
  expect(await read.look(TIMEOUT)).toMatchObject({ status: 'expired' })
  expect(await read.vote(cast('a', 'approve', TIMEOUT - 1), ['a'])).toMatchObject({ outcome: 'closed' })
  expect(await read.look(TIMEOUT - 1)).toMatchObject({ status: 'expired' })

  const late = await fresh(Date.now() - 600_000)
  await runDurableObjectAlarm(late)
  expect(await late.look(START)).toMatchObject({ status: 'expired' })
  const early2 = await fresh()
  await runDurableObjectAlarm(early2)
  expect(await early2.look(START)).toMatchObject({ status: 'pending' })
})

test('eviction and abort lose no votes, opening again changes nothing, and a request that was never opened is null', async () => {
  const name = crypto.randomUUID()
  let object = await fresh(TIMEOUT, name)
  const agents = ['a', 'b', 'c', 'd', 'e']
  await object.vote(cast('a', 'approve'), agents)
  await evictDurableObject(object)
  await object.vote(cast('b', 'reject'), agents)
  await abortAllDurableObjects()
  object = named(name)
  await object.open(START + 1)
  await object.vote(cast('c', 'approve'), agents)
  await evictDurableObject(object)
  const last = await object.vote(cast('d', 'approve'), agents)
  expect(last).toMatchObject({
    outcome: 'counted',
    ballot: { status: 'approved', timeoutAt: TIMEOUT, decidedAt: START },
  })
  expect((await object.look(START))?.votes.map((vote) => vote.agentId)).toEqual(['a', 'b', 'c', 'd'])
  const repeat = await object.vote(cast('d', 'approve'), agents)
  expect(repeat).toMatchObject({
    outcome: 'repeated',
    vote: { id: last && 'vote' in last ? last.vote.id : '' },
  })

  const unopened = named(crypto.randomUUID())
  expect(await unopened.look(START)).toBeNull()
  expect(await unopened.vote(cast('a', 'approve'), ['a'])).toBeNull()
})
