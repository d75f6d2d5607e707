import { index, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { time } from './columns.ts'

/** Single-use tokens with which one person decides one approval: a mailed link or a reply address. Only hashes are kept. */
export const approvalTokens = sqliteTable(
  'approval_tokens',
  {
    tokenHash: text().primaryKey(),
    tenantId: text().notNull(),
    approvalId: text().notNull(),
    ownerId: text().notNull(),
    door: text({ enum: ['link', 'answer'] }).notNull(),
    /** Of the message that the notice shows. */
    sha256: text().notNull(),
    expiresAt: time().notNull(),
    usedAt: time(),
  },
  (t) => [index('approval_tokens_by_age').on(t.expiresAt)],
)
