import { and, eq } from 'drizzle-orm'
import { auditEntries, auditHeads } from '../../../schema/journal.ts'
import { type Ctx, mustBeAllowed } from '../../ground/ctx.ts'
import { commitmentTo } from '../../journal/commitment.ts'
import { GENESIS, headBytes, linkHash } from './chain.ts'
import { vouchesFor } from './key.ts'
import { linkEntries } from './link.ts'
import { type LoggedEntry, pagesOf } from './log.ts'
import { mustSeeAll } from './visible.ts'

/** Entries that one call verifies. */
const AT_ONCE = 50_000

/**
 * The result of a verification. `broken` names the first entry that was changed. `so_far` means that the log is longer than
 * one call: `next` is the value of `after` for the next call. The last call checks the signature.
 */
export type Verified =
  | { outcome: 'sound'; from: number; to: number; erased: number; signature: Signature; at: Date | null }
  | { outcome: 'so_far'; from: number; to: number; erased: number; next: number }
  | { outcome: 'broken'; seq: number; why: string }

/** Whether our key signed the end of the chain: `unknown` if it was signed with another key than today's. */
export type Signature = 'valid' | 'wrong' | 'unknown' | 'none'

/**
 * Verifies the tenant's log after the entry `after`, 0 for the whole log: each entry must follow the one before, be
 * unchanged, and lead to the signed head. Entries that are not linked yet are linked first.
 */
export async function verifyLog(ctx: Ctx, after: number): Promise<Verified> {
  mustBeAllowed(ctx, 'read')
  await mustSeeAll(ctx)
  const { env, db, now, tenantId } = ctx
  await linkEntries(env, now, tenantId)
  const [head] = await db.select().from(auditHeads).where(eq(auditHeads.tenantId, tenantId))
  const last = head?.seq ?? 0
  const until = Math.min(last, after + AT_ONCE)
  let [prev, seq, erased] = [await hashAt(ctx, after), after, 0]
  if (prev === null) return broken(after, 'it is missing, or not linked')
  for await (const entries of pagesOf(ctx, after, until)) {
    for (const entry of entries) {
      seq += 1
      const why = faultOf(entry, seq, prev)
      if (why !== null) return broken(seq, why)
      if (entry.detail === null) erased += 1
      prev = entry.hash ?? ''
    }
  }
  if (seq < until) return broken(seq + 1, `the log ends before it, but its head counts ${last} entries`)
  const verified = { from: after + 1, to: seq, erased }
  if (until < last) return { outcome: 'so_far', ...verified, next: until }
  if (head && head.hash !== prev) return broken(seq, 'the head of the chain has another hash')
  const signature = head
    ? await vouchesFor(env, head, headBytes({ ...head, at: head.at.toISOString() }))
    : 'none'
  return { outcome: 'sound', ...verified, signature, at: head?.at ?? null }
}

const broken = (seq: number, why: string): Verified => ({ outcome: 'broken', seq, why })

/** The hash of an entry, which the next entry must name. */
async function hashAt({ db, tenantId }: Ctx, seq: number): Promise<string | null> {
  if (seq === 0) return GENESIS
  const [entry] = await db
    .select({ hash: auditEntries.hash })
    .from(auditEntries)
    .where(and(eq(auditEntries.tenantId, tenantId), eq(auditEntries.seq, seq)))
  return entry?.hash ?? null
}

/** What is wrong with the entry, or null. */
function faultOf(entry: LoggedEntry, seq: number, prev: string): string | null {
  const { salt, detail, commitment } = entry
  if (entry.seq !== seq) return `entry ${entry.seq} is in its place`
  if (entry.prevHash !== prev) return 'it does not name the hash of the entry before'
  if ((detail === null) !== (salt === null)) return 'only one of its detail and salt is erased'
  if (detail !== null && salt !== null && commitmentTo(salt, detail) !== commitment)
    return 'its detail was changed'
  const isIntact = linkHash(prev, { ...entry, at: entry.at.toISOString() }) === entry.hash
  return isIntact ? null : 'its hash does not match its content'
}
