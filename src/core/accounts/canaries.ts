import { and, count, desc, eq, lt } from 'drizzle-orm'
import { canaries } from '../../schema/accounts.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId, newToken } from '../ground/ids.ts'
import { audited } from '../journal/audit.ts'
import { ACTS } from '../policy/laxer.ts'
import { LENGTH_AT_MOST, sealCanary, WINDOW } from '../reading/dlp/canary.ts'
import { actNeedsPerson, mayLoosen } from './loosen.ts'

/** A canary without its text, which is never shown again, not even to its owner. */
export type CanaryRecord = Omit<typeof canaries.$inferSelect, 'probe' | 'length' | 'hash'>

const CANARIES_AT_MOST = 100

const SHOWN = {
  tenantId: canaries.tenantId,
  id: canaries.id,
  label: canaries.label,
  trips: canaries.trips,
  trippedAt: canaries.trippedAt,
  createdAt: canaries.createdAt,
}

/**
 * Plants a canary and returns its text, which is never shown again. Without a `value` the text is made up. From the next
 * send on, every message that contains it is refused.
 */
export async function createCanary(
  ctx: Ctx,
  { label, value: given }: { label: string | null; value: string | null },
): Promise<{ canary: CanaryRecord; value: string }> {
  mustBeAllowed(ctx, 'manage')
  const value = given ?? `canary_${newToken()}`
  const seal = sealCanary(ctx.tenantId, value)
  if (seal === null) {
    const message = `value must have ${WINDOW} to ${LENGTH_AT_MOST} letters and digits, so that no other text is mistaken for it.`
    throw new Fault('invalid', message, { field: 'value' })
  }
  const [held] = await ctx.db
    .select({ total: count() })
    .from(canaries)
    .where(eq(canaries.tenantId, ctx.tenantId))
  if ((held?.total ?? 0) >= CANARIES_AT_MOST) {
    throw new Fault('conflict', `A tenant has at most ${CANARIES_AT_MOST} canaries. Delete one first.`)
  }
  const id = newId('canary', ctx.now)
  const [[canary]] = await ctx.db.batch([
    ctx.db
      .insert(canaries)
      .values({ tenantId: ctx.tenantId, id, label, ...seal, createdAt: ctx.now })
      .onConflictDoNothing()
      .returning(SHOWN),
    ...audited(ctx, [{ action: 'canary.planted', target: id, detail: { label } }]),
  ])
  if (!canary) throw new Fault('conflict', 'value: this text is already a canary.', { field: 'value' })
  return { canary, value }
}

/** The tenant's canaries, newest first, without their texts. */
export async function listCanaries(
  ctx: Ctx,
  page: { before?: string | undefined; limit: number },
): Promise<CanaryRecord[]> {
  mustBeAllowed(ctx, 'read')
  return await ctx.db
    .select(SHOWN)
    .from(canaries)
    .where(and(eq(canaries.tenantId, ctx.tenantId), page.before ? lt(canaries.id, page.before) : undefined))
    .orderBy(desc(canaries.id))
    .limit(page.limit)
}

/** Deletes a canary. This loosens DLP, so it takes a person, or a key with `loosen`. */
export async function deleteCanary(ctx: Ctx, id: string): Promise<void> {
  mustBeAllowed(ctx, 'manage')
  const isWanted = and(eq(canaries.tenantId, ctx.tenantId), eq(canaries.id, id))
  const [standing] = await ctx.db.select({ id: canaries.id }).from(canaries).where(isWanted)
  if (!standing) throw new Fault('not_found', 'This tenant has no canary with this id.')
  if (ACTS.deleteCanary.isLaxer() && !mayLoosen(ctx)) {
    const present = 'This canary keeps messages with its text from being sent.'
    throw actNeedsPerson(present, { kind: 'canary', id, loosens: ['canary'] })
  }
  await ctx.db.batch([
    ctx.db.delete(canaries).where(isWanted),
    ...audited(ctx, [{ action: 'canary.lifted', target: id }]),
  ])
}
