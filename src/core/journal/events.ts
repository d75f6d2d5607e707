import { type SQL, sql } from 'drizzle-orm'
import { events } from '../../schema/journal.ts'
import type { Db } from '../ground/ctx.ts'
import { fragment } from '../ground/sql.ts'
import { EVENT_COLUMNS } from './event-rows.ts'

/** What `eventsFrom` writes, as a query of the builder, from a relation of the same columns. */
export function emit(db: Db, now: Date, happened: SQL) {
  const columns = fragment(EVENT_COLUMNS, { now: now.getTime() })
  return db.insert(events).select(sql`${columns} FROM (${happened}) h`)
}
