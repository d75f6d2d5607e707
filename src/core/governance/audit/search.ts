import { and, desc, eq, gte, lt, or, type SQL, sql } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import { auditEntries } from '../../../schema/journal.ts'
import { type Ctx, mustBeAllowed } from '../../ground/ctx.ts'
import { entriesWhere, type LoggedEntry } from './log.ts'
import { isVisible } from './visible.ts'

/** Entries that one call looks at. */
const ENTRIES_AT_ONCE = 5_000

/** What to look for. An action or an actor may be given by its kind alone: `domain`, `key`. */
type EntryFilter = {
  action?: string | undefined
  actor?: string | undefined
  target?: string | undefined
}

/**
 * The matching entries of the tenant's log, newest first. One call looks at a limited number of entries. If there are older
 * entries, `next` is the value of `before` for the next call, even if this call found nothing.
 */
export async function searchEntries(
  ctx: Ctx,
  filter: EntryFilter,
  page: { before: number | null; limit: number },
): Promise<{ entries: LoggedEntry[]; next: number | null }> {
  mustBeAllowed(ctx, 'read')
  const { db, tenantId } = ctx
  const { seq, action, actor, target } = auditEntries
  const isOfTenant = and(eq(auditEntries.tenantId, tenantId), isVisible(ctx))
  const [newest] = await db
    .select({ seq })
    .from(auditEntries)
    .where(and(isOfTenant, page.before === null ? undefined : lt(seq, page.before)))
    .orderBy(desc(seq))
    .limit(1)
  if (!newest) return { entries: [], next: null }
  const from = Math.max(1, newest.seq - ENTRIES_AT_ONCE + 1)
  const found = await entriesWhere(
    db,
    and(
      isOfTenant,
      gte(seq, from),
      lt(seq, newest.seq + 1),
      isOfKind(action, filter.action, '.'),
      isOfKind(actor, filter.actor, ':'),
      filter.target === undefined ? undefined : eq(target, filter.target),
    ),
  )
    .orderBy(desc(seq))
    .limit(page.limit + 1)
  const entries = found.slice(0, page.limit)
  if (found.length > page.limit) return { entries, next: entries.at(-1)?.seq ?? null }
  return { entries, next: from > 1 ? from : null }
}

function isOfKind(column: SQLiteColumn, wanted: string | undefined, separator: string): SQL | undefined {
  if (wanted === undefined) return undefined
  const start = `${wanted}${separator}`
  return or(eq(column, wanted), sql`substr(${column}, 1, ${start.length}) = ${start}`)
}
