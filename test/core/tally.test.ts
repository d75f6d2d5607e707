import { expect, test } from 'vitest'
import { type Ballot, ballotAt, type CastVote, castVote, type Vote } from '../../src/core/policy/tally.ts'
import { upTo } from '../support/scale.ts'

const TIMEOUT = 1_000
const AGENTS = ['a', 'b', 'c', 'd']
const open: Ballot = { timeoutAt: TIMEOUT, status: 'pending', votes: [], decidedAt: null }
const cast = (agentId: string, vote: Vote, at: number): CastVote => ({
  id: `${agentId}${at}`,
  agentId,
  vote,
  reason: null,
  at,
})

/** The published rules of consensus, written again over sets of agents as bits. */
type Rules = { approving: number; rejecting: number; status: string }

const bits = (set: number) => [1, 2, 4, 8].filter((bit) => set & bit).length

function ruled(before: Rules, bit: number, vote: Vote, active: number, isOver: boolean): [string, Rules] {
  const status = before.status === 'pending' && isOver ? 'expired' : before.status
  const now = { ...before, status }
  const voted = before.approving & bit ? 'approve' : before.rejecting & bit ? 'reject' : null
  if (voted !== null) return [voted === vote ? 'repeated' : 'already_voted', now]
  if (status !== 'pending') return ['closed', now]
  if (!(active & bit)) return ['inactive', now]
  const approving = vote === 'approve' ? before.approving | bit : before.approving
  const rejecting = vote === 'reject' ? before.rejecting | bit : before.rejecting
  const half = bits(active | approving | rejecting) / 2
  const decided = bits(approving) > half ? 'approved' : bits(rejecting) > half ? 'rejected' : 'pending'
  return ['counted', { approving, rejecting, status: decided }]
}

test('every history of up to four agents and six events (five in a short run) is tallied by the rules, and a decided status never changes', () => {
  let histories = 0
  const divergences: string[] = []
  const play = (
    ballot: Ballot,
    rules: Rules,
    active: number,
    isOver: boolean,
    left: number,
    size: number,
    path: string,
  ) => {
    histories += 1
    if (left === 0) return
    const at = isOver ? TIMEOUT : TIMEOUT - 1
    const names = AGENTS.filter((_, i) => active & (1 << i))
    for (let i = 0; i < size; i++) {
      const agent = AGENTS[i] ?? ''
      for (const vote of ['approve', 'reject'] as const) {
        const found = castVote(ballot, cast(agent, vote, at), names)
        const [outcome, after] = ruled(rules, 1 << i, vote, active, isOver)
        const isSame =
          found.outcome === outcome &&
          found.ballot.status === after.status &&
          found.ballot.votes.length === bits(after.approving | after.rejecting)
        const isKept = rules.status === 'pending' || found.ballot.status === rules.status
        if ((!isSame || !isKept) && divergences.length < 5)
          divergences.push(
            `${path} ${agent}:${vote} ${found.outcome}/${found.ballot.status} for ${outcome}/${after.status}`,
          )
        play(found.ballot, after, active, isOver, left - 1, size, `${path} ${agent}:${vote}`)
      }
      play(ballot, rules, active ^ (1 << i), isOver, left - 1, size, `${path} ${agent}:toggles`)
    }
    if (!isOver) {
      const seen = ballotAt(ballot, TIMEOUT)
      if (seen.status !== (rules.status === 'pending' ? 'expired' : rules.status))
        divergences.push(`${path} read`)
      play(seen, { ...rules, status: seen.status }, active, true, left - 1, size, `${path} timeout`)
    }
  }
  const nobody = { approving: 0, rejecting: 0, status: 'pending' }
  for (let size = 1; size <= 4; size++)
    play(open, nobody, (1 << size) - 1, false, upTo(6, 5), size, `${size}:`)
  console.warn(`tally: ${histories} histories, ${divergences.length} divergences`)
  expect(divergences).toEqual([])
  expect(histories).toBeGreaterThan(upTo(4_000_000, 300_000))
})

test('a tie stays pending, more than half is a majority, the only active agent decides, and a vote against may complete the majority of the other side', () => {
  const play = (votes: [string, Vote, string[]][]) =>
    votes.reduce(
      (ballot, [agent, vote, active], i) => castVote(ballot, cast(agent, vote, i), active).ballot,
      open,
    )
  expect(play([['a', 'approve', ['a', 'b']]]).status).toBe('pending')
  expect(
    play([
      ['a', 'approve', ['a', 'b']],
      ['b', 'reject', ['a', 'b']],
    ]).status,
  ).toBe('pending')
  expect(play([['a', 'approve', ['a']]])).toMatchObject({ status: 'approved', decidedAt: 0 })
  expect(
    play([
      ['a', 'reject', ['a', 'b', 'c']],
      ['b', 'reject', ['a', 'b', 'c']],
    ]).status,
  ).toBe('rejected')
  const five = ['a', 'b', 'c', 'd', 'e']
  const turned = play([
    ['a', 'approve', five],
    ['b', 'approve', five],
    ['c', 'reject', ['c']],
  ])
  expect(turned).toMatchObject({ status: 'approved', decidedAt: 2 })

  expect(ballotAt(open, TIMEOUT - 1)).toBe(open)
  expect(ballotAt(open, TIMEOUT)).toEqual({ ...open, status: 'expired', decidedAt: TIMEOUT })
  const approved = { ...open, status: 'approved' as const, decidedAt: 5 }
  expect(ballotAt(approved, TIMEOUT + 1)).toBe(approved)
})
