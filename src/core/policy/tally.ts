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

/** The ballot at a time. It is open until its timeout, and a closed ballot never opens again. */
export function ballotAt(ballot: Ballot, now: number): Ballot {
  if (ballot.status !== 'pending' || now < ballot.timeoutAt) return ballot
  return { ...ballot, status: 'expired', decidedAt: ballot.timeoutAt }
}

/**
 * Casts one vote. It counts before the timeout, if its agent is active now and has not voted. The electorate is every agent
 * that is active now or has voted. More than half of it voting the same way decides; a tie stays pending.
 */
export function castVote(before: Ballot, vote: CastVote, active: string[]): VoteAnswer {
  const ballot = ballotAt(before, vote.at)
  const earlier = ballot.votes.find((each) => each.agentId === vote.agentId)
  if (earlier && earlier.vote === vote.vote) return { outcome: 'repeated', vote: earlier, ballot }
  if (earlier) return { outcome: 'already_voted', ballot }
  if (ballot.status !== 'pending') return { outcome: 'closed', ballot }
  if (!active.includes(vote.agentId)) return { outcome: 'inactive', ballot }
  const votes = [...ballot.votes, vote]
  const electorate = new Set([...active, ...votes.map((each) => each.agentId)]).size
  const approving = votes.filter((each) => each.vote === 'approve').length
  // If other agents have become inactive, a vote may give the other side its majority.
  const isApproved = 2 * approving > electorate
  if (!isApproved && 2 * (votes.length - approving) <= electorate) {
    return { outcome: 'counted', vote, ballot: { ...ballot, votes } }
  }
  const status = isApproved ? 'approved' : 'rejected'
  return { outcome: 'counted', vote, ballot: { ...ballot, votes, status, decidedAt: vote.at } }
}
