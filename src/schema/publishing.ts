import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { flag, time } from './columns.ts'
import { EVENT_TYPES, type EventType } from './journal.ts'

/** Webhooks of a tenant or of one of its agents. No event types means all types. */
export const webhooks = sqliteTable(
  'webhooks',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    /** Null if the webhook gets the events of the whole tenant. */
    agentId: text(),
    url: text().notNull(),
    eventTypes: text({ mode: 'json' }).$type<EventType[]>().notNull(),
    description: text(),
    isActive: flag().notNull().default(true),
    disabledReason: text(),
    secret: text().notNull(),
    /** Earlier secrets, which also sign until the given time in ms since 1970. Newest first. */
    replacedSecrets: text({ mode: 'json' })
      .$type<{ secret: string; until: number }[]>()
      .notNull()
      .default([]),
    /** The first failure since the last success. */
    failingSince: time(),
    /** When the sweep releases waiting deliveries. A trigger sets it when the first one waits. */
    releaseAt: time(),
    /** The `actorName` of its maker. */
    createdBy: text().notNull(),
    /** The key that made it, and with whose end it ends. Null if a person made it. */
    makerKeyId: text(),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    index('webhooks_held_up').on(t.releaseAt).where(sql`release_at IS NOT NULL`),
  ],
)

/** The delivery of one event to one webhook. */
export const webhookDeliveries = sqliteTable(
  'webhook_deliveries',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    webhookId: text().notNull(),
    eventId: text().notNull(),
    eventType: text({ enum: EVENT_TYPES }).notNull(),
    state: text({ enum: ['pending', 'delivered', 'dead'] }).notNull(),
    attempts: integer().notNull().default(0),
    statusCode: integer(),
    error: text(),
    /** When the next attempt is due. Null if the delivery has ended or waits. */
    nextAt: time(),
    /** Whether the delivery waits until other attempts of its webhook have ended. */
    isWaiting: flag().notNull().default(false),
    lockToken: text(),
    lockUntil: time(),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('webhook_deliveries_by_event').on(t.tenantId, t.webhookId, t.eventId),
    index('webhook_deliveries_by_webhook').on(t.tenantId, t.webhookId, t.id),
    index('webhook_deliveries_due').on(t.nextAt).where(sql`next_at IS NOT NULL`),
    index('webhook_deliveries_waiting').on(t.tenantId, t.webhookId, t.id).where(sql`is_waiting = 1`),
    index('webhook_deliveries_locked')
      .on(t.tenantId, t.webhookId, t.lockUntil)
      .where(sql`lock_until IS NOT NULL`),
  ],
)

/** The request and response of each attempt, the first KB of each. */
export const webhookAttempts = sqliteTable(
  'webhook_attempts',
  {
    tenantId: text().notNull(),
    deliveryId: text().notNull(),
    attempt: integer().notNull(),
    at: time().notNull(),
    durationMs: integer().notNull(),
    statusCode: integer(),
    error: text(),
    request: text().notNull(),
    response: text(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.deliveryId, t.attempt] })],
)
