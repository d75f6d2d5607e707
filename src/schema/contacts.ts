import { primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { time } from './columns.ts'

/** Addresses that must not be written to. Only bounces and complaints make `global` rows. */
export const suppressions = sqliteTable(
  'suppressions',
  {
    tenantId: text().notNull(),
    contact: text().notNull(),
    scope: text({ enum: ['global', 'tenant', 'campaign'] }).notNull(),
    /** Empty unless the scope is `campaign`. */
    campaignId: text().notNull().default(''),
    id: text().notNull(),
    email: text().notNull(),
    reasonCode: text().notNull(),
    source: text(),
    expiresAt: time(),
    createdAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.contact, t.scope, t.campaignId] }),
    uniqueIndex('suppressions_by_id').on(t.tenantId, t.id),
  ],
)

/** The current consent of a contact. A later record replaces the earlier one. */
export const consents = sqliteTable(
  'consents',
  {
    tenantId: text().notNull(),
    contact: text().notNull(),
    id: text().notNull(),
    email: text().notNull(),
    basis: text({
      enum: ['explicit_opt_in', 'legitimate_interest', 'contractual', 'legal_obligation'],
    }).notNull(),
    source: text(),
    jurisdiction: text(),
    grantedAt: time().notNull(),
    revokedAt: time(),
    updatedAt: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.contact] })],
)
