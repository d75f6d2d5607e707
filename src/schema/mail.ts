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

/** A result of RFC 8601, section 2.7. Missing or unknown results are `none`. */
export type Verdict = (typeof VERDICTS)[number]

/** The authentication results that our own receiving server gave an inbound message. */
export type Authentication = {
  spf: Verdict
  dkim: Verdict
  dmarc: Verdict
  isFromAuthenticated: boolean
}

/** How likely a message is a prompt injection: 0 to 1, with the reasons. */
export type Risk = { score: number; reasons: { code: string; detail: string }[] }

/**
 * Messages in a tenant's mailboxes, sent or received. A message between tenants has one row in each, with the same id.
 * Only the sender's row names the Bcc recipients.
 */
export const messages = sqliteTable(
  'messages',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    threadId: text().notNull(),
    /** The send of this message. Only in the sender's row. */
    sendId: text(),
    /** Message-ID, without brackets. */
    rfcId: text().notNull(),
    deliveryType: text({ enum: ['internal', 'external'] }).notNull(),
    fromAddress: text().notNull(),
    fromName: text(),
    /** Null if the sender is not one of our mailboxes. */
    fromMailboxId: text(),
    to: text('to_addresses', { mode: 'json' }).$type<string[]>().notNull(),
    cc: text('cc_addresses', { mode: 'json' }).$type<string[]>().notNull(),
    bcc: text('bcc_addresses', { mode: 'json' }).$type<string[]>(),
    replyTo: text(),
    subject: text().notNull(),
    text: text(),
    /** Sanitised. */
    html: text(),
    /** The new part of an inbound text, without quotes and signature. */
    replyText: text(),
    /** The R2 key of text and html, as JSON, if they are too large for the row. */
    bodyKey: text(),
    /** The R2 key of the mail as it arrived. */
    rawKey: text(),
    files: text({ mode: 'json' }).$type<StoredFile[]>().notNull(),
    /** The id of the message that this one answers, if we have that. */
    inReplyTo: text(),
    /** Message-IDs of the thread so far, without brackets, oldest first. */
    references: text('reference_ids', { mode: 'json' }).$type<string[]>().notNull(),
    /** The intent that the embedded classifier found in an inbound message. */
    intent: text(),
    authentication: text({ mode: 'json' }).$type<Authentication>(),
    /** Reasons why no automatic reply or action may follow. Empty if there are none. */
    ambiguities: text({ mode: 'json' }).$type<string[]>().notNull(),
    risk: text({ mode: 'json' }).$type<Risk>(),
    isAutomatic: flag().notNull().default(false),
    createdAt: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.id] }), index('messages_by_rfc_id').on(t.tenantId, t.rfcId)],
)

/**
 * A message as one mailbox sees it, with that mailbox's own read, starred and deleted marks. `at` is microseconds since
 * 1970 and strictly increases within a folder of a mailbox, so it can order and page.
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
    /** The sender's address in canonical form. */
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

/** A conversation as one mailbox sees it. All participants share its id, across tenants. */
export const threads = sqliteTable(
  'threads',
  {
    tenantId: text().notNull(),
    mailboxId: text().notNull(),
    id: text().notNull(),
    subject: text().notNull(),
    /** The time of the newest message, in microseconds since 1970. */
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

/** An agent's memory: keys and values. Their length is counted in code points. */
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
 * Texts of a tenant in the search index: their row in the full-text table `search_fts`, which keeps no text, and their
 * vectors, one character for each dimension. A trigger deletes the row in `search_fts` with its entry.
 */
export const searchEntries = sqliteTable(
  'search_entries',
  {
    tenantId: text().notNull(),
    kind: text({ enum: ['message', 'memory'] }).notNull(),
    /** The message's id, or the memory's key. */
    refId: text().notNull(),
    /** The mailbox of the message, or the agent of the memory. */
    scope: text().notNull(),
    row: integer().notNull(),
    /** From the embedded model. Every entry has it. */
    vector: text().notNull(),
    /** The configured model that also made a vector, and that vector unless it is in Vectorize. */
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
