import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { flag, time } from './columns.ts'

/** From the least strict to the most: look on, strike out, refuse. */
export const DLP_MODES = ['monitor', 'redact', 'block'] as const
export type DlpMode = (typeof DLP_MODES)[number]

/** An owner's account: everything below belongs to exactly one. */
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
  /** What becomes of outgoing content that a rule of DLP finds something in. */
  dlpMode: text({ enum: DLP_MODES }).notNull().default('monitor'),
  dlpDisabled: text({ mode: 'json' }).$type<string[]>().notNull().default([]),
  createdAt: time().notNull(),
})

/** Texts planted where nobody has business, which must never leave. Nothing here tells what they are: see core/dlp/canary. */
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

/** What a person may do in a tenant: everything, decide what is held, or look. */
export type OwnerRole = 'owner' | 'approver' | 'viewer'

/** The people behind a tenant: whoever claimed its agent, and whom they invited. */
export const owners = sqliteTable(
  'owners',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    email: text().notNull(),
    contact: text().notNull(),
    name: text(),
    /** As the person gave it: nobody has checked it. */
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

/** Links mailed to a person to sign in with, once; only their hash is kept. */
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

/** Browsers in which a person is signed in, and which of their tenants each shows. */
export const sessions = sqliteTable(
  'sessions',
  {
    tokenHash: text().primaryKey(),
    id: text().notNull(),
    contact: text().notNull(),
    /** Null until a person with several tenants has chosen one. */
    tenantId: text(),
    /** What the browser calls itself, for the list of sessions. */
    browser: text(),
    createdAt: time().notNull(),
    seenAt: time().notNull(),
    expiresAt: time().notNull(),
  },
  (t) => [index('sessions_by_contact').on(t.contact), index('sessions_by_age').on(t.expiresAt)],
)

/** Single-use tokens that hand an agent to its owner; only their hash is kept. */
export const claims = sqliteTable('claims', {
  tokenHash: text().primaryKey(),
  tenantId: text().notNull(),
  expiresAt: time().notNull(),
  usedAt: time(),
})

/** Links mailed to an owner to prove the address; only their hash is kept. */
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
  humanizer_style?: string | undefined
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
    config: text({ mode: 'json' }).$type<AgentConfig>(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('agents_by_name').on(t.tenantId, t.name),
    index('agents_by_id').on(t.id),
  ],
)

/** For how long an agent was alive at a stretch, and how often it said so; kept for 14 days, by triggers on `agents`. */
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

/** What a mailbox answers by itself, and when; times are ISO 8601, null where there is no bound. */
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
    carriers: text({ mode: 'json' }).$type<CarrierWeight[]>(),
    onUnknown: text({ enum: ['hold', 'resend'] })
      .notNull()
      .default('hold'),
    /** In thousandths, 0 to 1,000. */
    reputation: integer().notNull().default(800),
    /** An operator has stopped this mailbox from sending. */
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
  (t) => [primaryKey({ columns: [t.tenantId, t.id] }), uniqueIndex('mailboxes_by_contact').on(t.contact)],
)

/**
 * Domains that tenants want to write from. Several may claim one; at most one has proved that it is theirs. The private
 * key is sealed under TOKEN_SECRET; `token` is what tells one claim's records from another's.
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
    /** The agent that it was last attached to. */
    agentId: text(),
    /** Checks in a row that have found records missing. */
    misses: integer().notNull().default(0),
    verifiedAt: time(),
    checkedAt: time(),
    /** When it is to be checked again by itself; null until it has been verified. */
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

/** Addresses that mailboxes have in attached domains beside their own; a mailbox writes from its newest. */
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

export type Permission = 'read' | 'send' | 'manage' | 'approve'

export type MailboxScope = { mailboxId: string; permissions: Permission[] }

/** API keys; `scopes` is null where the key reaches every mailbox with `permissions`. */
export const keys = sqliteTable(
  'keys',
  {
    id: text().primaryKey(),
    tenantId: text().notNull(),
    hash: text().notNull(),
    prefix: text().notNull(),
    label: text(),
    agentId: text(),
    /** The agent that a key of the whole tenant last registered: who it is where nobody is named. */
    defaultAgentId: text(),
    permissions: text({ mode: 'json' }).$type<Permission[]>().notNull(),
    scopes: text({ mode: 'json' }).$type<MailboxScope[]>(),
    createdAt: time().notNull(),
    expiresAt: time(),
    revokedAt: time(),
  },
  (t) => [uniqueIndex('keys_by_hash').on(t.hash), index('keys_by_tenant').on(t.tenantId, t.id)],
)

/** Passwords by which programs hand in mail over SMTP, each for one mailbox while it belongs to the same agent. */
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
