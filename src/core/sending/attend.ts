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
import { gatherStatements, readGathered } from './gather.ts'
import { largeInput } from './prepare.ts'
import { ring } from './ring.ts'
import { readTexts, type Said } from './screen.ts'
import type { Candidate } from './settlement.ts'

/** How long a send may stay without a verdict before it fails, in ms. */
const JUDGE_AT_MOST_MS = 3_600_000
/** How long a released send may wait for its windows, in ms. */
const WAIT_MS = 86_400_000

/**
 * Decides sends that wait: those left without a verdict, scheduled ones that are due, approved ones, ones whose approval
 * has expired, and unknown ones that may be sent again. Safe to run twice: each change is a compare-and-set.
 */
export async function attendSends(env: Env, now: Date, tenantId: string, sendIds: string[]): Promise<void> {
  const door: Door = {
    env,
    now,
    name: 'system',
    credential: { actor: { kind: 'system', name: 'sweep' }, tenantId },
    tenantId: null,
    agent: null,
  }
  const db = database(env)
  const [rows, gathered] = await Promise.all([
    db
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
      .where(and(eq(sends.tenantId, tenantId), inArray(sends.id, sendIds))),
    env.DB.batch(
      gatherStatements(
        door,
        sendIds.map((id) => ({ id, wantInput: true })),
      ),
    ),
  ])
  const found = new Map(
    readGathered(door, gathered).flatMap((each) => (each.send ? [[each.send.id, each] as const] : [])),
  )
  const isDue = (at: Date | null) => at !== null && at <= now

  const abandoned = rows.filter(
    (row) => row.state === 'judging' && age(row.createdAt, now) > JUDGE_AT_MOST_MS,
  )
  const expired = rows.filter((row) => row.approval === 'pending' && isDue(row.expiresAt))
  const reopened = rows.filter((row) => row.state === 'unknown' && isDue(row.nextAt))
  const candidates = await Promise.all(
    rows.map(async (row): Promise<Candidate | null> => {
      const { send, subject } = found.get(row.id) ?? {}
      if (!send || !subject || abandoned.includes(row) || expired.includes(row)) return null
      const isLarge = send.inputKey !== null
      const base = { sendId: row.id, subject, input: null, isLarge, isRendered: row.renderedKey !== null }
      const isReleased = row.state === 'scheduled' ? isDue(row.nextAt) : row.approval === 'approved'
      if (row.state !== 'judging' && !isReleased) return null
      const input = send.storedInput ?? (await largeInput(env, send.inputKey))
      const said = await saidBy(env, row, input)
      if (row.state === 'judging') {
        return { ...base, from: 'judging', input, said, mayWaitUntil: null }
      }
      if (row.state === 'scheduled' && isDue(row.nextAt)) {
        return {
          ...base,
          from: 'scheduled',
          said,
          mayWaitUntil: (row.scheduledAt ?? now).getTime() + WAIT_MS,
        }
      }
      if (row.state === 'pending_approval' && row.approval === 'approved') {
        return { ...base, from: 'pending_approval', said, mayWaitUntil: now.getTime() + WAIT_MS }
      }
      return null
    }),
  )
  await Promise.all([
    abandon(
      env,
      now,
      tenantId,
      abandoned.map((row) => row.id),
    ),
    expireApprovals(
      env,
      now,
      tenantId,
      expired.map((row) => row.id),
    ),
    reopen(
      env,
      now,
      tenantId,
      reopened.map((row) => row.id),
    ),
  ])
  const ready = candidates.filter((candidate) => candidate !== null)
  if (ready.length === 0) return
  const decided = await decide(door, tenantId, ready)
  await ring(env, now, tenantId, [...decided.values()])
}

/** What a stored send would say: its rendered bytes, if they exist. */
async function saidBy(
  env: Env,
  { recipients, renderedKey }: { recipients: Recipient[]; renderedKey: string | null },
  input: SendInput | null,
): Promise<Said | null> {
  if (input === null) return null
  const [rendered, texts] = await Promise.all([readRendered(env, renderedKey), readTexts(env, input.files)])
  return { input, recipients, texts, rendered }
}

function age(since: Date, now: Date): number {
  return now.getTime() - since.getTime()
}

async function abandon(env: Env, now: Date, tenantId: string, sendIds: string[]) {
  if (sendIds.length === 0) return
  await database(env)
    .update(sends)
    .set({ state: 'failed', reason: 'never_judged', burnedKey: null, nextAt: null, updatedAt: now })
    .where(and(eq(sends.tenantId, tenantId), inArray(sends.id, sendIds), eq(sends.state, 'judging')))
  await refund({ env, now }, tenantId, sendIds)
}

async function reopen(env: Env, now: Date, tenantId: string, sendIds: string[]) {
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
