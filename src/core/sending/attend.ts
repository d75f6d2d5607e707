import { and, eq, inArray, lte } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import type { Recipient } from '../../schema/letters.ts'
import { approvals, type SendInput, sends } from '../../schema/sending.ts'
import { database } from '../ground/ctx.ts'
import { readRendered } from '../letters/rendered.ts'
import { refund } from '../limits/reservations.ts'
import { decide } from './decide.ts'
import type { Door } from './door.ts'
import { expireApprovals } from './expiry.ts'
import { type Found, gatherStatements, readGathered } from './gather.ts'
import { largeInput } from './prepare.ts'
import { ring } from './ring.ts'
import { readTexts, type SendContent } from './screen.ts'
import type { Candidate } from './settlement.ts'

/** How long a send may stay without a verdict before it fails, in ms. */
const JUDGE_AT_MOST_MS = 3_600_000
/** How long a released send may wait for its windows, in ms. */
const WAIT_MS = 86_400_000

/**
 * Works on sends that wait: judges those left without a verdict, releases scheduled ones that are due and approved ones,
 * expires approvals, and sends unknown ones again if they may be. Safe to run twice: each change is a compare-and-set.
 */
export async function attendSends(env: Env, now: Date, tenantId: string, sendIds: string[]): Promise<void> {
  const door = sweepDoor(env, now, tenantId)
  const queries = sendIds.map((id) => ({ id, wantInput: true }))
  const [rows, gathered] = await Promise.all([
    waitingSends(env, tenantId, sendIds),
    env.DB.batch(gatherStatements(door, queries)),
  ])
  const found = new Map(readGathered(door, gathered).map((each) => [each.send?.id, each]))
  const candidates = await Promise.all(rows.map((row) => candidateOf(env, now, row, found.get(row.id))))
  const idsWhere = (test: (row: WaitingSend, now: Date) => boolean) =>
    rows.filter((row) => test(row, now)).map((row) => row.id)
  await Promise.all([
    abandon(env, now, tenantId, idsWhere(isAbandoned)),
    expireApprovals(env, now, tenantId, idsWhere(isExpired)),
    retryUnknown(env, now, tenantId, idsWhere(mayBeRetried)),
  ])
  const ready = candidates.filter((candidate) => candidate !== null)
  if (ready.length === 0) return
  const decided = await decide(door, tenantId, ready)
  await ring(env, now, tenantId, [...decided.values()])
}

function sweepDoor(env: Env, now: Date, tenantId: string): Door {
  const credential = { actor: { kind: 'system' as const, name: 'sweep' }, tenantId }
  return { env, now, name: 'system', credential, tenantId: null, agent: null }
}

type WaitingSend = Awaited<ReturnType<typeof waitingSends>>[number]

async function waitingSends(env: Env, tenantId: string, sendIds: string[]) {
  return await database(env)
    .select({
      id: sends.id,
      state: sends.state,
      nextAt: sends.nextAt,
      createdAt: sends.createdAt,
      scheduledAt: sends.scheduledAt,
      recipients: sends.recipients,
      renderedKey: sends.renderedKey,
      approval: approvals.status,
      expiresAt: approvals.expiresAt,
    })
    .from(sends)
    .leftJoin(approvals, and(eq(approvals.tenantId, sends.tenantId), eq(approvals.id, sends.approvalId)))
    .where(and(eq(sends.tenantId, tenantId), inArray(sends.id, sendIds)))
}

function isAbandoned({ state, createdAt }: WaitingSend, now: Date): boolean {
  return state === 'judging' && now.getTime() - createdAt.getTime() > JUDGE_AT_MOST_MS
}

function isExpired({ approval, expiresAt }: WaitingSend, now: Date): boolean {
  return approval === 'pending' && isDue(expiresAt, now)
}

function mayBeRetried({ state, nextAt }: WaitingSend, now: Date): boolean {
  return state === 'unknown' && isDue(nextAt, now)
}

function isDue(at: Date | null, now: Date): boolean {
  return at !== null && at <= now
}

/** The send as a candidate for a verdict; null if none is due. */
async function candidateOf(
  env: Env,
  now: Date,
  row: WaitingSend,
  { send, subject }: Partial<Found> = {},
): Promise<Candidate | null> {
  const due = dueVerdict(row, now)
  if (!due || !send || !subject) return null
  const stored = send.storedInput ?? (await largeInput(env, send.inputKey))
  return {
    ...due,
    sendId: row.id,
    subject,
    input: due.from === 'judging' ? stored : null,
    content: await storedContent(env, row, stored),
    isLarge: send.inputKey !== null,
    isRendered: row.renderedKey !== null,
  }
}

/** The state from which the send is to be judged now, and how long it may wait for its windows; null if it is not due. */
function dueVerdict(row: WaitingSend, now: Date): Pick<Candidate, 'from' | 'mayWaitUntil'> | null {
  if (isAbandoned(row, now) || isExpired(row, now)) return null
  if (row.state === 'judging') return { from: 'judging', mayWaitUntil: null }
  if (row.state === 'scheduled' && isDue(row.nextAt, now)) {
    return { from: 'scheduled', mayWaitUntil: (row.scheduledAt ?? now).getTime() + WAIT_MS }
  }
  if (row.state === 'pending_approval' && row.approval === 'approved') {
    return { from: 'pending_approval', mayWaitUntil: now.getTime() + WAIT_MS }
  }
  return null
}

/** The content of a stored send, with its rendered bytes if they exist. */
async function storedContent(
  env: Env,
  { recipients, renderedKey }: { recipients: Recipient[]; renderedKey: string | null },
  input: SendInput | null,
): Promise<SendContent | null> {
  if (input === null) return null
  const [rendered, texts] = await Promise.all([readRendered(env, renderedKey), readTexts(env, input.files)])
  return { input, recipients, texts, rendered }
}

async function abandon(env: Env, now: Date, tenantId: string, sendIds: string[]) {
  if (sendIds.length === 0) return
  await database(env)
    .update(sends)
    .set({ state: 'failed', reason: 'never_judged', burnedKey: null, nextAt: null, updatedAt: now })
    .where(and(eq(sends.tenantId, tenantId), inArray(sends.id, sendIds), eq(sends.state, 'judging')))
  await refund({ env, now }, tenantId, sendIds)
}

async function retryUnknown(env: Env, now: Date, tenantId: string, sendIds: string[]) {
  if (sendIds.length === 0) return
  await database(env)
    .update(sends)
    .set({ state: 'retry_wait', carrier: null, ambiguousAt: null, nextAt: now, updatedAt: now })
    .where(
      and(
        eq(sends.tenantId, tenantId),
        inArray(sends.id, sendIds),
        eq(sends.state, 'unknown'),
        lte(sends.nextAt, now),
      ),
    )
}
