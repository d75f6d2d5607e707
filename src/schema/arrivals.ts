import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { time } from './columns.ts'

/**
 * Received mail, one row for each envelope recipient. The raw bytes are in R2 until the `jobs` queue reads them. The same
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
    /** Set if the mail came to the return path of a send. The mailbox is then the sender's. */
    sendId: text(),
    /** The recipient of that send for whom the return path was made: the mail speaks for nobody else. */
    contact: text(),
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

/** When a mailbox last sent a contact its automatic reply. */
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
