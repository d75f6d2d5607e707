import { and, eq, isNull, sql } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { erasures } from '../../../schema/governance.ts'
import { sends } from '../../../schema/sending.ts'
import { database } from '../../ground/ctx.ts'
import { eventStream } from '../../ground/event-stream.ts'
import { statement } from '../../ground/sql.ts'
import { audited } from '../../journal/audit.ts'
import { ringJobs } from '../../journal/bells.ts'
import { rateWindow } from '../../limits/reservations.ts'
import { type At, ERASER, STEPS } from './steps.ts'

/** How long work that began before the request may still run, in ms. A consumer locks a send for 90 s. */
export const SETTLE_MS = 120_000
/** When the sweep rings again for an erasure in progress, in ms. */
const AGAIN_MS = 60_000
/** Steps of one turn. They stay far below the limits of one invocation. The next turn has its own bell. */
const STEPS_AT_ONCE = 200
/** Pages of the search index that one call rewrites, and calls of one turn. */
const PAGES_AT_ONCE = 500
const MERGES_AT_ONCE = 20

/**
 * Erases a part of a tenant's data and rings for the rest. Data is found by its rows, and rows are deleted last, so a turn
 * may stop anywhere and may run twice. The erasure is complete when nothing is left and nothing that began before the
 * request can still be running.
 */
export async function eraseSome(env: Env, tenantId: string, clock: () => Date): Promise<void> {
  const db = database(env)
  const isOpen = and(eq(erasures.tenantId, tenantId), isNull(erasures.completedAt))
  const [erasure] = await db
    .update(erasures)
    .set({ nextAt: new Date(clock().getTime() + AGAIN_MS) })
    .where(isOpen)
    .returning()
  if (!erasure) return
  const at = { env, tenantId, now: clock() }
  await Promise.all([rateWindow(at, tenantId).erase(), eventStream(env, tenantId).erase()])
  const { rows, objects, stepsLeft } = await takeSteps(at)
  if (stepsLeft > 0) await eraseWords(at)
  const tally = {
    rowsErased: sql`${erasures.rowsErased} + ${rows}`,
    objectsErased: sql`${erasures.objectsErased} + ${objects}`,
  }
  const settledAt = erasure.startedAt.getTime() + SETTLE_MS
  const [locked] = await db
    .select({ until: sql<number | null>`max(${sends.lockUntil})` })
    .from(sends)
    .where(eq(sends.tenantId, tenantId))
  const waitsUntil = new Date(Math.max(settledAt, locked?.until ?? 0))
  if (stepsLeft === 0) {
    await db.update(erasures).set(tally).where(isOpen)
    await ringJobs(env, [{ tenantId, erasure: true }])
  } else if (at.now < waitsUntil) {
    await db
      .update(erasures)
      .set({ ...tally, nextAt: waitsUntil })
      .where(isOpen)
  } else {
    const author = { db, now: clock(), tenantId, actor: ERASER } as const
    await db.batch([
      db
        .update(erasures)
        .set({ ...tally, completedAt: clock(), nextAt: null })
        .where(isOpen),
      ...audited(author, [{ action: 'tenant.erased', target: erasure.id }]),
    ])
  }
}

/** Repeats each step until it finds nothing more, within the limit of one turn. */
async function takeSteps(at: At): Promise<{ rows: number; objects: number; stepsLeft: number }> {
  const done = { rows: 0, objects: 0 }
  let stepsLeft = STEPS_AT_ONCE
  for (const step of STEPS) {
    for (; stepsLeft > 0; stepsLeft--) {
      const { rows, objects } = await step(at)
      done.rows += rows
      done.objects += objects
      if (rows + objects === 0) break
    }
  }
  return { ...done, stepsLeft }
}

/** FTS5 records deletions in pages numbered 2^53 and above, until it merges them. */
const findDeletedWords = statement('SELECT 1 FROM search_fts_data WHERE id >= 9007199254740992 LIMIT 1')
const mergeIndex = statement(`INSERT INTO search_fts (search_fts, rank) VALUES ('merge', -${PAGES_AT_ONCE})`)

/**
 * Removes deleted words from the search index. FTS5 only marks words as deleted; they are gone when their pages are
 * rewritten. Other tenants delete too, so this stops after a number of calls, even if marked words are left.
 */
async function eraseWords({ env }: At): Promise<void> {
  for (let left = MERGES_AT_ONCE; left > 0; left--) {
    if (!(await findDeletedWords.first(env, {}))) return
    await mergeIndex.run(env, {})
  }
}
