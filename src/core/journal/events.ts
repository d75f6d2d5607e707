import { type SQL, sql } from 'drizzle-orm'
import { events } from '../../schema/journal.ts'
import type { Db } from '../ground/ctx.ts'
import { fragment } from '../ground/sql.ts'
import { columnsOf } from './event-rows.ts'

/** What `eventsFrom` writes, as a query of the builder, from a relation of the same columns. */
export function emit(db: Db, now: Date, happened: SQL) {
  const columns = fragment(columnsOf(':now'), { now: now.getTime() })
  return db.insert(events).select(sql`${columns} FROM (${happened}) h`)
}
