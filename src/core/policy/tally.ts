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

export type Ballotted =
  | { outcome: 'counted' | 'repeated'; vote: CastVote; ballot: Ballot }
  | { outcome: 'already_voted' | 'closed' | 'inactive'; ballot: Ballot }

/** The ballot as it stands at a time: open until its timeout, and never again once closed. */
export function ballotAt(ballot: Ballot, now: number): Ballot {
  if (ballot.status !== 'pending' || now < ballot.timeoutAt) return ballot
  return { ...ballot, status: 'expired', decidedAt: ballot.timeoutAt }
}

/**
 * One vote. It counts for an agent that is active now and has not voted, before the timeout; more than half of the
 * electorate (those active now and those who have voted) voting the same way decides, and a tie stays pending.
 */
export function castVote(before: Ballot, vote: CastVote, active: string[]): Ballotted {
  const ballot = ballotAt(before, vote.at)
  const earlier = ballot.votes.find((each) => each.agentId === vote.agentId)
  if (earlier && earlier.vote === vote.vote) return { outcome: 'repeated', vote: earlier, ballot }
  if (earlier) return { outcome: 'already_voted', ballot }
  if (ballot.status !== 'pending') return { outcome: 'closed', ballot }
  if (!active.includes(vote.agentId)) return { outcome: 'inactive', ballot }
  const votes = [...ballot.votes, vote]
  const electorate = new Set([...active, ...votes.map((each) => each.agentId)]).size
  const approving = votes.filter((each) => each.vote === 'approve').length
  // Where others have fallen silent, a vote may bring the other side its majority.
  const isApproved = 2 * approving > electorate
  if (!isApproved && 2 * (votes.length - approving) <= electorate) {
    return { outcome: 'counted', vote, ballot: { ...ballot, votes } }
  }
  const status = isApproved ? 'approved' : 'rejected'
  return { outcome: 'counted', vote, ballot: { ...ballot, votes, status, decidedAt: vote.at } }
}
