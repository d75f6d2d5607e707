import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { time } from './columns.ts'

/**
 * Tenants whose data is being erased, or is: the only ones whose traces may be deleted, and whom the database lets nobody
 * write for any more. What is left of a tenant in the end, so it holds nothing personal.
 */
export const erasures = sqliteTable(
  'erasures',
  {
    tenantId: text().primaryKey(),
    startedAt: time().notNull(),
    /** The number of the request, and the hash of what opens its status now that all keys are dead. */
    id: text(),
    tokenHash: text(),
    rowsErased: integer().notNull().default(0),
    objectsErased: integer().notNull().default(0),
    nextAt: time(),
    completedAt: time(),
  },
  (t) => [
    uniqueIndex('erasures_by_id').on(t.id),
    index('erasures_due').on(t.nextAt).where(sql`next_at IS NOT NULL`),
  ],
)

/** All that a tenant has, in one archive in R2 that is kept for seven days. */
export const archives = sqliteTable(
  'archives',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    state: text({ enum: ['queued', 'running', 'ready', 'failed', 'expired'] }).notNull(),
    /** Files that are in the archive so far, and its size in bytes. */
    files: integer().notNull().default(0),
    size: integer().notNull().default(0),
    error: text(),
    locks: integer().notNull().default(0),
    lockToken: text(),
    nextAt: time(),
    createdAt: time().notNull(),
    completedAt: time(),
    expiresAt: time(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    index('archives_due').on(t.nextAt).where(sql`next_at IS NOT NULL`),
  ],
)
