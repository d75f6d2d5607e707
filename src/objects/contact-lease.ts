import { DurableObject } from 'cloudflare:workers'
import { type Answer, decideHold, type Hold, type Known, type Wanted } from '../core/policy/lease-hold.ts'

/** How long after its end a hold is kept, in ms. D1 keeps the epoch, so deleting the hold is safe. */
const KEPT_MS = 3_600_000

/**
 * One object per tenant and contact; it decides which agent holds the contact. Check and write are one synchronous turn, so
 * of any number of concurrent callers exactly one wins.
 */
export class ContactLease extends DurableObject {
  /** Grants or renews the hold, or returns the current one. `known` is what the caller has read from D1. */
  acquire(wanted: Wanted, known: Known | null, now: number): Answer {
    const { kv } = this.ctx.storage
    const answer = decideHold(kv.get<Hold>('hold') ?? null, kv.get<number>('epoch') ?? 0, wanted, known, now)
    if (answer.granted) {
      kv.put('hold', answer.hold)
      kv.put('epoch', answer.hold.epoch)
      void this.ctx.storage.setAlarm(answer.hold.expiresAt + KEPT_MS)
    }
    return answer
  }

  /** Ends the hold of this epoch, but not a later one. */
  end(epoch: number): void {
    const { kv } = this.ctx.storage
    if (kv.get<Hold>('hold')?.epoch === epoch) kv.delete('hold')
  }

  /** Deletes everything. */
  async erase(): Promise<void> {
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
  }

  override async alarm() {
    const hold = this.ctx.storage.kv.get<Hold>('hold')
    if (hold && hold.expiresAt + KEPT_MS > Date.now()) {
      await this.ctx.storage.setAlarm(hold.expiresAt + KEPT_MS)
      return
    }
    await this.ctx.storage.deleteAll()
  }
}
