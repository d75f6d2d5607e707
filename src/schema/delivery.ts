import { sql } from 'drizzle-orm'
import { index, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { time } from './columns.ts'

/** Work that was given up, kept until a person replays it. */
export const deadLetters = sqliteTable(
  'dead_letters',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    queue: text().notNull(),
    refId: text().notNull(),
    reason: text().notNull(),
    body: text({ mode: 'json' }).$type<unknown>(),
    createdAt: time().notNull(),
    replayedAt: time(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    index('dead_letters_open').on(t.createdAt).where(sql`replayed_at IS NULL`),
  ],
)

/** Messages that the `capture` carrier took, shown at /dev/outbox. */
export const capturedMail = sqliteTable(
  'captured_mail',
  {
    sendId: text().notNull(),
    recipient: text().notNull(),
    messageId: text().notNull(),
    envelopeFrom: text().notNull(),
    subject: text().notNull(),
    text: text(),
    html: text(),
    raw: text().notNull(),
    capturedAt: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.sendId, t.recipient] }), index('captured_mail_by_time').on(t.capturedAt)],
)
