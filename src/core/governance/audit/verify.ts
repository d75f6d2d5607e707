import { and, eq } from 'drizzle-orm'
import { auditEntries, auditHeads } from '../../../schema/journal.ts'
import { type Ctx, mustBeAllowed } from '../../ground/ctx.ts'
import { commitmentTo } from '../../journal/commitment.ts'
import { GENESIS, headBytes, linkHash } from './chain.ts'
import { vouchesFor } from './key.ts'
import { linkEntries } from './link.ts'
import { type LoggedEntry, pagesOf } from './log.ts'

/** Entries that one turn goes through. */
const AT_ONCE = 50_000

/**
 * What a look through the log has come to. `broken` names the first entry that is not as it was written; `next`, where the
 * log is longer than one turn, is the entry to go on behind. The signature is judged with the last turn.
 */
export type Verified =
  | { outcome: 'sound'; from: number; to: number; erased: number; signature: Signature; at: Date | null }
  | { outcome: 'so_far'; from: number; to: number; erased: number; next: number }
  | { outcome: 'broken'; seq: number; why: string }

/** Whether our key vouches for the end of the chain: `unknown` where another key than today's has signed it. */
export type Signature = 'valid' | 'wrong' | 'unknown' | 'none'

/**
 * Goes through the tenant's log from its beginning, or behind an entry up to which it has been looked through: that each
 * entry follows the one before, says what it said, and leads to the signed head. What is not chained yet is chained first.
 */
export async function verifyLog(ctx: Ctx, after: number): Promise<Verified> {
  mustBeAllowed(ctx, 'read')
  const { env, db, now, tenantId } = ctx
  await linkEntries(env, now, tenantId)
  const [head] = await db.select().from(auditHeads).where(eq(auditHeads.tenantId, tenantId))
  const last = head?.seq ?? 0
  const until = Math.min(last, after + AT_ONCE)
  let [prev, seq, erased] = [await hashAt(ctx, after), after, 0]
  if (prev === null) return broken(after, 'it is missing, or not chained')
  for await (const entries of pagesOf(ctx, after, until)) {
    for (const entry of entries) {
      seq += 1
      const why = faultOf(entry, seq, prev)
      if (why !== null) return broken(seq, why)
      if (entry.detail === null) erased += 1
      prev = entry.hash ?? ''
    }
  }
  if (seq < until) return broken(seq + 1, `the log ends before it, and its head says ${last} entries`)
  const looked = { from: after + 1, to: seq, erased }
  if (until < last) return { outcome: 'so_far', ...looked, next: until }
  if (head && head.hash !== prev) return broken(seq, 'the head of the chain is not that of this entry')
  const signature = head
    ? await vouchesFor(env, head, headBytes({ ...head, at: head.at.toISOString() }))
    : 'none'
  return { outcome: 'sound', ...looked, signature, at: head?.at ?? null }
}

const broken = (seq: number, why: string): Verified => ({ outcome: 'broken', seq, why })

/** The hash that the entry behind this one must follow. */
async function hashAt({ db, tenantId }: Ctx, seq: number): Promise<string | null> {
  if (seq === 0) return GENESIS
  const [entry] = await db
    .select({ hash: auditEntries.hash })
    .from(auditEntries)
    .where(and(eq(auditEntries.tenantId, tenantId), eq(auditEntries.seq, seq)))
  return entry?.hash ?? null
}

/** What is wrong with an entry that should be this one, or null. */
function faultOf(entry: LoggedEntry, seq: number, prev: string): string | null {
  const { salt, detail, commitment } = entry
  if (entry.seq !== seq) return `entry ${entry.seq} stands in its place`
  if (entry.prevHash !== prev) return 'it does not follow the entry before'
  if ((detail === null) !== (salt === null)) return 'its detail is erased by half'
  if (detail !== null && salt !== null && commitmentTo(salt, detail) !== commitment)
    return 'its detail is not what it was'
  const isWhole = linkHash(prev, { ...entry, at: entry.at.toISOString() }) === entry.hash
  return isWhole ? null : 'its hash is not that of what it says'
}
