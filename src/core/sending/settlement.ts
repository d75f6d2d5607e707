import { settings } from '../../env.ts'
import type { SendInput } from '../../schema/sending.ts'
import { newId } from '../ground/ids.ts'
import { judge, type Verdict } from '../policy/judge.ts'
import type { WindowSnapshot } from '../policy/windows.ts'
import type { Door } from './door.ts'
import type { Said } from './screen.ts'
import { RING_AGAIN_MS, type Settlement, type Undecided } from './settle.ts'
import type { Subject } from './subject.ts'

/** A send whose facts are known and that now needs a verdict. */
export type Candidate = {
  sendId: string
  /** The state it must still be in for the verdict to count. */
  from: Undecided
  subject: Subject
  /** Null if its variables are not checked: in a simulation without payload, or at a release. */
  input: SendInput | null
  /** What it would say; null if the input is gone. */
  said: Said | null
  /** The input lies in R2, and so does the body of a letter. */
  isLarge: boolean
  /** The bytes exist already, so that a release goes straight to delivery. */
  isRendered: boolean
  /** Until when a released send may wait for its windows, in ms since 1970; null if a refusal is final. */
  mayWaitUntil: number | null
}

/** What becomes of a candidate by its verdict. Pure. */
export function settlement(
  door: Door,
  candidate: Candidate,
  missing: string[],
  window: WindowSnapshot | undefined,
): Settlement {
  const { facts } = candidate.subject
  const now = door.now.getTime()
  const verdict = judge(facts, window ?? null)
  const base: Settlement = {
    id: candidate.sendId,
    from: candidate.from,
    state: 'queued',
    reason: null,
    detail: null,
    nextAt: now + RING_AGAIN_MS,
    scheduledAt: null,
    approvalId: null,
    holdReason: null,
    domainId: candidate.subject.sender.domainId,
    trace: { policyVersion: verdict.policyVersion, facts, window: window ?? null, verdict },
  }
  if (missing.length > 0) {
    const detail = `missing: ${missing.join(', ')}`
    return { ...base, state: 'failed', reason: 'template_render_failed', detail, nextAt: null }
  }
  if (verdict.refusal) return refused(base, candidate, verdict.refusal, now)
  if (verdict.hold !== null) {
    const approvalId = newId('apq', door.now)
    return { ...base, state: 'pending_approval', approvalId, holdReason: verdict.hold }
  }
  if (facts.leavesAt > now) return { ...base, state: 'scheduled', nextAt: facts.leavesAt }
  if (isInternal(candidate)) {
    const state = facts.contacts.some(({ here }) => here) ? 'delivered' : 'bounced'
    return { ...base, state, nextAt: null }
  }
  return { ...base, state: candidate.isRendered ? 'ready' : 'queued' }
}

/** Whether internal delivery can happen in the batch that settles the send. */
function isInternal({ from, input, isLarge, subject: { facts } }: Candidate): boolean {
  if (from !== 'judging' || !input?.isComposed || isLarge || (input.files ?? []).length > 0) return false
  return !facts.humanized && facts.contacts.every(({ ours }) => ours)
}

/** The letter that a candidate becomes in the Sent folder, if it was written whole and is judged for the first time. */
export function writtenBy(
  { env }: Door,
  tenantId: string,
  { from, sendId, input, isLarge, subject }: Candidate,
) {
  if (from !== 'judging' || !input?.isComposed) return []
  const { mailboxId, sender, facts } = subject
  const { mailDomain } = settings(env)
  return [{ sendId, tenantId, mailboxId, sender, contacts: facts.contacts, input, isLarge, mailDomain }]
}

/** A refusal at release waits if it passes with time soon enough; any other refusal ends the send. */
function refused(
  base: Settlement,
  { mayWaitUntil }: Candidate,
  { reason, detail, retryAt }: NonNullable<Verdict['refusal']>,
  now: number,
): Settlement {
  const isPassing = reason === 'cooldown' || reason === 'rate_limited'
  if (isPassing && mayWaitUntil !== null && retryAt !== undefined && retryAt <= mayWaitUntil) {
    const scheduledAt = base.from === 'scheduled' ? null : now
    return { ...base, state: 'scheduled', reason, detail, scheduledAt, nextAt: retryAt }
  }
  return { ...base, state: 'blocked', reason, detail, nextAt: null }
}
