import { DurableObject } from 'cloudflare:workers'
import { type Ballot, ballotAt, type CastVote, castVote, type VoteAnswer } from '../core/policy/tally.ts'

/**
 * One object per consensus request. A vote is counted and its effect decided in one synchronous turn, so that the
 * status leaves `pending` once and never changes again.
 */
export class ConsensusRequest extends DurableObject {
  /** Opens the ballot. Opening it again changes nothing. */
  open(timeoutAt: number): void {
    if (this.ctx.storage.kv.get('ballot')) return
    this.keep({ timeoutAt, status: 'pending', votes: [], decidedAt: null })
  }

  /** Casts a vote for one of the agents that are active at its time; null if the ballot was never opened. */
  vote(vote: CastVote, active: string[]): VoteAnswer | null {
    const before = this.ctx.storage.kv.get<Ballot>('ballot')
    if (!before) return null
    const answer = castVote(before, vote, active)
    if (answer.ballot !== before) this.keep(answer.ballot)
    return answer
  }

  /**
   * The ballot at a time, given the agents that were active then or at its timeout, whichever was earlier; null if it was never
   * opened. What it says is kept: once a caller was told of an expiry, a vote that began earlier and arrives later must not decide
   * the ballot. No alarm closes a ballot, because an object does not know who was active.
   */
  look(now: number, active: string[] | null = null): Ballot | null {
    const before = this.ctx.storage.kv.get<Ballot>('ballot')
    if (!before) return null
    const ballot = ballotAt(before, now, active)
    if (ballot !== before) this.keep(ballot)
    return ballot
  }

  /** Deletes everything. */
  async erase(): Promise<void> {
    await this.ctx.storage.deleteAll()
  }

  private keep(ballot: Ballot) {
    this.ctx.storage.kv.put('ballot', ballot)
  }
}
