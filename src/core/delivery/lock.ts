import { and, eq, inArray, isNull, lte, or, sql } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { mailboxes } from '../../schema/accounts.ts'
import { sends } from '../../schema/sending.ts'
import { type Db, database } from '../ground/ctx.ts'
import { newToken } from '../ground/ids.ts'
import type { SendBell } from '../journal/bells.ts'
import { appendTrace, type Hold } from '../journal/traces.ts'
import { statesWhere } from '../policy/states.ts'
import { resolveStatements } from '../signals/signals.ts'

export type Send = typeof sends.$inferSelect

/** How long a consumer may hold a send before another takes over, in ms: longer than any carrier's time limits. */
export const CLAIM_MS = 90_000
/** Claims without progress that make a dead letter. */
export const LOCKS_AT_MOST = 8
/** How long after an unresolved attempt a send of an `on_unknown: resend` mailbox is sent afresh, in ms. */
const RESEND_AFTER_MS = 900_000

const TO_RENDER = statesWhere(({ movedBy }) => movedBy.includes('render'))

export type Locked = { env: Env; send: Send; hold: Hold; db: Db }

/** Takes a send for rendering: queued ones, and held ones whose bytes do not exist yet. Null if there is nothing to do. */
export async function lockForRendering(env: Env, bell: SendBell, now: Date): Promise<Locked | null> {
  const db = database(env)
  const token = newToken()
  const [send] = await db
    .update(sends)
    .set({ state: sql`iif(state = 'queued', 'rendering', state)`, ...claimFields(token, now) })
    .where(and(isSend(bell), isNull(sends.renderedKey), inArray(sends.state, TO_RENDER), isFree(now)))
    .returning()
  return send ? { env, send, db, hold: { ...bell, token } } : null
}

/**
 * Takes a send for delivery. One that another consumer left in flight is first put down as an attempt of unknown
 * outcome: replayed under the same key where its carrier is one of `replayable`, else surfaced as `unknown`.
 */
export async function lockForDelivery(
  env: Env,
  bell: SendBell,
  now: Date,
  replayable: string[],
): Promise<Locked | null> {
  const db = database(env)
  const token = newToken()
  const lost = newToken()
  const canReplay = replayable.length > 0 ? inArray(sends.carrier, replayable) : sql`0`
  const results = await db.batch([
    db
      .update(sends)
      .set({
        state: sql`iif(${canReplay}, 'retry_wait', 'unknown')`,
        nextAt: sql`iif(${canReplay}, ${now.getTime()}, ${resendAt(now)})`,
        ambiguousAt: sql`coalesce(${sends.ambiguousAt}, ${now.getTime()})`,
        lockToken: lost,
        lockUntil: null,
        reason: 'interrupted',
        updatedAt: now,
      })
      .where(and(isSend(bell), eq(sends.state, 'in_flight'), lte(sends.lockUntil, now))),
    appendTrace(db, { ...bell, token: lost }, 'delivery', now, {
      outcome: 'ambiguous',
      code: 'interrupted',
      detail: 'the attempt ended without an answer being recorded',
    }),
    db
      .update(sends)
      .set({ state: 'claimed', ...claimFields(token, now) })
      .where(
        and(
          isSend(bell),
          or(
            eq(sends.state, 'ready'),
            and(eq(sends.state, 'retry_wait'), lte(sends.nextAt, now), sql`NOT ${hasBeenHeardOf}`),
            and(eq(sends.state, 'claimed'), lte(sends.lockUntil, now)),
          ),
        ),
      )
      .returning(),
  ])
  const [lostOnes] = results
  if (lostOnes.meta.changes > 0) await env.DB.batch(resolveStatements(env, [bell], now))
  const [send] = results[2]
  return send ? { env, send, db, hold: { ...bell, token } } : null
}

/** Something has been heard of the attempt that had no clear answer: its carrier has the message. */
const hasBeenHeardOf = sql`(${sends.ambiguousAt} IS NOT NULL AND EXISTS (
  SELECT 1 FROM json_each(${sends.recipients}) j CROSS JOIN send_recipients r
    ON r.tenant_id = ${sends.tenantId} AND r.contact = j.value ->> 'contact' AND r.send_id = ${sends.id}
  WHERE r.signals <> 0 AND r.carrier = ${sends.carrier}
    AND r.email IN (SELECT value FROM json_each(${sends.pinnedRecipients}))))`

/** When a send that has become `unknown` is to be sent afresh, if its mailbox says so; else null: a person decides. */
export function resendAt(now: Date) {
  return sql`(SELECT ${now.getTime() + RESEND_AFTER_MS} FROM ${mailboxes}
    WHERE ${mailboxes.tenantId} = ${sends.tenantId} AND ${mailboxes.id} = ${sends.mailboxId}
      AND ${mailboxes.onUnknown} = 'resend')`
}

function isSend({ tenantId, sendId }: SendBell) {
  return and(eq(sends.tenantId, tenantId), eq(sends.id, sendId))
}

function isFree(now: Date) {
  return or(isNull(sends.lockUntil), lte(sends.lockUntil, now))
}

function claimFields(token: string, now: Date) {
  const until = new Date(now.getTime() + CLAIM_MS)
  return {
    lockToken: token,
    lockUntil: until,
    nextAt: until,
    locks: sql`${sends.locks} + 1`,
    updatedAt: now,
  }
}
