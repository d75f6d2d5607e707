import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { flag, time } from './columns.ts'

/**
 * What a tenant pays for, as the payment provider last reported. The tenant's plan follows `plan`. `version` counts the
 * changes, so that an older report never overwrites a newer one.
 */
export const subscriptions = sqliteTable(
  'subscriptions',
  {
    tenantId: text().primaryKey(),
    provider: text({ enum: ['stripe', 'local'] }).notNull(),
    customerId: text().notNull(),
    /** Null without a subscription. */
    subscriptionId: text(),
    plan: text({ enum: ['free', 'starter', 'growth', 'team', 'enterprise'] }).notNull(),
    /** Stripe's word for the state. */
    status: text().notNull(),
    currentPeriodEnd: time(),
    cancelAtPeriodEnd: flag().notNull().default(false),
    version: integer().notNull().default(0),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [uniqueIndex('subscriptions_by_customer').on(t.customerId)],
)

/** Hosted payment pages for a plan. */
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

/** Stripe events that have been handled, so that each counts once. */
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
 * Bonds: money held on an owner's card as a security. `closing` is an end that was ordered and that the payment provider
 * has not confirmed yet. `nextAt` is when the sweep looks at the row again, null if nothing more is to do.
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
    /** The hosted page on which the owner enters a card, if one was opened. */
    checkoutId: text(),
    paymentMethodId: text(),
    /** The current hold on the card, and how many holds there have been. */
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
