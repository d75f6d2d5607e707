import { compileTemplate, detailOf, missingVariables, unfitVariables } from '../letters/rendering.ts'
import { rateWindow, refund } from '../limits/reservations.ts'
import { judge, type Verdict } from '../policy/judge.ts'
import { isAccepted, type SendState } from '../policy/states.ts'
import type { Limits, WindowSnapshot } from '../policy/windows.ts'
import type { Door } from './door.ts'
import { type Cleaned, keepCleaned, screen } from './screen.ts'
import { settle } from './settle.ts'
import type { OutcomeRow } from './settle-rows.ts'
import { type Candidate, settlement, writtenBy } from './settlement.ts'

/** Why the payload cannot fill the template: the variables by name, and a sentence if they are there but must not be used. */
type Lack = { names: string[]; detail: string | null }

/** The outcome of a send, as the first worker to settle it has written it. */
export type Decision = {
  sendId: string
  state: SendState
  reason: string | null
  verdict: Verdict | null
  lack: Lack | null
  approvalId: string | null
  scheduledAt: number | null
  /** The tenants whose mailboxes receive it. */
  readers: string[]
  /** The subject as it was stored, if DLP struck something out of the message; else null. */
  subject: string | null
  /** True if this call settled the send, false if another worker did. */
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
  const lacks = new Map(asked.map((candidate) => [candidate.sendId, lackIn(candidate)]))
  const [windows] = await Promise.all([
    askWindows(door, tenantId, candidates, { lacks, mode: 'spend' }),
    ...candidates.map(
      ({ sendId, isLarge, cleaned }) => cleaned && keepCleaned(door.env, sendId, isLarge, cleaned),
    ),
  ])
  const settlements = candidates.map((candidate) =>
    settlement(door, candidate, lacks.get(candidate.sendId) ?? null, windows.get(candidate.sendId)?.snapshot),
  )
  const written = candidates.flatMap((candidate) => writtenBy(door, tenantId, candidate))
  const outcomes = await settle(door, tenantId, { rows: settlements, written, candidates })

  await refundUnused(door, tenantId, [...outcomes.values()], windows)
  const traced = new Map(settlements.map((each) => [each.id, each.trace.verdict]))
  const asSettled = new Map(candidates.map((candidate) => [candidate.sendId, candidate]))
  return new Map(
    [...outcomes.values()].map((row): [string, Decision] => {
      const verdict = row.is_mine ? traced.get(row.id) : row.verdict && JSON.parse(row.verdict)
      const candidate = asSettled.get(row.id)
      return [
        row.id,
        {
          sendId: row.id,
          state: row.state,
          reason: row.reason,
          verdict: (verdict ?? null) as Verdict | null,
          lack: lacks.get(row.id) ?? null,
          approvalId: row.approval_id,
          scheduledAt: row.scheduled_at,
          readers: candidate?.subject.readers ?? [],
          subject: candidate?.cleaned?.input.inline?.subject ?? null,
          isMine: row.is_mine === 1,
        },
      ]
    }),
  )
}

/** Gives back what this call reserved for sends that another worker has settled and not accepted. */
async function refundUnused(
  door: Door,
  tenantId: string,
  outcomes: OutcomeRow[],
  windows: Map<string, { spent: boolean }>,
) {
  const unused = outcomes.filter(
    (row) => row.is_mine === 0 && windows.get(row.id)?.spent && !isAccepted(row.state),
  )
  if (unused.length === 0) return
  await refund(
    door,
    tenantId,
    unused.map((row) => row.id),
  )
}

/**
 * What `decide` would decide. Nothing is written and no window is spent. Each candidate is judged on its own or, if
 * `isSequential`, as if those before it had been sent.
 */
export async function preview(
  door: Door,
  tenantId: string,
  asked: Candidate[],
  isSequential: boolean,
): Promise<{ sendId: string; verdict: Verdict; missing: string[] }[]> {
  const candidates = asked.map((candidate) => screened(tenantId, candidate))
  const lacks = new Map(asked.map((candidate) => [candidate.sendId, lackIn(candidate)]))
  const windows = isSequential
    ? await askWindows(door, tenantId, candidates, { lacks, mode: 'spend in memory' })
    : await askWindows(door, tenantId, candidates, { lacks: new Map(), mode: 'look' })
  return candidates.map(({ sendId, subject }) => ({
    sendId,
    verdict: judge(subject.facts, windows.get(sendId)?.snapshot ?? null),
    missing: lacks.get(sendId)?.names ?? [],
  }))
}

type ScreenedCandidate = Candidate & { cleaned: Cleaned | null }

/** Adds the findings of DLP to the candidate's facts. Findings that must not be stored are struck out of its input. */
function screened(tenantId: string, candidate: Candidate): ScreenedCandidate {
  const { subject, input, content } = candidate
  if (content === null) return { ...candidate, cleaned: null }
  const { dlp, cleaned } = screen(tenantId, subject, content)
  return {
    ...candidate,
    subject: { ...subject, facts: { ...subject.facts, dlp } },
    input: input && (cleaned?.input ?? input),
    cleaned,
  }
}

function lackIn({ subject, input }: Candidate): Lack | null {
  if (input === null) return null
  if (input.inline) {
    const { subject: line, html, text } = input.inline
    return missing([...(line === '' ? ['subject'] : []), ...(html === null && text === null ? ['text'] : [])])
  }
  if (subject.template === null) return null
  const template = compileTemplate(subject.template)
  if (!template.ok) return null
  const names = missingVariables(template.compiled, input.payload, subject.system)
  if (names.length > 0) return missing(names)
  const unfit = unfitVariables(template.compiled, input.payload, subject.system)
  return unfit.length === 0 ? null : { names: unfit.map(({ name }) => name), detail: detailOf(unfit) }
}

const missing = (names: string[]): Lack | null => (names.length === 0 ? null : { names, detail: null })

async function askWindows(
  door: Door,
  tenantId: string,
  candidates: Candidate[],
  { lacks, mode }: { lacks: Map<string, Lack | null>; mode: 'spend' | 'spend in memory' | 'look' },
): Promise<Map<string, { spent: boolean; snapshot: WindowSnapshot }>> {
  const asking = candidates.filter((candidate) => !lacks.get(candidate.sendId))
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
      windowId: subject.windowId,
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
