import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { time } from './columns.ts'

/**
 * What the mail exchanger handed over for one envelope recipient: raw in R2, to be read by the `jobs` queue. The same
 * bytes for the same recipient are one row, however often they are delivered.
 */
export const arrivals = sqliteTable(
  'arrivals',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    recipient: text().notNull(),
    sha256: text().notNull(),
    mailboxId: text().notNull(),
    /** The send to whose bounce address it came; the mailbox is then the one that sent. */
    sendId: text(),
    rawKey: text().notNull(),
    envelopeFrom: text().notNull(),
    size: integer().notNull(),
    state: text({ enum: ['received', 'stored', 'failed'] }).notNull(),
    locks: integer().notNull().default(0),
    nextAt: time(),
    receivedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('arrivals_by_content').on(t.tenantId, t.recipient, t.sha256),
    index('arrivals_due').on(t.nextAt).where(sql`next_at IS NOT NULL`),
  ],
)

/** When a mailbox last answered a contact by itself. */
export const autoReplies = sqliteTable(
  'auto_replies',
  {
    tenantId: text().notNull(),
    mailboxId: text().notNull(),
    contact: text().notNull(),
    repliedAt: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.mailboxId, t.contact] })],
)
