import { and, asc, eq, gt, sql } from 'drizzle-orm'
import { sends } from '../../schema/sending.ts'
import { type Ctx, mustBeAllowed, reachOf } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { sha256 } from '../ground/hash.ts'
import { type SendState, STATES } from '../policy/states.ts'
import type { Send } from './sends.ts'

/** The most items that one request may carry. */
const ITEMS_AT_MOST = 500

/** How many items of a batch are in which state now. */
export type BatchCounts = {
  total: number
  /** Passed policy and were handed to delivery, whatever the outcome. */
  queued: number
  blocked: number
  pendingApproval: number
  scheduled: number
  /** Cancelled, or rejected by a person. */
  cancelled: number
  /** Could not be rendered, so they were not judged. */
  errors: number
  byState: Partial<Record<SendState, number>>
}

/** Throws unless the list holds 1 to 500 items. */
export function mustFit(field: string, items: unknown[]) {
  if (items.length === 0) throw new Fault('invalid', `${field} must hold at least one item.`, { field })
  if (items.length <= ITEMS_AT_MOST) return
  const message = `${field} holds ${items.length} items; a request may carry ${ITEMS_AT_MOST}.`
  throw new Fault('batch_too_large', message, { field, max: ITEMS_AT_MOST, received: items.length })
}

/**
 * The id of a batch. A repeat by the same caller has the same id: it has the same Idempotency-Key or, without a key, the same
 * body.
 */
export async function batchIdFor(caller: string, headerKey: string | null, body: string): Promise<string> {
  const seed = headerKey === null ? [caller, 'body', body] : [caller, 'key', headerKey]
  return `batch_${(await sha256(JSON.stringify(seed))).slice(0, 36)}`
}

/**
 * The current counts of a batch, and a page of its sends, oldest first. If an item was sent again, its newest send counts.
 * Items that never became a send (a bad address, a blank key, a key taken by another batch) are reported only in the answer
 * to the batch request. Throws `not_found` if no item became a send.
 */
export async function getBatch(
  ctx: Ctx,
  id: string,
  page: { after?: string | undefined; limit: number },
): Promise<{ counts: BatchCounts; sends: Send[] }> {
  const reach = reachOf(ctx)
  const isNewest = and(
    eq(sends.tenantId, ctx.tenantId),
    reach === null
      ? undefined
      : sql`${sends.mailboxId} IN (SELECT value FROM json_each(${JSON.stringify(reach)}))`,
    sql`${sends.id} IN (SELECT max(b.id) FROM sends b
      WHERE b.tenant_id = ${ctx.tenantId} AND b.batch_id = ${id} GROUP BY coalesce(b.dedupe_key, b.id))`,
  )
  const isRenderError = sql<number>`${sends.reason} IS 'template_render_failed'`
  const [groups, rows] = await ctx.db.batch([
    ctx.db
      .select({ mailboxId: sends.mailboxId, state: sends.state, isRenderError, count: sql<number>`count(*)` })
      .from(sends)
      .where(isNewest)
      .groupBy(sends.mailboxId, sends.state, isRenderError),
    ctx.db
      .select()
      .from(sends)
      .where(and(isNewest, page.after ? gt(sends.id, page.after) : undefined))
      .orderBy(asc(sends.id))
      .limit(page.limit),
  ])
  if (groups.length === 0) throw new Fault('not_found', 'No such batch.')
  for (const { mailboxId } of groups) mustBeAllowed(ctx, 'read', mailboxId)

  const counts: BatchCounts = {
    ...{ total: 0, queued: 0, blocked: 0, pendingApproval: 0, scheduled: 0, cancelled: 0, errors: 0 },
    byState: {},
  }
  for (const group of groups) {
    counts.total += group.count
    counts[group.isRenderError ? 'errors' : STATES[group.state].countedAs.batch] += group.count
    counts.byState[group.state] = (counts.byState[group.state] ?? 0) + group.count
  }
  return { counts, sends: rows }
}
