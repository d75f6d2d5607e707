import { and, eq, isNull, lt } from 'drizzle-orm'
import { idempotency } from '../../schema/ground.ts'
import type { Ctx } from './ctx.ts'
import { Fault } from './fault.ts'
import { sha256 } from './hash.ts'

/** How long an answer is kept, and after how long an unfinished first request may be repeated, in ms. */
const KEPT_MS = 86_400_000
const IN_PROGRESS_MS = 60_000

type Answer = { status: number; body: string }

/**
 * Runs `work` once for a tenant, route and key; a repeat gets the first answer. Throws `idempotency_in_progress` while the
 * first request still runs, `idempotency_mismatch` if the body differs, and `secret_already_shown` if the answer had a
 * secret, which is never stored. An answer of 4xx or 5xx, or with `isKept: false`, is not kept: the request may be tried
 * again with the same key.
 */
export async function answerOnce(
  ctx: Ctx,
  request: { route: string; key: string; body: string },
  work: () => Promise<Answer & { isSecret: boolean; isKept?: boolean }>,
): Promise<(Answer & { isReplay: true }) | { isReplay: false }> {
  const { route, key } = request
  const bodyHash = await sha256(request.body)
  const isThis = and(
    eq(idempotency.tenantId, ctx.tenantId),
    eq(idempotency.route, route),
    eq(idempotency.key, key),
  )
  const stale = new Date(ctx.now.getTime() - KEPT_MS)
  const abandoned = new Date(ctx.now.getTime() - IN_PROGRESS_MS)
  const results = await ctx.db.batch([
    ctx.db.delete(idempotency).where(and(isThis, lt(idempotency.createdAt, stale))),
    ctx.db
      .delete(idempotency)
      .where(and(isThis, isNull(idempotency.status), lt(idempotency.createdAt, abandoned))),
    ctx.db
      .insert(idempotency)
      .values({ tenantId: ctx.tenantId, route, key, bodyHash, createdAt: ctx.now })
      .onConflictDoNothing()
      .returning({ key: idempotency.key }),
    ctx.db.select().from(idempotency).where(isThis),
  ])
  const [isFirst] = results[2]
  const [existing] = results[3]
  if (!isFirst && existing) return replay(existing, bodyHash)

  const forget = () => ctx.db.delete(idempotency).where(isThis)
  try {
    const { status, body, isSecret, isKept = status < 400 } = await work()
    if (!isKept) await forget()
    else
      await ctx.db
        .update(idempotency)
        .set({ status, body: isSecret ? null : body })
        .where(isThis)
    return { isReplay: false }
  } catch (error) {
    await forget()
    throw error
  }
}

function replay(first: typeof idempotency.$inferSelect, bodyHash: string): Answer & { isReplay: true } {
  if (first.bodyHash !== bodyHash) {
    throw new Fault(
      'idempotency_mismatch',
      'This Idempotency-Key was used for a different request. Use a new key.',
    )
  }
  if (first.status === null) {
    throw new Fault(
      'idempotency_in_progress',
      'The first request with this Idempotency-Key is still running. Try again later.',
    )
  }
  if (first.body === null) {
    throw new Fault(
      'secret_already_shown',
      'The answer to the first request with this Idempotency-Key had a secret, which is shown only once.',
    )
  }
  return { status: first.status, body: first.body, isReplay: true }
}
