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
    void this.ctx.storage.setAlarm(timeoutAt)
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
   * The ballot at a time, whether or not the alarm has run; null if it was never opened. An expiry is kept: once a caller was
   * told of it, a vote that began earlier and arrives later must not decide the ballot.
   */
  look(now: number): Ballot | null {
    const before = this.ctx.storage.kv.get<Ballot>('ballot')
    if (!before) return null
    const ballot = ballotAt(before, now)
    if (ballot !== before) this.keep(ballot)
    return ballot
  }

  /** Deletes everything. */
  async erase(): Promise<void> {
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
  }

  override async alarm() {
    const ballot = this.ctx.storage.kv.get<Ballot>('ballot')
    if (ballot) this.keep(ballotAt(ballot, Date.now()))
  }

  private keep(ballot: Ballot) {
    this.ctx.storage.kv.put('ballot', ballot)
  }
}
