import { and, eq, inArray, isNull, lte, or, sql } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { mailboxes } from '../../schema/accounts.ts'
import { sends } from '../../schema/sending.ts'
import { type Db, database } from '../ground/ctx.ts'
import { newToken } from '../ground/ids.ts'
import { fragment } from '../ground/sql.ts'
import type { SendBell } from '../journal/bells.ts'
import { appendTrace, type Hold } from '../journal/traces.ts'
import { statesWhere } from '../policy/states.ts'
import { isProvenAccepted, resolveStatements } from '../signals/resolve.ts'

export type Send = typeof sends.$inferSelect

/** How long a lock on a send lasts, in ms. Then another consumer may take over. No carrier takes as long to answer. */
export const LOCK_MS = 90_000
/** A send that was locked more often than this without progress becomes a dead letter. */
export const LOCKS_AT_MOST = 8
/** If a mailbox has `on_unknown: resend`, its unresolved sends are sent again after this time, in ms. */
const RESEND_AFTER_MS = 900_000

const PROVEN_ACCEPTED = fragment(isProvenAccepted('sends'))
const TO_RENDER = statesWhere(({ movedBy }) => movedBy.includes('render'))

export type Locked = { env: Env; send: Send; hold: Hold; db: Db }

/** Locks a send for rendering: a queued one, or a held one that is not rendered yet. Null if there is nothing to do. */
export async function lockForRendering(env: Env, bell: SendBell, now: Date): Promise<Locked | null> {
  const db = database(env)
  const token = newToken()
  const [send] = await db
    .update(sends)
    .set({ state: sql`iif(state = 'queued', 'rendering', state)`, ...lockFields(token, now) })
    .where(and(isSend(bell), isNull(sends.renderedKey), inArray(sends.state, TO_RENDER), isFree(now)))
    .returning()
  return send ? { env, send, db, hold: { ...bell, token } } : null
}

/**
 * Locks a send for delivery. If another consumer left the send in flight, that attempt is first recorded as ambiguous.
 * The send is then repeated under the same key if its carrier is one of `replayable`. Otherwise it becomes `unknown`.
 */
export async function lockForDelivery(
  env: Env,
  bell: SendBell,
  now: Date,
  replayable: string[],
): Promise<Locked | null> {
  const db = database(env)
  const token = newToken()
  const interruptToken = newToken()
  const [interrupted, , locked] = await db.batch([
    interrupt(db, bell, interruptToken, replayable, now),
    appendTrace(db, { ...bell, token: interruptToken }, 'delivery', now, {
      outcome: 'ambiguous',
      code: 'interrupted',
      detail: 'the attempt ended, but no answer was recorded',
    }),
    db
      .update(sends)
      .set({ state: 'claimed', ...lockFields(token, now) })
      .where(
        and(
          isSend(bell),
          or(
            eq(sends.state, 'ready'),
            and(eq(sends.state, 'retry_wait'), lte(sends.nextAt, now), sql`NOT ${PROVEN_ACCEPTED}`),
            and(eq(sends.state, 'claimed'), lte(sends.lockUntil, now)),
          ),
        ),
      )
      .returning(),
  ])
  if (interrupted.meta.changes > 0) await env.DB.batch(resolveStatements(env, [bell], now))
  const [send] = locked
  return send ? { env, send, db, hold: { ...bell, token } } : null
}

function interrupt(db: Db, bell: SendBell, token: string, replayable: string[], now: Date) {
  const canReplay = replayable.length > 0 ? inArray(sends.carrier, replayable) : sql`0`
  return db
    .update(sends)
    .set({
      state: sql`iif(${canReplay}, 'retry_wait', 'unknown')`,
      nextAt: sql`iif(${canReplay}, ${now.getTime()}, ${resendAt(now)})`,
      ambiguousAt: sql`coalesce(${sends.ambiguousAt}, ${now.getTime()})`,
      lockToken: token,
      lockUntil: null,
      reason: 'interrupted',
      updatedAt: now,
    })
    .where(and(isSend(bell), eq(sends.state, 'in_flight'), lte(sends.lockUntil, now)))
}

/** SQL: when a send that has become `unknown` is sent again. Null if its mailbox leaves the decision to a person. */
export function resendAt(now: Date) {
  return sql`(SELECT ${now.getTime() + RESEND_AFTER_MS} FROM ${mailboxes}
    WHERE ${mailboxes.tenantId} = ${sends.tenantId} AND ${mailboxes.id} = ${sends.mailboxId}
      AND ${mailboxes.onUnknown} = 'resend')`
}

/** SQL: the row is this send, and this worker's lock on it still counts. */
export function isLocked({ send, hold }: Pick<Locked, 'send' | 'hold'>) {
  return and(eq(sends.tenantId, send.tenantId), eq(sends.id, send.id), eq(sends.lockToken, hold.token))
}

function isSend({ tenantId, sendId }: SendBell) {
  return and(eq(sends.tenantId, tenantId), eq(sends.id, sendId))
}

function isFree(now: Date) {
  return or(isNull(sends.lockUntil), lte(sends.lockUntil, now))
}

function lockFields(token: string, now: Date) {
  const until = new Date(now.getTime() + LOCK_MS)
  return {
    lockToken: token,
    lockUntil: until,
    nextAt: until,
    locks: sql`${sends.locks} + 1`,
    updatedAt: now,
  }
}
