import type { SendState } from '../../schema/sending.ts'
import type { Outcome } from './carrier.ts'
import { LOCK_MS, type Send } from './lock.ts'
import { backOffMs, isTooOld } from './retry.ts'

/** The state of a send after an attempt, and what goes with it. */
export type Next = {
  state: SendState
  reason: string | null
  detail: string | null
  nextAt: Date | null
  isAmbiguous: boolean
}

/** What is tried at once after an attempt, so that the lock is kept. */
export type Following = 'next_carrier' | 'other_recipients' | null

type Circumstances = {
  now: Date
  /** The recipients that the carrier was asked to serve. */
  asked: string[]
  /** How long the carrier lets an attempt be repeated under its key, in ms; null if it does not. */
  replayableMs: number | null
  following: Following
  /** Some recipients were refused for now in this turn. */
  isPostponed: boolean
  /** How many calls ask this carrier once for every recipient. */
  callsInRound: number
}

/** What a carrier's answer means for the send. An ambiguous attempt pins the send to its carrier until it is resolved. */
export function nextState(
  send: Send,
  outcome: Outcome,
  { asked, now, replayableMs, following, isPostponed, callsInRound }: Circumstances,
): Next {
  const wasAmbiguous = send.ambiguousAt !== null
  const detail = 'detail' in outcome ? outcome.detail : null
  const wait = (ms: number): Next => ({
    state: 'retry_wait',
    reason: 'code' in outcome ? outcome.code : null,
    detail,
    nextAt: new Date(now.getTime() + ms),
    isAmbiguous: wasAmbiguous || outcome.kind === 'ambiguous',
  })
  const keep: Next = { ...wait(LOCK_MS), state: 'claimed' }
  const tooOld = isTooOld(send, now)
  const backOff = backOffMs(Math.ceil(send.attempt / callsInRound))
  /** For the recipients that were refused for now, once all have been asked for. */
  const again = following === 'next_carrier' ? keep : wait(backOff)

  if (outcome.kind === 'accepted') {
    if (following === 'other_recipients') return { ...keep, isAmbiguous: false }
    if (isPostponed && !tooOld) return { ...again, isAmbiguous: false }
    const isAllRefused = outcome.refused.length >= asked.length
    const state = isAllRefused ? 'bounced' : outcome.delivered ? 'delivered' : 'accepted'
    return { state, reason: null, detail: null, nextAt: null, isAmbiguous: false }
  }
  if (outcome.kind === 'ambiguous' || wasAmbiguous) {
    const since = (send.ambiguousAt ?? now).getTime()
    const canReplay = replayableMs !== null && now.getTime() < since + replayableMs && !tooOld
    if (canReplay) return wait(backOff)
    const reason = 'code' in outcome ? outcome.code : 'ambiguous'
    return { state: 'unknown', reason, detail, nextAt: null, isAmbiguous: true }
  }
  if (following === 'other_recipients') return keep
  if (outcome.kind === 'refused_permanent') {
    const isRecipients = outcome.recipients.length > 0 && outcome.recipients.length >= asked.length
    if (isRecipients && isPostponed && !tooOld) return again
    const state = isRecipients ? 'bounced' : 'failed'
    return { state, reason: outcome.code, detail, nextAt: null, isAmbiguous: false }
  }
  if (following === 'next_carrier') return keep
  if (tooOld) return { ...wait(0), state: 'failed', nextAt: null }
  const askedMs = outcome.kind === 'throttled' ? (outcome.retryAfterMs ?? 0) : 0
  return wait(Math.max(askedMs, backOff))
}
