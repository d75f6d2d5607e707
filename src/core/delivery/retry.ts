import { and, eq } from 'drizzle-orm'
import { sends } from '../../schema/sending.ts'
import { giveUp } from './dead-letters.ts'
import { isLocked, type Locked, type Send } from './lock.ts'

/** Waits between rounds over all carriers, in ms; the last one repeats. */
const BACK_OFF_MS = [5_000, 30_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000]
/** How long a send is tried before it fails, in ms. */
const TRY_FOR_MS = 86_400_000

/** The wait before the round that follows this many attempts, in ms. */
export function backOffMs(attempt: number): number {
  return BACK_OFF_MS[Math.min(attempt, BACK_OFF_MS.length) - 1] ?? 5_000
}

export function isTooOld(send: Send, now: Date): boolean {
  return now.getTime() - (send.scheduledAt ?? send.createdAt).getTime() > TRY_FOR_MS
}

/**
 * Makes a locked send wait because no carrier may be asked now; after 24 hours it becomes a dead letter. Returns how long
 * it waits, in ms, or null if it was given up.
 */
export async function waitForCarrier(locked: Locked, now: Date): Promise<number | null> {
  const { db, send } = locked
  if (isTooOld(send, now)) {
    await giveUp(locked, 'deliver', 'no carrier was available for 24 hours', now)
    return null
  }
  const waitMs = backOffMs(send.attempt + 1)
  await db
    .update(sends)
    .set({
      state: 'retry_wait',
      reason: 'no_carrier',
      detail: 'no carrier is both configured and healthy',
      lockUntil: null,
      locks: 0,
      nextAt: new Date(now.getTime() + waitMs),
      updatedAt: now,
    })
    .where(and(isLocked(locked), eq(sends.state, 'claimed')))
  return waitMs
}
