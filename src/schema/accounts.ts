import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { flag, time } from './columns.ts'

/** From least to most strict: report findings, strike them out, refuse the message. */
export const DLP_MODES = ['monitor', 'redact', 'block'] as const
export type DlpMode = (typeof DLP_MODES)[number]

/** A tenant: an owner's account. Every row of the other tables belongs to exactly one. */
export const tenants = sqliteTable('tenants', {
  id: text().primaryKey(),
  name: text().notNull(),
  plan: text({ enum: ['free', 'starter', 'growth', 'team', 'enterprise'] })
    .notNull()
    .default('free'),
  status: text({ enum: ['active', 'paused', 'frozen'] })
    .notNull()
    .default('active'),
  level: text({ enum: ['sandbox', 'supervised', 'trusted', 'autonomous'] })
    .notNull()
    .default('sandbox'),
  defaultMailboxId: text(),
  dedupeWindowMs: integer().notNull().default(2_592_000_000),
  cooldownMs: integer().notNull().default(600_000),
  requireConsentForMarketing: flag().notNull().default(false),
  physicalAddress: text(),
  /** What happens to an outgoing message in which DLP finds something. */
  dlpMode: text({ enum: DLP_MODES }).notNull().default('monitor'),
  dlpDisabled: text({ mode: 'json' }).$type<string[]>().notNull().default([]),
  createdAt: time().notNull(),
})

/** Canaries: texts that must never leave. The row holds only a hash: see core/reading/dlp. */
export const canaries = sqliteTable(
  'canaries',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    label: text(),
    probe: integer().notNull(),
    length: integer().notNull(),
    hash: text().notNull(),
    trips: integer().notNull().default(0),
    trippedAt: time(),
    createdAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('canaries_by_hash').on(t.tenantId, t.hash),
  ],
)

/** What a person may do in a tenant: an owner everything, an approver decide held sends, a viewer only read. */
export type OwnerRole = 'owner' | 'approver' | 'viewer'

/** The people of a tenant: the person who claimed its agent, and the people they invited. */
export const owners = sqliteTable(
  'owners',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    email: text().notNull(),
    contact: text().notNull(),
    name: text(),
    /** As the person typed it, unverified. */
    xHandle: text(),
    claimedAt: time(),
    verifiedAt: time(),
    role: text({ enum: ['owner', 'approver', 'viewer'] })
      .notNull()
      .default('owner'),
    invitedAt: time(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('owners_by_contact').on(t.contact, t.tenantId),
  ],
)

/** Other addresses with which a person can sign in to one tenant, once they are confirmed by a mailed link. */
export const secondAddresses = sqliteTable(
  'second_addresses',
  {
    tenantId: text().notNull(),
    ownerId: text().notNull(),
    email: text().notNull(),
    contact: text().notNull(),
    /** Of the link that confirms it; null once confirmed. */
    tokenHash: text(),
    expiresAt: time().notNull(),
    verifiedAt: time(),
    createdAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.ownerId, t.contact] }),
    index('second_addresses_by_contact').on(t.contact),
    uniqueIndex('second_addresses_by_token').on(t.tokenHash),
  ],
)

/** Sign-in links, mailed to a person, for single use. Only their hash is kept. */
export const signIns = sqliteTable(
  'sign_ins',
  {
    tokenHash: text().primaryKey(),
    contact: text().notNull(),
    expiresAt: time().notNull(),
    usedAt: time(),
  },
  (t) => [index('sign_ins_by_age').on(t.expiresAt)],
)

/** Browsers in which a person is signed in, and the tenant that each shows. */
export const sessions = sqliteTable(
  'sessions',
  {
    tokenHash: text().primaryKey(),
    id: text().notNull(),
    contact: text().notNull(),
    /** Null until a person with several tenants chooses one. */
    tenantId: text(),
    /** The browser's name, for the list of sessions. */
    browser: text(),
    createdAt: time().notNull(),
    seenAt: time().notNull(),
    expiresAt: time().notNull(),
  },
  (t) => [index('sessions_by_contact').on(t.contact), index('sessions_by_age').on(t.expiresAt)],
)

/** Single-use claim tokens: with one, a person becomes the owner of an agent. Only their hash is kept. */
export const claims = sqliteTable('claims', {
  tokenHash: text().primaryKey(),
  tenantId: text().notNull(),
  expiresAt: time().notNull(),
  usedAt: time(),
})

/** Links mailed to an owner to verify the address. Only their hash is kept. */
export const verifications = sqliteTable('verifications', {
  tokenHash: text().primaryKey(),
  tenantId: text().notNull(),
  ownerId: text().notNull(),
  expiresAt: time().notNull(),
  usedAt: time(),
})

export const HUMANIZER_STYLES = ['casual', 'professional', 'friendly'] as const

export type HumanizerStyle = (typeof HUMANIZER_STYLES)[number]

export type AgentConfig = {
  humanizer_enabled?: boolean | undefined
  humanizer_style?: HumanizerStyle | undefined
  humanizer_provider?: string | undefined
}

export const agents = sqliteTable(
  'agents',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    name: text().notNull(),
    role: text().notNull().default('general'),
    description: text(),
    status: text({ enum: ['pending_claim', 'active', 'paused', 'suspended', 'banned'] }).notNull(),
    lastHeartbeatAt: time().notNull(),
    registeredAt: time().notNull(),
    /** The agent whose key registered this one. That agent may speak for it, and it has no vote. */
    registeredBy: text(),
    config: text({ mode: 'json' }).$type<AgentConfig>(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('agents_by_name').on(t.tenantId, sql`lower("name")`),
    index('agents_by_id').on(t.id),
  ],
)

/** Periods in which an agent sent heartbeats without a gap of 5 minutes. Triggers on `agents` write them and keep 14 days. */
export const agentSpells = sqliteTable(
  'agent_spells',
  {
    tenantId: text().notNull(),
    agentId: text().notNull(),
    beganAt: time().notNull(),
    lastAt: time().notNull(),
    beats: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.agentId, t.beganAt] })],
)

/** A mailbox's automatic reply. Times are ISO 8601; null means no bound. */
export type AutoReply = {
  enabled: boolean
  subject: string | null
  text: string | null
  html: string | null
  startAt: string | null
  endAt: string | null
}

export type CarrierWeight = { carrier: string; weight: number }

export const mailboxes = sqliteTable(
  'mailboxes',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    agentId: text(),
    address: text().notNull(),
    contact: text().notNull(),
    displayName: text(),
    status: text({ enum: ['active', 'paused'] })
      .notNull()
      .default('active'),
    autonomy: text({ enum: ['review', 'first_contact', 'auto'] })
      .notNull()
      .default('auto'),
    cooldownMs: integer(),
    hourlyLimit: integer(),
    dailyLimit: integer(),
    monthlyLimit: integer(),
    requireConsent: flag().notNull().default(false),
    fatigueLimit: integer(),
    fatigueDays: integer().notNull().default(7),
    riskBudget: integer(),
    /**
     * The mailbox whose windows, cooldowns and risk budget it shares; null if it has its own. Set for mailboxes that were opened
     * without a person: another mailbox is no second budget.
     */
    sharesWith: text(),
    carriers: text({ mode: 'json' }).$type<CarrierWeight[]>(),
    onUnknown: text({ enum: ['hold', 'resend'] })
      .notNull()
      .default('hold'),
    /** In thousandths: 0 to 1,000. */
    reputation: integer().notNull().default(800),
    /** Set while the operator keeps this mailbox from sending. */
    frozenAt: time(),
    frozenReason: text(),
    frozenBy: text(),
    sentCount: integer().notNull().default(0),
    receivedCount: integer().notNull().default(0),
    bouncedCount: integer().notNull().default(0),
    complaintCount: integer().notNull().default(0),
    humanizerEnabled: flag().notNull().default(false),
    humanizerStyle: text({ enum: HUMANIZER_STYLES }).notNull().default('professional'),
    autoReply: text({ mode: 'json' }).$type<AutoReply>(),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('mailboxes_by_contact').on(t.contact),
    index('mailboxes_by_shared').on(t.tenantId, t.sharesWith).where(sql`shares_with IS NOT NULL`),
    index('mailboxes_by_agent').on(t.tenantId, t.agentId),
  ],
)

/**
 * Domains that tenants want to send from. Several tenants may add the same domain; at most one of them can verify it. The
 * private DKIM key is encrypted with TOKEN_SECRET. `token` makes the DNS records of each tenant different.
 */
export const domains = sqliteTable(
  'domains',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    domain: text().notNull(),
    mode: text({ enum: ['managed', 'byoc'] }).notNull(),
    status: text({ enum: ['pending', 'verified', 'failed'] })
      .notNull()
      .default('pending'),
    token: text().notNull(),
    selector: text().notNull(),
    publicKey: text().notNull(),
    sealedKey: text().notNull(),
    /** The agent that the domain was last attached to. */
    agentId: text(),
    /** The agent whose key added the domain. Null if a person or a key of the whole tenant did. */
    addedBy: text(),
    /** Consecutive checks that found DNS records missing. */
    misses: integer().notNull().default(0),
    verifiedAt: time(),
    checkedAt: time(),
    /** When the sweep checks the domain again. Null until the domain is verified. */
    nextAt: time(),
    createdAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('domains_by_name').on(t.tenantId, t.domain),
    uniqueIndex('domains_verified').on(t.domain).where(sql`status = 'verified'`),
    index('domains_due').on(t.nextAt).where(sql`next_at IS NOT NULL`),
  ],
)

/** Additional addresses of mailboxes in attached domains. A mailbox sends from its newest alias. */
export const aliases = sqliteTable(
  'aliases',
  {
    tenantId: text().notNull(),
    mailboxId: text().notNull(),
    domainId: text().notNull(),
    address: text().notNull(),
    contact: text().notNull(),
    createdAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.mailboxId, t.domainId] }),
    uniqueIndex('aliases_by_contact').on(t.contact),
    index('aliases_by_domain').on(t.tenantId, t.domainId),
  ],
)

/**
 * Every address that was ever given out, as a hash, also after its mailbox was deleted or its tenant was erased. Only the
 * tenant that had it may open it again.
 */
export const givenAddresses = sqliteTable('given_addresses', {
  hash: text().primaryKey(),
  tenantId: text().notNull(),
  at: time().notNull(),
})

/**
 * What a key may do. `manage` includes `read` and `send`. Only a person can give `loosen` to a key, and only to a key of the
 * whole tenant: such a key may change settings so that agents may do more.
 */
export const PERMISSIONS = ['read', 'send', 'manage', 'approve', 'loosen'] as const
export type Permission = (typeof PERMISSIONS)[number]

export type MailboxScope = { mailboxId: string; permissions: Permission[] }

/**
 * API keys. If `scopes` is null, the key has `permissions` for every mailbox. What a key made never has more rights than the key
 * itself, nor outlives it: changes of a key narrow or revoke the keys that descend from it.
 */
export const keys = sqliteTable(
  'keys',
  {
    id: text().primaryKey(),
    tenantId: text().notNull(),
    hash: text().notNull(),
    prefix: text().notNull(),
    label: text(),
    agentId: text(),
    permissions: text({ mode: 'json' }).$type<Permission[]>().notNull(),
    scopes: text({ mode: 'json' }).$type<MailboxScope[]>(),
    /** The `actorName` of its maker. */
    createdBy: text().notNull(),
    /** The key that made it. Null if a person or the service did. */
    makerKeyId: text(),
    /** A trigger raises it with every change of what the key may do, of its secret and of its end. */
    version: integer().notNull().default(1),
    createdAt: time().notNull(),
    expiresAt: time(),
    revokedAt: time(),
  },
  (t) => [
    uniqueIndex('keys_by_hash').on(t.hash),
    index('keys_by_tenant').on(t.tenantId, t.id),
    index('keys_by_maker').on(t.makerKeyId).where(sql`maker_key_id IS NOT NULL`),
  ],
)

/**
 * SMTP passwords. Each is for one mailbox, and valid while that mailbox belongs to the same agent and the key that made it may
 * send from it.
 */
export const smtpCredentials = sqliteTable(
  'smtp_credentials',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    mailboxId: text().notNull(),
    agentId: text(),
    name: text(),
    hash: text().notNull(),
    createdBy: text().notNull(),
    /** The key that made it. Null if a person did. */
    makerKeyId: text(),
    createdAt: time().notNull(),
    lastUsedAt: time(),
    revokedAt: time(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('smtp_credentials_by_hash').on(t.hash),
    index('smtp_credentials_by_mailbox').on(t.tenantId, t.mailboxId, t.id),
  ],
)
