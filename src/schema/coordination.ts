import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { time } from './columns.ts'

/** The newest lease on each contact, copied from its Durable Object. */
export const leases = sqliteTable(
  'leases',
  {
    tenantId: text().notNull(),
    contact: text().notNull(),
    id: text().notNull(),
    agentId: text().notNull(),
    contactEmail: text().notNull(),
    intent: text().notNull(),
    epoch: integer().notNull(),
    createdAt: time().notNull(),
    expiresAt: time().notNull(),
    endedAt: time(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.contact] }),
    index('leases_by_id').on(t.tenantId, t.id),
    index('leases_by_holder').on(t.tenantId, t.agentId).where(sql`ended_at IS NULL`),
  ],
)

/** The history of all leases on a contact, in order. */
export const leaseEvents = sqliteTable(
  'lease_events',
  {
    tenantId: text().notNull(),
    contact: text().notNull(),
    id: text().notNull(),
    kind: text({ enum: ['granted', 'renewed', 'released', 'expired', 'refused'] }).notNull(),
    at: time().notNull(),
    /** The lease that was granted, renewed or ended. For `refused`: the lease that was the reason. */
    leaseId: text().notNull(),
    epoch: integer().notNull(),
    /** The agent that acted: the holder, or the agent that was refused. */
    agentId: text().notNull(),
    holderId: text().notNull(),
    expiresAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.contact, t.id] }),
    index('lease_events_by_lease').on(t.tenantId, t.leaseId),
  ],
)

/** Decisions that agents make together, copied from their Durable Objects. */
export const consensusRequests = sqliteTable(
  'consensus_requests',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    requestingAgentId: text().notNull(),
    action: text().notNull(),
    contact: text().notNull(),
    contactEmail: text().notNull(),
    reason: text().notNull(),
    status: text({ enum: ['pending', 'approved', 'rejected', 'expired'] }).notNull(),
    timeoutAt: time().notNull(),
    createdAt: time().notNull(),
    decidedAt: time(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    index('consensus_requests_by_time').on(t.tenantId, t.createdAt),
  ],
)

export const consensusVotes = sqliteTable(
  'consensus_votes',
  {
    tenantId: text().notNull(),
    requestId: text().notNull(),
    agentId: text().notNull(),
    id: text().notNull(),
    vote: text({ enum: ['approve', 'reject'] }).notNull(),
    reason: text(),
    createdAt: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.requestId, t.agentId] })],
)
