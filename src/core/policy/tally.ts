export type Vote = 'approve' | 'reject'
export type ConsensusStatus = 'pending' | 'approved' | 'rejected' | 'expired'

export type CastVote = { id: string; agentId: string; vote: Vote; reason: string | null; at: number }

/** A consensus request as its object keeps it. Times are ms since 1970. */
export type Ballot = {
  timeoutAt: number
  status: ConsensusStatus
  votes: CastVote[]
  decidedAt: number | null
}

export type VoteAnswer =
  | { outcome: 'counted' | 'repeated'; vote: CastVote; ballot: Ballot }
  | { outcome: 'already_voted' | 'closed' | 'inactive'; ballot: Ballot }

/**
 * The ballot at a time, given the agents that were active at that time or, after the timeout, at the timeout. A majority of them
 * and of those who have voted decides, so a ballot may be decided because others became inactive. Without one it is open until
 * its timeout. A closed ballot never opens again. Without `active` only the timeout is looked at.
 */
export function ballotAt(ballot: Ballot, now: number, active: string[] | null = null): Ballot {
  if (ballot.status !== 'pending') return ballot
  const at = Math.min(now, ballot.timeoutAt)
  const majority = active === null ? null : majorityOf(ballot.votes, active)
  if (majority !== null) return { ...ballot, status: majority, decidedAt: at }
  return now < ballot.timeoutAt ? ballot : { ...ballot, status: 'expired', decidedAt: ballot.timeoutAt }
}

/** The electorate is every agent that is active or has voted. More than half of it voting the same way decides; a tie does not. */
function majorityOf(votes: CastVote[], active: string[]): 'approved' | 'rejected' | null {
  const electorate = new Set([...active, ...votes.map((each) => each.agentId)]).size
  const approving = votes.filter((each) => each.vote === 'approve').length
  if (2 * approving > electorate) return 'approved'
  return 2 * (votes.length - approving) > electorate ? 'rejected' : null
}

/** Casts one vote. It counts before the timeout, if its agent is among those active now and has not voted. */
export function castVote(before: Ballot, vote: CastVote, active: string[]): VoteAnswer {
  const ballot = ballotAt(before, vote.at)
  const earlier = ballot.votes.find((each) => each.agentId === vote.agentId)
  if (earlier && earlier.vote === vote.vote) return { outcome: 'repeated', vote: earlier, ballot }
  if (earlier) return { outcome: 'already_voted', ballot }
  if (ballot.status !== 'pending') return { outcome: 'closed', ballot }
  if (!active.includes(vote.agentId)) return { outcome: 'inactive', ballot }
  const voted = { ...ballot, votes: [...ballot.votes, vote] }
  return { outcome: 'counted', vote, ballot: ballotAt(voted, vote.at, active) }
}
