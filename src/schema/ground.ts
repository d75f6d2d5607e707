import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { time } from './columns.ts'

/** Answers, kept for 24 h so that a repeated POST gets the first answer again. */
export const idempotency = sqliteTable(
  'idempotency',
  {
    tenantId: text().notNull(),
    route: text().notNull(),
    key: text().notNull(),
    bodyHash: text().notNull(),
    /** Null while the first request is in progress. */
    status: integer(),
    body: text(),
    createdAt: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.route, t.key] }), index('idempotency_by_age').on(t.createdAt)],
)
