/** A hold on a contact that somebody asks for. Times are ms since 1970. */
export type Wanted = { id: string; agentId: string; intent: string; createdAt: number; expiresAt: number }

/** A hold that was granted. Each new holder's epoch is greater than every one before. */
export type Hold = Wanted & { epoch: number }

/** The last grant that D1 knows, and whether it is over (released, or its holder stopped beating). */
export type Known = Hold & { isOver: boolean }

export type Answer = { granted: true; hold: Hold } | { granted: false; hold: Hold }

/**
 * Who holds the contact after this request. Pure: a hold stands until it expires or D1 says that its epoch is over; its
 * own agent renews it under the same id and epoch, and never shortens what it was promised; anybody else waits. What D1
 * knows to stand counts also where the object has forgotten it.
 */
export function decideHold(
  current: Hold | null,
  lastEpoch: number,
  wanted: Wanted,
  known: Known | null,
  now: number,
): Answer {
  const isOver = known?.isOver === true && known.epoch >= (current?.epoch ?? 0)
  const latest = current ?? known
  const standing = latest !== null && latest.expiresAt > now && !isOver ? holdOf(latest) : null
  if (standing && standing.agentId !== wanted.agentId) return { granted: false, hold: standing }
  if (standing) {
    const expiresAt = Math.max(standing.expiresAt, wanted.expiresAt)
    return { granted: true, hold: { ...standing, intent: wanted.intent, expiresAt } }
  }
  return { granted: true, hold: { ...wanted, epoch: Math.max(lastEpoch, known?.epoch ?? 0) + 1 } }
}

function holdOf({ id, agentId, intent, createdAt, expiresAt, epoch }: Hold): Hold {
  return { id, agentId, intent, createdAt, expiresAt, epoch }
}
