import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { flag, time } from './columns.ts'

/**
 * What a tenant pays for, as the one who collects the money last said. The tenant's plan follows `plan`; `version` counts
 * the changes, so that what was learnt before another change is not written after it.
 */
export const subscriptions = sqliteTable(
  'subscriptions',
  {
    tenantId: text().primaryKey(),
    provider: text({ enum: ['stripe', 'local'] }).notNull(),
    customerId: text().notNull(),
    /** Null where nothing is paid for. */
    subscriptionId: text(),
    plan: text({ enum: ['free', 'starter', 'growth', 'team', 'enterprise'] }).notNull(),
    /** In Stripe's words. */
    status: text().notNull(),
    currentPeriodEnd: time(),
    cancelAtPeriodEnd: flag().notNull().default(false),
    version: integer().notNull().default(0),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [uniqueIndex('subscriptions_by_customer').on(t.customerId)],
)

/** Hosted pages on which a plan is to be paid for. */
export const checkouts = sqliteTable(
  'checkouts',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    plan: text({ enum: ['free', 'starter', 'growth', 'team', 'enterprise'] }).notNull(),
    completedAt: time(),
    createdAt: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.id] }), uniqueIndex('checkouts_by_id').on(t.id)],
)

/** Which reports of Stripe have been acted on, so that each counts once. */
export const billingEvents = sqliteTable(
  'billing_events',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    type: text().notNull(),
    receivedAt: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.id] })],
)

/**
 * Money that vouches for an owner. `closing` is what an operator has ordered and the far side has not confirmed yet;
 * `nextAt` is when the sweep must look at the row again, null once nothing more is to be done.
 */
export const bonds = sqliteTable(
  'bonds',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    provider: text({ enum: ['stripe', 'local'] }).notNull(),
    tier: text({ enum: ['starter', 'growth', 'enterprise'] }).notNull(),
    amountUsdCents: integer().notNull(),
    status: text({ enum: ['pending', 'posted', 'captured', 'released', 'failed'] }).notNull(),
    customerId: text().notNull(),
    setupId: text(),
    /** The hosted page on which the card is entered, where one was opened. */
    checkoutId: text(),
    paymentMethodId: text(),
    /** The hold that stands now, and how many were asked for before it. */
    holdId: text(),
    holds: integer().notNull().default(0),
    closing: text({ enum: ['captured', 'released'] }),
    reason: text(),
    nextReauthAt: time(),
    nextAt: time(),
    lockToken: text(),
    lockUntil: time(),
    postedAt: time(),
    endedAt: time(),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('bonds_live').on(t.tenantId).where(sql`status IN ('pending', 'posted')`),
    index('bonds_by_id').on(t.id),
    index('bonds_due').on(t.nextAt).where(sql`next_at IS NOT NULL`),
  ],
)
