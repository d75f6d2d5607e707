import { settings } from '../../env.ts'
import type { SendInput } from '../../schema/sending.ts'
import { newId } from '../ground/ids.ts'
import { compileTemplate, missingVariables } from '../letters/rendering.ts'
import { rateWindow, refund } from '../limits/reservations.ts'
import { judge, type Verdict } from '../policy/judge.ts'
import { isAccepted, type SendState } from '../policy/states.ts'
import type { Limits, WindowSnapshot } from '../policy/windows.ts'
import type { Door } from './door.ts'
import type { Subject } from './gather.ts'
import { type Cleaned, keepCleaned, type Said, screen } from './screen.ts'
import { RING_AGAIN_MS, type Settlement, settle, type Undecided } from './settle.ts'

/** A send whose facts are known and that now needs a verdict. */
export type Candidate = {
  sendId: string
  /** The state it must still be in for the verdict to count. */
  from: Undecided
  subject: Subject
  /** Null where the variables are not to be checked: a simulation without payload, a release. */
  input: SendInput | null
  /** What it would say; null where nothing tells any more. */
  said: Said | null
  /** The input is kept in R2, and so is the body of a message written whole. */
  isLarge: boolean
  /** The bytes exist already, so that a release goes straight to delivery. */
  isRendered: boolean
  /** Until when a released send may wait for its windows, in ms since 1970; null where a refusal is final. */
  mayWaitUntil: number | null
}

/** What became of a send once judged, by whichever caller came first. */
export type Decision = {
  sendId: string
  state: SendState
  reason: string | null
  verdict: Verdict | null
  missing: string[]
  approvalId: string | null
  scheduledAt: number | null
  /** Whose mailboxes have received it. */
  readers: string[]
  /** The subject as it was kept, where something in the message was struck out. */
  subject: string | null
  /** This call decided it; otherwise another did and this is what it decided. */
  isMine: boolean
}

/**
 * Judge the candidates in order, as if sent one after the other, and settle each by compare-and-set. Two waits: the
 * tenant's windows, then one database batch.
 */
export async function decide(
  door: Door,
  tenantId: string,
  asked: Candidate[],
): Promise<Map<string, Decision>> {
  const candidates = asked.map((candidate) => screened(tenantId, candidate))
  const missing = new Map(asked.map((candidate) => [candidate.sendId, missingIn(candidate)]))
  const [windows] = await Promise.all([
    askWindows(door, tenantId, candidates, { missing, mode: 'spend' }),
    ...candidates.map(
      ({ sendId, isLarge, cleaned }) => cleaned && keepCleaned(door.env, sendId, isLarge, cleaned),
    ),
  ])
  const settlements = candidates.map((candidate) =>
    settlement(door, candidate, missing.get(candidate.sendId) ?? [], windows.get(candidate.sendId)?.snapshot),
  )
  const written = candidates.flatMap((candidate) => writtenBy(door, tenantId, candidate))
  const outcomes = await settle(door, tenantId, { rows: settlements, written, candidates })

  const lost = [...outcomes.values()].filter(
    (row) => row.is_mine === 0 && windows.get(row.id)?.spent && !isAccepted(row.state),
  )
  if (lost.length > 0)
    await refund(
      door,
      tenantId,
      lost.map((row) => row.id),
    )

  const subjects = new Map(candidates.map(({ sendId, subject }) => [sendId, subject]))
  const cleaned = new Map(candidates.map(({ sendId, cleaned }) => [sendId, cleaned]))
  const mine = new Map(settlements.map((each) => [each.id, each]))
  return new Map(
    [...outcomes.values()].map((row): [string, Decision] => {
      const settled = mine.get(row.id)
      const verdict = row.is_mine ? settled?.trace.verdict : row.verdict && JSON.parse(row.verdict)
      return [
        row.id,
        {
          sendId: row.id,
          state: row.state,
          reason: row.reason,
          verdict: (verdict ?? null) as Verdict | null,
          missing: missing.get(row.id) ?? [],
          approvalId: row.approval_id,
          scheduledAt: row.scheduled_at,
          readers: subjects.get(row.id)?.readers ?? [],
          subject: cleaned.get(row.id)?.input.inline?.subject ?? null,
          isMine: row.is_mine === 1,
        },
      ]
    }),
  )
}

/**
 * What `decide` would decide, with the windows looked at and nothing written: each candidate on its own, or in order,
 * each after what those before it would have spent.
 */
export async function preview(
  door: Door,
  tenantId: string,
  asked: Candidate[],
  isSequential: boolean,
): Promise<{ sendId: string; verdict: Verdict; missing: string[] }[]> {
  const candidates = asked.map((candidate) => screened(tenantId, candidate))
  const missing = new Map(asked.map((candidate) => [candidate.sendId, missingIn(candidate)]))
  const windows = isSequential
    ? await askWindows(door, tenantId, candidates, { missing, mode: 'spend in memory' })
    : await askWindows(door, tenantId, candidates, { missing: new Map(), mode: 'look' })
  return candidates.map(({ sendId, subject }) => ({
    sendId,
    verdict: judge(subject.facts, windows.get(sendId)?.snapshot ?? null),
    missing: missing.get(sendId) ?? [],
  }))
}

type ScreenedCandidate = Candidate & { cleaned: Cleaned | null }

/** The candidate with what was found in it among its facts, and without it where it is not to stay. */
function screened(tenantId: string, candidate: Candidate): ScreenedCandidate {
  const { subject, input, said } = candidate
  if (said === null) return { ...candidate, cleaned: null }
  const { dlp, cleaned } = screen(tenantId, subject, said)
  return {
    ...candidate,
    subject: { ...subject, facts: { ...subject.facts, dlp } },
    input: input && (cleaned?.input ?? input),
    cleaned,
  }
}

function missingIn({ subject, input }: Candidate): string[] {
  if (input === null) return []
  if (input.inline) {
    const { subject: line, html, text } = input.inline
    return [...(line === '' ? ['subject'] : []), ...(html === null && text === null ? ['text'] : [])]
  }
  if (subject.template === null) return []
  const template = compileTemplate(subject.template)
  return template.ok ? missingVariables(template.compiled, input.payload, subject.system) : []
}

async function askWindows(
  door: Door,
  tenantId: string,
  candidates: Candidate[],
  { missing, mode }: { missing: Map<string, string[]>; mode: 'spend' | 'spend in memory' | 'look' },
): Promise<Map<string, { spent: boolean; snapshot: WindowSnapshot }>> {
  const asking = candidates.filter((candidate) => (missing.get(candidate.sendId) ?? []).length === 0)
  const [first] = asking
  if (!first) return new Map()
  const limits: Record<string, Limits> = {}
  const requests = asking.map(({ sendId, subject }) => {
    limits[subject.mailboxId] = subject.limits
    const { allow, hold } = judge(subject.facts, null)
    const { leavesAt, now, contacts } = subject.facts
    return {
      sendId,
      mailboxId: subject.mailboxId,
      contacts: contacts.map((contact) => contact.contact),
      spend: mode !== 'look' && allow && hold === null && leavesAt === now,
      leavesAt,
      cooldownMs: subject.cooldownMs,
    }
  })
  const object = rateWindow(door, tenantId)
  const asked = [requests, limits, first.subject.planLimits, door.now.getTime()] as const
  const answers = await (mode === 'spend' ? object.reserve(...asked) : object.peek(...asked))
  return new Map(answers.map(({ sendId, spent, snapshot }) => [sendId, { spent, snapshot }]))
}

function settlement(
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
  if (staysHere(candidate)) {
    const state = facts.contacts.some(({ here }) => here) ? 'delivered' : 'bounced'
    return { ...base, state, nextAt: null }
  }
  return { ...base, state: candidate.isRendered ? 'ready' : 'queued' }
}

/** Whether a message can be put into its readers' inboxes by the very statement that settles it. */
function staysHere({ from, input, isLarge, subject: { facts } }: Candidate): boolean {
  if (from !== 'judging' || !input?.isComposed || isLarge || (input.files ?? []).length > 0) return false
  return !facts.humanized && facts.contacts.every(({ ours }) => ours)
}

function writtenBy({ env }: Door, tenantId: string, { from, sendId, input, isLarge, subject }: Candidate) {
  if (from !== 'judging' || !input?.isComposed) return []
  const { mailboxId, sender, facts } = subject
  const { mailDomain } = settings(env)
  return [{ sendId, tenantId, mailboxId, sender, contacts: facts.contacts, input, isLarge, mailDomain }]
}

/** A refusal at release waits where time alone would lift it soon enough; any other ends the send. */
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
