import { and, eq, isNull, lt } from 'drizzle-orm'
import { idempotency } from '../../schema/ground.ts'
import type { Ctx } from './ctx.ts'
import { Fault } from './fault.ts'
import { sha256 } from './hash.ts'

/** How long an answer is kept, and how long a first request may take before a repeat may run again, in ms. */
const KEPT_MS = 86_400_000
const IN_PROGRESS_MS = 60_000

type Answer = { status: number; body: string }

/**
 * Runs `work` once for a tenant, route and key; a repeat gets the first answer. Throws `idempotency_in_progress` while
 * the first still runs, `idempotency_mismatch` for another body, and `secret_already_shown` where the answer held a
 * secret, which is never stored. A failed request (4xx, 5xx), or one that `work` says changed nothing, is not kept: it
 * may be tried again with the same key.
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
  const [standing] = results[3]
  if (!isFirst && standing) return replay(standing, bodyHash)

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

function replay(standing: typeof idempotency.$inferSelect, bodyHash: string): Answer & { isReplay: true } {
  if (standing.bodyHash !== bodyHash) {
    throw new Fault(
      'idempotency_mismatch',
      'This Idempotency-Key was used for a different request. Use a new key.',
    )
  }
  if (standing.status === null) {
    throw new Fault(
      'idempotency_in_progress',
      'The first request with this Idempotency-Key is still running.',
    )
  }
  if (standing.body === null) {
    throw new Fault('secret_already_shown', 'The answer held a secret, which is shown only once.')
  }
  return { status: standing.status, body: standing.body, isReplay: true }
}
