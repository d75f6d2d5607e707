import { and, desc, eq, isNull, lt, ne, type SQL, sql } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { arrivals } from '../../schema/arrivals.ts'
import { deadLetters } from '../../schema/delivery.ts'
import { sends } from '../../schema/sending.ts'
import { type Ctx, database, mustBeAllowed, prepared, reachOf } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId } from '../ground/ids.ts'
import { ringArrivals } from '../journal/bells.ts'
import { sendEventStatement } from '../journal/event-rows.ts'
import { isLocked, type Locked } from './lock.ts'

export type DeadLetter = typeof deadLetters.$inferSelect

/** The tenant of dead letters that name none. */
const NOBODY = ''

/** Ends a locked send as a dead letter. One that a carrier may have accepted becomes `unknown`, never `failed`. */
export async function giveUp(
  { env, db, send, hold }: Locked,
  queue: string,
  reason: string,
  now: Date,
): Promise<void> {
  const statements = [
    db
      .update(sends)
      .set({
        state: sql`iif(${sends.ambiguousAt} IS NULL, 'failed', 'unknown')`,
        reason: 'dead_letter',
        detail: reason,
        nextAt: null,
        lockUntil: null,
        updatedAt: now,
      })
      .where(isLocked({ send, hold })),
    db.insert(deadLetters).values(letter(send.tenantId, queue, send.id, reason, null, now)),
  ].map((query) => prepared(env, query))
  await env.DB.batch([...statements, sendEventStatement(env, hold, 'message.failed', ['failed'], now)])
}

/** Keeps a queue message that no consumer could work on. If it names a send, the sweep takes care of the send. */
export async function keepDeadMessage(env: Env, queue: string, body: unknown, now: Date): Promise<void> {
  const named: { [key: string]: unknown } = typeof body === 'object' && body !== null ? { ...body } : {}
  const tenantId = typeof named.tenantId === 'string' ? named.tenantId : NOBODY
  const refId = [named.sendId, named.arrivalId].find((id) => typeof id === 'string') ?? 'unreadable'
  const reason = 'the queue gave up after its retries'
  await database(env)
    .insert(deadLetters)
    .values(letter(tenantId, queue, refId, reason, body, now))
}

/** The dead letters that the actor may see, newest first: those of its agent's mailboxes, or all of the tenant. */
export async function listDeadLetters(
  ctx: Ctx,
  { before, limit, isOpen }: { before?: string | undefined; limit: number; isOpen: boolean },
): Promise<DeadLetter[]> {
  mustBeAllowed(ctx, 'read')
  return await ctx.db
    .select()
    .from(deadLetters)
    .where(
      and(
        isVisible(ctx),
        before ? lt(deadLetters.id, before) : undefined,
        isOpen ? isNull(deadLetters.replayedAt) : undefined,
      ),
    )
    .orderBy(desc(deadLetters.id))
    .limit(limit)
}

/** One dead letter. Throws `not_found`. */
export async function getDeadLetter(ctx: Ctx, id: string): Promise<DeadLetter> {
  mustBeAllowed(ctx, 'read')
  const [row] = await ctx.db
    .select()
    .from(deadLetters)
    .where(and(isVisible(ctx), eq(deadLetters.id, id)))
  if (!row) throw new Fault('not_found', 'No such dead letter.')
  return row
}

function isVisible(ctx: Ctx): SQL | undefined {
  const reach = reachOf(ctx)
  const isOfTenant = eq(deadLetters.tenantId, ctx.tenantId)
  if (reach === null) return isOfTenant
  const isReached = sql`x.tenant_id = ${ctx.tenantId} AND x.id = ${deadLetters.refId}
    AND x.mailbox_id IN (SELECT value FROM json_each(${JSON.stringify(reach)}))`
  return and(
    isOfTenant,
    sql`(EXISTS (SELECT 1 FROM sends x WHERE ${isReached}) OR EXISTS (SELECT 1 FROM arrivals x WHERE ${isReached}))`,
  )
}

/**
 * Starts the send or arrival of a dead letter again where it stopped. Replaying twice is the same as once. Throws `conflict`
 * if the send has no failure to replay; a send in state `unknown` is resolved by `resolveUnknown` instead.
 */
export async function replayDeadLetter(ctx: Ctx, id: string): Promise<DeadLetter> {
  mustBeAllowed(ctx, 'manage')
  const dead = await getDeadLetter(ctx, id)
  if (dead.replayedAt) return dead
  if (dead.refId.startsWith('arr_')) await reviveArrival(ctx, dead.refId)
  else await reviveSend(ctx, dead.refId)
  const [replayed] = await ctx.db
    .update(deadLetters)
    .set({ replayedAt: ctx.now })
    .where(and(eq(deadLetters.tenantId, ctx.tenantId), eq(deadLetters.id, id)))
    .returning()
  return replayed ?? dead
}

/** An arrival that has been read meanwhile stays as it is. */
async function reviveArrival(ctx: Ctx, arrivalId: string): Promise<void> {
  const [revived] = await ctx.db
    .update(arrivals)
    .set({ state: 'received', locks: 0, nextAt: ctx.now })
    .where(and(eq(arrivals.tenantId, ctx.tenantId), eq(arrivals.id, arrivalId), ne(arrivals.state, 'stored')))
    .returning({ tenantId: arrivals.tenantId, arrivalId: arrivals.id })
  if (revived) await ringArrivals(ctx.env, [revived])
}

async function reviveSend(ctx: Ctx, sendId: string): Promise<void> {
  const [revived] = await ctx.db
    .update(sends)
    .set({
      state: sql`iif(${sends.renderedKey} IS NULL, 'queued', 'ready')`,
      reason: null,
      detail: null,
      locks: 0,
      nextAt: ctx.now,
      updatedAt: ctx.now,
    })
    .where(
      and(
        eq(sends.tenantId, ctx.tenantId),
        eq(sends.id, sendId),
        eq(sends.state, 'failed'),
        eq(sends.reason, 'dead_letter'),
      ),
    )
    .returning({ id: sends.id, state: sends.state })
  const [current] = await ctx.db
    .select({ state: sends.state })
    .from(sends)
    .where(and(eq(sends.tenantId, ctx.tenantId), eq(sends.id, sendId)))
  if (!revived && (!current || ['failed', 'unknown', 'cancelled', 'blocked'].includes(current.state))) {
    throw new Fault('conflict', `The send is ${current?.state ?? 'gone'}; there is nothing to replay.`)
  }
  const queue = revived?.state === 'ready' ? ctx.env.DELIVER : ctx.env.RENDER
  if (revived) await queue.send({ tenantId: ctx.tenantId, sendId })
}

function letter(
  tenantId: string,
  queue: string,
  refId: string,
  reason: string,
  body: unknown,
  createdAt: Date,
) {
  return { tenantId, id: newId('dlq', createdAt), queue, refId, reason, body, createdAt }
}
