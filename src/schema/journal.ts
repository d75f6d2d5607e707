import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { time } from './columns.ts'

/** The types of events that webhooks, the stream and the history show. */
export const EVENT_TYPES = [
  'message.received',
  'message.sent',
  'message.delivered',
  'message.bounced',
  'message.failed',
  'message.complained',
  'approval.pending',
  'approval.decided',
  'approval.expired',
  'lease.acquired',
  'lease.released',
  'lease.expired',
  'consensus.created',
  'consensus.decided',
  'consensus.expired',
  'suppression.created',
  'canary.tripped',
  'webhook.disabled',
  'domain.failed',
  'ping',
] as const
export type EventType = (typeof EVENT_TYPES)[number]

/** Every decision and action on a send, in order. The database refuses to change or delete a row. */
export const traces = sqliteTable(
  'traces',
  {
    tenantId: text().notNull(),
    sendId: text().notNull(),
    seq: integer().notNull(),
    kind: text({ enum: ['decision', 'render', 'approval', 'routing', 'delivery', 'cancel'] }).notNull(),
    at: time().notNull(),
    body: text({ mode: 'json' }).$type<Record<string, unknown>>().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.sendId, t.seq] })],
)

/**
 * The audit log, in the order of `seq`, which has no gaps within a tenant. An entry holds only ids. All other text is in
 * `audit_details`, bound to the entry by `commitment`. A job later links each entry to the one before by its hash. The
 * database refuses to change or delete an entry.
 */
export const auditEntries = sqliteTable(
  'audit_entries',
  {
    tenantId: text().notNull(),
    seq: integer().notNull(),
    id: text().notNull(),
    at: time().notNull(),
    actor: text().notNull(),
    action: text().notNull(),
    target: text(),
    commitment: text().notNull(),
    prevHash: text(),
    hash: text(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.seq] }),
    index('audit_entries_unlinked').on(t.tenantId).where(sql`hash IS NULL`),
  ],
)

/** The text of an audit entry, which may be personal. It is outside the hash chain, so that it can be erased. */
export const auditDetails = sqliteTable(
  'audit_details',
  {
    tenantId: text().notNull(),
    entryId: text().notNull(),
    salt: text().notNull(),
    /** JSON, as the exact text that the commitment covers. */
    detail: text().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.entryId] })],
)

/** The last linked entry of each tenant, with our signature. The signature is null if no key is configured. */
export const auditHeads = sqliteTable('audit_heads', {
  tenantId: text().primaryKey(),
  seq: integer().notNull(),
  hash: text().notNull(),
  at: time().notNull(),
  keyId: text(),
  signature: text(),
})

/** What an event is about: the ids from which its payload is made, and facts that are stored nowhere else. */
export type EventRefs = {
  messageId?: string | null
  sendId?: string | null
  approvalId?: string | null
  webhookId?: string | null
  leaseId?: string | null
  consensusId?: string | null
  suppressionId?: string | null
  canaryId?: string | null
  domainId?: string | null
  contact?: string | null
  recipient?: string | null
  reason?: string | null
  code?: string | null
}

/**
 * Events: the outbox for webhooks and the stream, and their history. An event is written in the batch of its change. `seq`
 * is microseconds since 1970 and strictly increases within a tenant. The payload is made when the event is published.
 */
export const events = sqliteTable(
  'events',
  {
    tenantId: text().notNull(),
    seq: integer().notNull(),
    id: text().notNull(),
    type: text({ enum: EVENT_TYPES }).notNull(),
    mailboxId: text(),
    agentId: text(),
    refs: text({ mode: 'json' }).$type<EventRefs>().notNull(),
    payload: text({ mode: 'json' }).$type<Record<string, unknown>>(),
    /** When the sweep rings for the event, if it is still not published. Null once it is. */
    nextAt: time(),
    createdAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.seq] }),
    uniqueIndex('events_by_id').on(t.tenantId, t.id),
    index('events_due').on(t.nextAt).where(sql`next_at IS NOT NULL`),
    index('events_waiting').on(t.tenantId, t.seq).where(sql`next_at IS NOT NULL`),
    index('events_by_age').on(t.createdAt),
  ],
)
