import { type SQL, sql } from 'drizzle-orm'
import { events } from '../../schema/journal.ts'
import type { Db } from '../ground/ctx.ts'

/** What `eventsFrom` writes, as a query for a batch of drizzle's, from a relation of the same columns. */
export function emit(db: Db, now: Date, happened: SQL) {
  const at = now.getTime()
  return db.insert(events).select(sql`
    SELECT h.tenant_id,
      max(${at} * 1000, 1 + coalesce((SELECT max(e.seq) FROM events e WHERE e.tenant_id = h.tenant_id), 0))
        + row_number() OVER (PARTITION BY h.tenant_id ORDER BY h.position) - 1,
      'evt_' || lower(hex(randomblob(16))), h.type, h.mailbox_id, h.agent_id, h.refs, NULL, ${at}, ${at}
    FROM (${happened}) h`)
}
