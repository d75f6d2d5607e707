import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { flag, time } from './columns.ts'
import type { StoredFile } from './letters.ts'

export const VERDICTS = [
  'none',
  'pass',
  'fail',
  'softfail',
  'neutral',
  'policy',
  'temperror',
  'permerror',
] as const

/** A result of RFC 8601, section 2.7; what is absent or unknown is `none`. */
export type Verdict = (typeof VERDICTS)[number]

/** What our own receiving hop says of an inbound message. */
export type Authentication = {
  spf: Verdict
  dkim: Verdict
  dmarc: Verdict
  isFromAuthenticated: boolean
}

/** How much a message looks as if it gave orders to its reader: 0 to 1, and why. */
export type Risk = { score: number; reasons: { code: string; detail: string }[] }

/**
 * Mail as a tenant's mailboxes hold it, sent or received. What passes between tenants has one row in each under the same
 * id. Blind copies are named in the sender's row only.
 */
export const messages = sqliteTable(
  'messages',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    threadId: text().notNull(),
    /** The send that carries it, in the sender's row. */
    sendId: text(),
    /** Message-ID, without brackets. */
    rfcId: text().notNull(),
    deliveryType: text({ enum: ['internal', 'external'] }).notNull(),
    fromAddress: text().notNull(),
    fromName: text(),
    /** Null for senders who are no mailbox of ours. */
    fromMailboxId: text(),
    to: text('to_addresses', { mode: 'json' }).$type<string[]>().notNull(),
    cc: text('cc_addresses', { mode: 'json' }).$type<string[]>().notNull(),
    bcc: text('bcc_addresses', { mode: 'json' }).$type<string[]>(),
    replyTo: text(),
    subject: text().notNull(),
    text: text(),
    /** Sanitised. */
    html: text(),
    /** What is new in an inbound text, without quotes and signature. */
    replyText: text(),
    /** Where text and html lie in R2, as JSON, when they are too large for the row. */
    bodyKey: text(),
    /** The whole message as it arrived, in R2. */
    rawKey: text(),
    files: text({ mode: 'json' }).$type<StoredFile[]>().notNull(),
    /** The message of ours that it answers. */
    inReplyTo: text(),
    /** Message-IDs of the thread so far, without brackets, oldest first. */
    references: text('reference_ids', { mode: 'json' }).$type<string[]>().notNull(),
    /** What the embedded classifier reads in inbound mail. */
    intent: text(),
    authentication: text({ mode: 'json' }).$type<Authentication>(),
    /** Why nothing may act on it by itself; empty where nothing speaks against that. */
    ambiguities: text({ mode: 'json' }).$type<string[]>().notNull(),
    risk: text({ mode: 'json' }).$type<Risk>(),
    isAutomatic: flag().notNull().default(false),
    createdAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    index('messages_by_rfc_id').on(t.tenantId, t.rfcId),
    // On /email a message of others is told apart from one that does not exist.
    index('messages_by_id').on(t.id),
  ],
)

/**
 * A message as one mailbox sees it: read, starred and deleted are the viewer's own. `at` is microseconds since 1970 and
 * strictly increasing within a folder of a mailbox, so that it orders, pages and never ties.
 */
export const views = sqliteTable(
  'views',
  {
    tenantId: text().notNull(),
    mailboxId: text().notNull(),
    folder: text({ enum: ['inbox', 'sent'] }).notNull(),
    at: integer().notNull(),
    messageId: text().notNull(),
    threadId: text().notNull(),
    /** Who wrote it, in canonical form. */
    fromContact: text().notNull(),
    readAt: time(),
    starred: flag().notNull().default(false),
    deletedAt: time(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.mailboxId, t.folder, t.at] }),
    uniqueIndex('views_by_message').on(t.tenantId, t.messageId, t.mailboxId, t.folder),
    index('views_by_thread').on(t.threadId, t.tenantId, t.mailboxId),
    index('views_by_sender').on(t.tenantId, t.fromContact, t.mailboxId, t.at).where(sql`folder = 'inbox'`),
    index('views_unread')
      .on(t.tenantId, t.mailboxId)
      .where(sql`folder = 'inbox' AND read_at IS NULL AND deleted_at IS NULL`),
  ],
)

/** A conversation as one mailbox sees it. Its id is shared by all who take part, of whatever tenant. */
export const threads = sqliteTable(
  'threads',
  {
    tenantId: text().notNull(),
    mailboxId: text().notNull(),
    id: text().notNull(),
    subject: text().notNull(),
    /** Of its newest message, in microseconds since 1970. */
    lastAt: integer().notNull(),
    archived: flag().notNull().default(false),
    starred: flag().notNull().default(false),
    labels: text({ mode: 'json' }).$type<string[]>().notNull().default([]),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.mailboxId, t.id] }),
    index('threads_by_time').on(t.tenantId, t.mailboxId, t.lastAt),
  ],
)

/** What an agent keeps in mind. Keys and values are counted in code points. */
export const memories = sqliteTable(
  'memories',
  {
    tenantId: text().notNull(),
    agentId: text().notNull(),
    key: text().notNull(),
    value: text().notNull(),
    kind: text(),
    importance: integer().notNull().default(0),
    expiresAt: time(),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.agentId, t.key] }),
    index('memories_by_expiry').on(t.expiresAt).where(sql`expires_at IS NOT NULL`),
  ],
)

/**
 * Which text of a tenant stands in the full-text index (made by hand: `search_fts`, which keeps no text), at which row of
 * it, and its vectors, a character for each dimension. A trigger takes the row of a deleted entry with it.
 */
export const searchEntries = sqliteTable(
  'search_entries',
  {
    tenantId: text().notNull(),
    kind: text({ enum: ['message', 'memory'] }).notNull(),
    /** The message's id, or the key of the memory. */
    refId: text().notNull(),
    /** The mailbox or the agent whose it is. */
    scope: text().notNull(),
    row: integer().notNull(),
    /** The embedded one, which every entry has. */
    vector: text().notNull(),
    /** The configured model that has read it too, and what it made of it where that is not kept in Vectorize. */
    model: text(),
    modelVector: text(),
    createdAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.kind, t.scope, t.refId] }),
    uniqueIndex('search_entries_by_row').on(t.row),
    index('search_entries_by_time').on(t.tenantId, t.kind, t.scope, t.createdAt),
  ],
)
