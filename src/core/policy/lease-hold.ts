/** A hold on a contact that an agent asks for. Times are ms since 1970. */
export type Wanted = { id: string; agentId: string; intent: string; createdAt: number; expiresAt: number }

/** A hold that was granted. The epoch of each new hold is greater than all before it. */
export type Hold = Wanted & { epoch: number }

/** The last grant that D1 knows, and whether it is over (released, or its holder's heartbeats stopped). */
export type Known = Hold & { isOver: boolean }

export type Answer = { granted: true; hold: Hold } | { granted: false; hold: Hold }

/**
 * Decides who holds the contact after this request. Pure. A hold is live until it expires or D1 says that its epoch is over.
 * Its own agent renews it under the same id and epoch, and a renewal never shortens it. Any other agent is refused. If the
 * object has forgotten its hold, the hold that D1 knows counts.
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
  const live = latest !== null && latest.expiresAt > now && !isOver ? holdOf(latest) : null
  if (live && live.agentId !== wanted.agentId) return { granted: false, hold: live }
  if (live) {
    const expiresAt = Math.max(live.expiresAt, wanted.expiresAt)
    return { granted: true, hold: { ...live, intent: wanted.intent, expiresAt } }
  }
  return { granted: true, hold: { ...wanted, epoch: Math.max(lastEpoch, known?.epoch ?? 0) + 1 } }
}

function holdOf({ id, agentId, intent, createdAt, expiresAt, epoch }: Hold): Hold {
  return { id, agentId, intent, createdAt, expiresAt, epoch }
}
