import { and, asc, desc, eq, gt, lt, lte, sql } from 'drizzle-orm'
import { auditDetails, auditEntries, auditHeads } from '../../../schema/journal.ts'
import { type Ctx, type Db, database, mustBeAllowed } from '../../ground/ctx.ts'
import { GENESIS } from './chain.ts'
import { signHead } from './key.ts'
import { linkEntries } from './link.ts'
import { isVisible, mustSeeAll } from './visible.ts'

export type LoggedEntry = typeof auditEntries.$inferSelect & { salt: string | null; detail: string | null }
type SignedHead = {
  tenantId: string
  seq: number
  hash: string
  at: Date
  keyId: string | null
  signature: string | null
}

/** Entries of one page when the whole log is read. */
const AT_ONCE = 500

/** A spreadsheet would read a cell that begins like this as a formula. */
const FORMULA = /^[=+\-@\t\r]/

const COLUMNS = 'seq,id,at,actor,action,target,detail,salt,commitment,prev_hash,hash'

/**
 * The entries that the actor may see, newest first, how many there are, and how many of them are not linked yet. `before` is the
 * last `seq` of the previous page.
 */
export async function listEntries(ctx: Ctx, page: { before: number | null; limit: number }) {
  mustBeAllowed(ctx, 'read')
  const { db, tenantId } = ctx
  const isSeen = and(eq(auditEntries.tenantId, tenantId), isVisible(ctx))
  const [found, [counted], [head]] = await db.batch([
    entriesWhere(db, and(isSeen, page.before === null ? undefined : lt(auditEntries.seq, page.before)))
      .orderBy(desc(auditEntries.seq))
      .limit(page.limit + 1),
    db
      .select({
        total: sql<number>`count(*)`,
        unlinked: sql<number>`count(*) FILTER (WHERE ${auditEntries.hash} IS NULL)`,
      })
      .from(auditEntries)
      .where(isSeen),
    db.select().from(auditHeads).where(eq(auditHeads.tenantId, tenantId)),
  ])
  return {
    entries: found.slice(0, page.limit),
    hasMore: found.length > page.limit,
    total: counted?.total ?? 0,
    head: head ?? null,
    unlinked: counted?.unlinked ?? 0,
  }
}

/**
 * The whole log, oldest first, one line of JSON for each entry. The last line is the signed head. Every line holds what its
 * hash covers, so that anybody with our public key can verify the log.
 */
export async function* logLines(ctx: Ctx): AsyncGenerator<string> {
  const head = await headOf(ctx)
  for await (const entries of pagesOf(ctx, 0, head.seq)) yield entries.map(lineOf).join('')
  yield headLine(head)
}

/** The whole log as CSV. No cell begins like a formula. */
export async function* logTable(ctx: Ctx): AsyncGenerator<string> {
  const head = await headOf(ctx)
  yield `${COLUMNS}\r\n`
  for await (const entries of pagesOf(ctx, 0, head.seq)) {
    yield entries.map((entry) => `${cellsOf(entry).map(cellText).join(',')}\r\n`).join('')
  }
}

/** Links all entries written so far and returns the end of the log, signed now. */
async function headOf(ctx: Ctx): Promise<SignedHead> {
  mustBeAllowed(ctx, 'read')
  await mustSeeAll(ctx)
  const { env, db, now, tenantId } = ctx
  await linkEntries(env, now, tenantId)
  const [found] = await db.select().from(auditHeads).where(eq(auditHeads.tenantId, tenantId))
  const head = { tenantId, seq: found?.seq ?? 0, hash: found?.hash ?? GENESIS, at: now }
  return { ...head, ...(await signHead(env, { ...head, at: now.toISOString() })) }
}

/** The entries after `after`, up to and including `last`, oldest first, in pages. */
export async function* pagesOf(
  { env, tenantId }: Pick<Ctx, 'env' | 'tenantId'>,
  after: number,
  last: number,
): AsyncGenerator<LoggedEntry[]> {
  const db = database(env)
  for (let from = after; from < last; ) {
    const entries = await entriesWhere(
      db,
      and(eq(auditEntries.tenantId, tenantId), gt(auditEntries.seq, from), lte(auditEntries.seq, last)),
    )
      .orderBy(asc(auditEntries.seq))
      .limit(AT_ONCE)
    const end = entries.at(-1)
    if (!end) return
    yield entries
    from = end.seq
  }
}

/** Entries with their details. A detail is null if it is erased. */
export function entriesWhere(db: Db, condition: ReturnType<typeof and>) {
  const { tenantId, seq, id, at, actor, action, target, commitment, prevHash, hash } = auditEntries
  const { salt, detail } = auditDetails
  return db
    .select({ tenantId, seq, id, at, actor, action, target, commitment, prevHash, hash, salt, detail })
    .from(auditEntries)
    .leftJoin(auditDetails, and(eq(auditDetails.tenantId, tenantId), eq(auditDetails.entryId, id)))
    .where(condition)
    .$dynamic()
}

/** The line holds the detail as the exact text of its commitment: another JSON writer could change it. */
function lineOf({ detail, salt, commitment, prevHash, hash, ...entry }: LoggedEntry): string {
  const { seq, id, actor, action, target } = entry
  const first = JSON.stringify({ seq, id, at: entry.at.toISOString(), actor, action, target })
  const rest = JSON.stringify({ salt, commitment, prev_hash: prevHash, hash })
  return `${first.slice(0, -1)},"detail":${detail ?? 'null'},${rest.slice(1)}\n`
}

function headLine({ tenantId, seq, hash, at, keyId, signature }: SignedHead): string {
  const head = { tenant_id: tenantId, seq, hash, at: at.toISOString(), key_id: keyId, signature }
  return `${JSON.stringify({ head })}\n`
}

function cellsOf(entry: LoggedEntry): (string | number | null)[] {
  const { seq, id, at, actor, action, target, detail, salt, commitment, prevHash, hash } = entry
  return [seq, id, at.toISOString(), actor, action, target, detail, salt, commitment, prevHash, hash]
}

function cellText(value: string | number | null): string {
  const text = String(value ?? '')
  return `"${(FORMULA.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`
}
