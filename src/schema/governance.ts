import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { time } from './columns.ts'

/**
 * Tenants being erased or already erased. Only their traces may be deleted, and the database accepts no new rows of them.
 * These rows remain after the erasure, so they hold nothing personal.
 */
export const erasures = sqliteTable(
  'erasures',
  {
    tenantId: text().primaryKey(),
    startedAt: time().notNull(),
    /** The id of the request, and the hash of the token that reads its status: the tenant's keys no longer work. */
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

/** Exports of all data of a tenant. Each is one archive in R2, kept for seven days. */
export const archives = sqliteTable(
  'archives',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    state: text({ enum: ['queued', 'running', 'ready', 'failed', 'expired'] }).notNull(),
    /** The files in the archive so far, and its size in bytes. */
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

export const SANCTION_KINDS = [
  'mailbox_suspended',
  'mailbox_frozen',
  'agent_stopped',
  'tenant_frozen',
  'owner_frozen',
] as const

/**
 * What was done to a sender, once for each holder: the tenant, and the address of the person who claimed it, so that it
 * follows that person into other tenants. Triggers on mailboxes and agents write it, so deleting those removes nothing.
 * `core/policy/standing.ts` says what follows from it.
 */
export const sanctions = sqliteTable(
  'sanctions',
  {
    /** Where it happened. Empty if the operator froze an owner. */
    tenantId: text().notNull(),
    id: text().notNull(),
    holder: text().notNull(),
    kind: text({ enum: SANCTION_KINDS }).notNull(),
    /** The id of the mailbox, agent or tenant, or the owner's address. */
    subject: text().notNull(),
    /** What people call it. */
    name: text().notNull(),
    reason: text(),
    /** 1 puts the holder in review; 2 in all suspend it. */
    weight: integer().notNull(),
    at: time().notNull(),
    clearedAt: time(),
    clearedBy: text(),
  },
  (t) => [primaryKey({ columns: [t.holder, t.id] }), index('sanctions_by_id').on(t.id)],
)
