import { settings } from '../../env.ts'
import type { SendInput } from '../../schema/sending.ts'
import { newId } from '../ground/ids.ts'
import { judge, type Verdict } from '../policy/judge.ts'
import type { WindowSnapshot } from '../policy/windows.ts'
import type { Door } from './door.ts'
import type { SendContent } from './screen.ts'
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
  /** Its content, which DLP searches; null if the stored input is gone. */
  content: SendContent | null
  /** The input lies in R2, and so does the body of a letter. */
  isLarge: boolean
  /** The bytes exist already, so that a release goes straight to delivery. */
  isRendered: boolean
  /** Until when a released send may wait for its windows, in ms since 1970; null if a refusal is final. */
  mayWaitUntil: number | null
}

/** The settlement of a candidate: its verdict, and the state that follows from it. Pure. */
export function settlement(
  door: Door,
  candidate: Candidate,
  lack: { names: string[]; detail: string | null } | null,
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
  if (lack) {
    const detail = lack.detail ?? `missing: ${lack.names.join(', ')}`
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

/** The letter to store in the Sent folder, if the candidate is a letter that is judged for the first time. */
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

/** A released send that a cooldown or a full window refuses waits for its end, if that comes soon enough. Any other refusal is final. */
function refused(
  base: Settlement,
  { mayWaitUntil }: Candidate,
  { reason, detail, retryAt }: NonNullable<Verdict['refusal']>,
  now: number,
): Settlement {
  const isTemporary = reason === 'cooldown' || reason === 'rate_limited'
  if (isTemporary && mayWaitUntil !== null && retryAt !== undefined && retryAt <= mayWaitUntil) {
    const scheduledAt = base.from === 'scheduled' ? null : now
    return { ...base, state: 'scheduled', reason, detail, scheduledAt, nextAt: retryAt }
  }
  return { ...base, state: 'blocked', reason, detail, nextAt: null }
}
