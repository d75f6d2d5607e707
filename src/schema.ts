import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { EVENT_TYPES, type EventType } from './core/journal/event-types.ts'
import { HUMANIZER_STYLES, type HumanizerStyle } from './core/letters/humanizer/style.ts'
import { SEND_STATES } from './core/policy/states.ts'
import { DLP_MODES } from './core/reading/dlp/mode.ts'
import type { Verdict } from './core/reading/mime/authentication.ts'

export type { EventType }

const time = () => integer({ mode: 'timestamp_ms' })
const flag = () => integer({ mode: 'boolean' })

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

export const templates = sqliteTable(
  'templates',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    slug: text().notNull(),
    name: text().notNull(),
    type: text({ enum: ['marketing', 'transactional'] }).notNull(),
    approvalRequired: flag().notNull().default(false),
    publishedVersion: integer(),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('templates_by_slug').on(t.tenantId, t.slug),
  ],
)

export type TemplateVariable = { name: string; type: string; required: boolean }

/** Versions of a template; their content never changes once written. */
export const templateVersions = sqliteTable(
  'template_versions',
  {
    tenantId: text().notNull(),
    templateId: text().notNull(),
    version: integer().notNull(),
    subject: text().notNull(),
    html: text(),
    text: text(),
    variables: text({ mode: 'json' }).$type<TemplateVariable[]>().notNull(),
    status: text({ enum: ['draft', 'pending_approval', 'published', 'rejected', 'archived'] }).notNull(),
    createdAt: time().notNull(),
    publishedAt: time(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.templateId, t.version] })],
)

/** Addresses that must not be mailed. `global` rows come from bounces and complaints only. */
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

/** The standing consent of a contact; a later record replaces the earlier one. */
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

export type RecipientKind = 'to' | 'cc' | 'bcc'
export type Recipient = { kind: RecipientKind; email: string; name: string | null; contact: string }

/** What a send was asked to be. Kept in the row, or under `inputKey` in R2 where it is large. */
export type SendInput = {
  payload: Record<string, unknown>
  /** Content given in the request instead of a stored template. */
  inline: { subject: string; html: string | null; text: string | null } | null
  sendReason: string | null
  replyTo: string | null
  campaignId: string | null
  headers: Record<string, string>
  /** Written whole by its sender, as mail is: it has a copy in Sent and may be delivered to our own at once. */
  isComposed?: true
  /** The message of ours that it answers, and what its thread's readers will group it by. */
  reply?: ReplyTo
  files?: StoredFile[]
  /** Absent where the send says nothing: its agent and its mailbox decide. */
  humanize?: boolean | null
  humanizeStyle?: HumanizerStyle | null
}

/** What a reply hangs on: ids of ours, and the Message-IDs for In-Reply-To and References, without brackets. */
export type ReplyTo = { messageId: string; threadId: string; rfcId: string; references: string[] }

/**
 * A file of a message, its content in R2 under `key`. `size` is in bytes. `blocked` says why a file that arrived is not
 * handed on.
 */
export type StoredFile = {
  id: string
  filename: string
  contentType: string
  size: number
  key: string
  /** Of the content, where a sender of ours gave it. */
  sha256?: string
  blocked?: string
  /** What the HTML of the message names it by, where that shows it. */
  contentId?: string
}

/** What the content rule looks at, counted when the message was written. */
export type ContentFacts = { urls: number; urlsAtMost: number | null; blockedFile: string | null }

/**
 * One message, whatever the number of recipients. `burned_key` is the dedupe key while it is taken; `dedupe_key` stays
 * for display. `next_at` is when the sweep must look at the row again, null once nothing more is to be done.
 */
export const sends = sqliteTable(
  'sends',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    batchId: text(),
    door: text().notNull(),
    mailboxId: text().notNull(),
    agentId: text(),
    /** The key that asked, or at the door `smtp` the credential. */
    keyId: text(),
    state: text({ enum: SEND_STATES }).notNull(),
    reason: text(),
    detail: text(),
    dedupeKey: text(),
    burnedKey: text(),
    burnedUntil: time(),
    bodyHash: text().notNull(),
    template: text(),
    recipients: text({ mode: 'json' }).$type<Recipient[]>().notNull(),
    input: text({ mode: 'json' }).$type<SendInput>(),
    inputKey: text(),
    content: text({ mode: 'json' }).$type<ContentFacts>(),
    approvalId: text(),
    settleToken: text(),
    scheduledAt: time(),
    nextAt: time(),
    claimToken: text(),
    claimUntil: time(),
    /** Claims since the last progress; eight make a dead letter. */
    claims: integer().notNull().default(0),
    renderedKey: text(),
    renderedSha256: text(),
    messageId: text(),
    /** The attached domain that the rendered message is from, or null where it is from ours. */
    domainId: text(),
    provider: text(),
    providerMessageId: text(),
    attempt: integer().notNull().default(0),
    /** Set while an attempt may have been delivered: the send is pinned to `provider` and `idempotency_key`. */
    ambiguousAt: time(),
    /** Whom that attempt was for: a replay names them all again, whatever has been heard of some since. */
    pinnedRecipients: text({ mode: 'json' }).$type<string[]>(),
    deliveredAt: time(),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    // A bounce address names its send and, for want of room, not its tenant.
    index('sends_by_return_path').on(t.id).where(sql`provider = 'smtp'`),
    // Events that bear none of our ids, and replies to mail whose Message-ID the carrier has changed.
    index('sends_by_provider_message').on(t.providerMessageId).where(sql`provider_message_id IS NOT NULL`),
    uniqueIndex('sends_by_burned_key').on(t.tenantId, t.burnedKey).where(sql`burned_key IS NOT NULL`),
    index('sends_due').on(t.nextAt).where(sql`next_at IS NOT NULL`),
    index('sends_unknown').on(t.updatedAt).where(sql`state = 'unknown'`),
    index('sends_by_batch').on(t.tenantId, t.batchId).where(sql`batch_id IS NOT NULL`),
  ],
)

/**
 * How often a send or an inbound message has come to a state, of all tenants together; it names nobody. Triggers count.
 * What is `queued` is not counted, for it comes to another state soon, and the caller waits for that row.
 */
export const counts = sqliteTable(
  'counts',
  {
    kind: text({ enum: ['send', 'inbound'] }).notNull(),
    state: text().notNull(),
    /** The code that says why; empty where none does. */
    reason: text().notNull(),
    count: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.kind, t.state, t.reason] })],
)

/** One row per recipient of an accepted send, keyed by contact so that a contact's history is one range. */
export const sendRecipients = sqliteTable(
  'send_recipients',
  {
    tenantId: text().notNull(),
    contact: text().notNull(),
    sendId: text().notNull(),
    mailboxId: text().notNull(),
    agentId: text(),
    email: text().notNull(),
    state: text({
      enum: ['pending', 'in_flight', 'accepted', 'delivered', 'bounced', 'complained', 'refused', 'void'],
    }).notNull(),
    /** Which signals have been counted, as bits: see core/delivery/signals. */
    signals: integer().notNull().default(0),
    /** The carrier that was last given the message for this recipient. */
    carrier: text(),
    detail: text(),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.contact, t.sendId] }),
    index('send_recipients_signals')
      .on(t.tenantId, t.mailboxId, t.updatedAt)
      .where(sql`state IN ('bounced', 'complained')`),
    index('send_recipients_in_flight').on(t.tenantId, t.contact).where(sql`state = 'in_flight'`),
  ],
)

/** What was decided and what was done about a send, in order. The database refuses to change or delete a row. */
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
 * Tenants whose data is being erased, or is: the only ones whose traces may be deleted, and whom the database lets nobody
 * write for any more. What is left of a tenant in the end, so it holds nothing personal.
 */
export const erasures = sqliteTable(
  'erasures',
  {
    tenantId: text().primaryKey(),
    startedAt: time().notNull(),
    /** The number of the request, and the hash of what opens its status now that all keys are dead. */
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

/** All that a tenant has, in one archive in R2 that is kept for seven days. */
export const archives = sqliteTable(
  'archives',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    state: text({ enum: ['queued', 'running', 'ready', 'failed', 'expired'] }).notNull(),
    /** Files that are in the archive so far, and its size in bytes. */
    files: integer().notNull().default(0),
    size: integer().notNull().default(0),
    error: text(),
    claims: integer().notNull().default(0),
    claimToken: text(),
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

/**
 * Governed changes, in the order of `seq`, which has no gaps within a tenant. An entry names nobody: what it says beside
 * its ids stands in `audit_details`, and is bound to it by `commitment`. Linked later, each is chained to the one before by
 * its hash. The database refuses to change or delete an entry.
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

/** What an audit entry tells beside its ids, which may be personal: outside the chain, so that it can be erased. */
export const auditDetails = sqliteTable(
  'audit_details',
  {
    tenantId: text().notNull(),
    entryId: text().notNull(),
    salt: text().notNull(),
    /** JSON, kept as the text that was committed to. */
    detail: text().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.entryId] })],
)

/** The last entry of each tenant that is linked, and our signature of it; null where no key is configured. */
export const auditHeads = sqliteTable('audit_heads', {
  tenantId: text().primaryKey(),
  seq: integer().notNull(),
  hash: text().notNull(),
  at: time().notNull(),
  keyId: text(),
  signature: text(),
})

/** A decision a person owes: bound to the bytes that will leave, single use, void after 24 h. */
export const approvals = sqliteTable(
  'approvals',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    sendId: text().notNull(),
    mailboxId: text().notNull(),
    status: text({ enum: ['pending', 'approved', 'rejected', 'expired', 'superseded'] }).notNull(),
    holdReason: text().notNull(),
    policyVersion: integer().notNull(),
    sha256: text(),
    expiresAt: time().notNull(),
    createdAt: time().notNull(),
    decidedAt: time(),
    decidedBy: text(),
    decisionReason: text(),
    /** When those who may decide must be told by mail; null once they are. */
    noticeAt: time(),
    noticedAt: time(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    index('approvals_by_send').on(t.tenantId, t.sendId),
    index('approvals_pending').on(t.tenantId).where(sql`status = 'pending'`),
    index('approvals_to_notice').on(t.noticeAt).where(sql`notice_at IS NOT NULL`),
    index('approvals_noticed').on(t.tenantId, t.noticedAt).where(sql`noticed_at IS NOT NULL`),
  ],
)

/** What one person was mailed to decide one approval with, once: a link, or an address to answer to. Only hashes are kept. */
export const approvalTokens = sqliteTable(
  'approval_tokens',
  {
    tokenHash: text().primaryKey(),
    tenantId: text().notNull(),
    approvalId: text().notNull(),
    ownerId: text().notNull(),
    door: text({ enum: ['link', 'answer'] }).notNull(),
    /** Of the message that the notice was about. */
    sha256: text().notNull(),
    expiresAt: time().notNull(),
    usedAt: time(),
  },
  (t) => [index('approval_tokens_by_age').on(t.expiresAt)],
)

/** The lease on a contact, mirrored from its object; one row per contact. */
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

/** Everything that ever happened to the leases of a contact, in order. */
export const leaseEvents = sqliteTable(
  'lease_events',
  {
    tenantId: text().notNull(),
    contact: text().notNull(),
    id: text().notNull(),
    kind: text({ enum: ['granted', 'renewed', 'released', 'expired', 'refused'] }).notNull(),
    at: time().notNull(),
    /** Of the lease that was granted, renewed or ended; of the standing one where somebody was refused. */
    leaseId: text().notNull(),
    epoch: integer().notNull(),
    /** Who acted: the holder, or whoever was refused. */
    agentId: text().notNull(),
    holderId: text().notNull(),
    expiresAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.contact, t.id] }),
    index('lease_events_by_lease').on(t.tenantId, t.leaseId),
  ],
)

/** Shared decisions, mirrored from their objects. */
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

/** Work that stopped making progress, kept until a person replays it. */
export const deadLetters = sqliteTable(
  'dead_letters',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    queue: text().notNull(),
    refId: text().notNull(),
    reason: text().notNull(),
    body: text({ mode: 'json' }).$type<unknown>(),
    createdAt: time().notNull(),
    replayedAt: time(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    index('dead_letters_open').on(t.createdAt).where(sql`replayed_at IS NULL`),
  ],
)

/** What our own receiving hop says of an inbound message. */
export type Authentication = {
  spf: Verdict
  dkim: Verdict
  dmarc: Verdict
  isFromAuthenticated: boolean
}

/** How much a message looks as if it gave orders to its reader: 0 to 1, and why. */
export type Risk = { score: number; reasons: { code: string; detail: string }[] }

/**
 * Mail as a tenant's mailboxes hold it, sent or received. What passes between tenants has one row in each under the same
 * id. Blind copies are named in the sender's row only.
 */
export const messages = sqliteTable(
  'messages',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    threadId: text().notNull(),
    /** The send that carries it, in the sender's row. */
    sendId: text(),
    /** Message-ID, without brackets. */
    rfcId: text().notNull(),
    deliveryType: text({ enum: ['internal', 'external'] }).notNull(),
    fromAddress: text().notNull(),
    fromName: text(),
    /** Null for senders who are no mailbox of ours. */
    fromMailboxId: text(),
    to: text('to_addresses', { mode: 'json' }).$type<string[]>().notNull(),
    cc: text('cc_addresses', { mode: 'json' }).$type<string[]>().notNull(),
    bcc: text('bcc_addresses', { mode: 'json' }).$type<string[]>(),
    replyTo: text(),
    subject: text().notNull(),
    text: text(),
    /** Sanitised. */
    html: text(),
    /** What is new in an inbound text, without quotes and signature. */
    replyText: text(),
    /** Where text and html lie in R2, as JSON, when they are too large for the row. */
    bodyKey: text(),
    /** The whole message as it arrived, in R2. */
    rawKey: text(),
    files: text({ mode: 'json' }).$type<StoredFile[]>().notNull(),
    /** The message of ours that it answers. */
    inReplyTo: text(),
    /** Message-IDs of the thread so far, without brackets, oldest first. */
    references: text('reference_ids', { mode: 'json' }).$type<string[]>().notNull(),
    /** What the embedded classifier reads in inbound mail. */
    intent: text(),
    authentication: text({ mode: 'json' }).$type<Authentication>(),
    /** Why nothing may act on it by itself; empty where nothing speaks against that. */
    ambiguities: text({ mode: 'json' }).$type<string[]>().notNull(),
    risk: text({ mode: 'json' }).$type<Risk>(),
    isAutomatic: flag().notNull().default(false),
    createdAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    index('messages_by_rfc_id').on(t.tenantId, t.rfcId),
    // On /email a message of others is told apart from one that does not exist.
    index('messages_by_id').on(t.id),
  ],
)

/**
 * A message as one mailbox sees it: read, starred and deleted are the viewer's own. `at` is microseconds since 1970 and
 * strictly increasing within a folder of a mailbox, so that it orders, pages and never ties.
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
    /** Who wrote it, in canonical form. */
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

/** A conversation as one mailbox sees it. Its id is shared by all who take part, of whatever tenant. */
export const threads = sqliteTable(
  'threads',
  {
    tenantId: text().notNull(),
    mailboxId: text().notNull(),
    id: text().notNull(),
    subject: text().notNull(),
    /** Of its newest message, in microseconds since 1970. */
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

/**
 * What the mail exchanger handed over for one envelope recipient: raw in R2, to be read by the `jobs` queue. The same
 * bytes for the same recipient are one row, however often they are delivered.
 */
export const arrivals = sqliteTable(
  'arrivals',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    recipient: text().notNull(),
    sha256: text().notNull(),
    mailboxId: text().notNull(),
    /** The send to whose bounce address it came; the mailbox is then the one that sent. */
    sendId: text(),
    rawKey: text().notNull(),
    envelopeFrom: text().notNull(),
    size: integer().notNull(),
    state: text({ enum: ['received', 'stored', 'failed'] }).notNull(),
    claims: integer().notNull().default(0),
    nextAt: time(),
    receivedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('arrivals_by_content').on(t.tenantId, t.recipient, t.sha256),
    index('arrivals_due').on(t.nextAt).where(sql`next_at IS NOT NULL`),
  ],
)

/** When a mailbox last answered a contact by itself. */
export const autoReplies = sqliteTable(
  'auto_replies',
  {
    tenantId: text().notNull(),
    mailboxId: text().notNull(),
    contact: text().notNull(),
    repliedAt: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.mailboxId, t.contact] })],
)

/** What an event is about: ids by which its payload is made, and what only the moment knew. */
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
 * What happened, written in the batch of the change itself: outbox of webhooks and stream, and their history. `seq` is
 * microseconds since 1970, strictly increasing within a tenant. The payload is made once, when the event is published.
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
    /** When it must be published, if nobody has; null once it is. */
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

/** Where a tenant, or one of its agents, wants its events. No event types means all of them. */
export const webhooks = sqliteTable(
  'webhooks',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    /** Null where it hears of the whole tenant. */
    agentId: text(),
    url: text().notNull(),
    eventTypes: text({ mode: 'json' }).$type<EventType[]>().notNull(),
    description: text(),
    isActive: flag().notNull().default(true),
    disabledReason: text(),
    secret: text().notNull(),
    /** Those that sign beside it until their time is over, in ms since 1970; the newest first. */
    replacedSecrets: text({ mode: 'json' })
      .$type<{ secret: string; until: number }[]>()
      .notNull()
      .default([]),
    /** Since when every attempt has failed. */
    failingSince: time(),
    /** When the sweep looks after the deliveries that wait for it; a trigger sets it as soon as one does. */
    releaseAt: time(),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    index('webhooks_held_up').on(t.releaseAt).where(sql`release_at IS NOT NULL`),
  ],
)

/** One event on its way to one webhook. */
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
    /** Null where it has ended, and where it waits. */
    nextAt: time(),
    /** Whether it waits for other attempts of its webhook to end. */
    isWaiting: flag().notNull().default(false),
    claimToken: text(),
    claimUntil: time(),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('webhook_deliveries_by_event').on(t.tenantId, t.webhookId, t.eventId),
    index('webhook_deliveries_by_webhook').on(t.tenantId, t.webhookId, t.id),
    index('webhook_deliveries_due').on(t.nextAt).where(sql`next_at IS NOT NULL`),
    index('webhook_deliveries_waiting').on(t.tenantId, t.webhookId, t.id).where(sql`is_waiting = 1`),
    index('webhook_deliveries_claimed')
      .on(t.tenantId, t.webhookId, t.claimUntil)
      .where(sql`claim_until IS NOT NULL`),
  ],
)

/** What was sent in one attempt and what came back, the first KB of each. */
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

/** What an agent keeps in mind. Keys and values are counted in code points. */
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
 * Which text of a tenant stands in the full-text index (made by hand: `search_fts`, which keeps no text), at which row of
 * it, and its vectors, a character for each dimension. A trigger takes the row of a deleted entry with it.
 */
export const searchEntries = sqliteTable(
  'search_entries',
  {
    tenantId: text().notNull(),
    kind: text({ enum: ['message', 'memory'] }).notNull(),
    /** The message's id, or the key of the memory. */
    refId: text().notNull(),
    /** The mailbox or the agent whose it is. */
    scope: text().notNull(),
    row: integer().notNull(),
    /** The embedded one, which every entry has. */
    vector: text().notNull(),
    /** The configured model that has read it too, and what it made of it where that is not kept in Vectorize. */
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
    claimToken: text(),
    claimUntil: time(),
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

/** What the `capture` carrier kept, shown at /dev/outbox. */
export const capturedMail = sqliteTable(
  'captured_mail',
  {
    sendId: text().notNull(),
    recipient: text().notNull(),
    messageId: text().notNull(),
    envelopeFrom: text().notNull(),
    subject: text().notNull(),
    text: text(),
    html: text(),
    raw: text().notNull(),
    capturedAt: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.sendId, t.recipient] }), index('captured_mail_by_time').on(t.capturedAt)],
)

/** Answers kept for 24 h, so that a repeated POST is answered as the first was. */
export const idempotency = sqliteTable(
  'idempotency',
  {
    tenantId: text().notNull(),
    route: text().notNull(),
    key: text().notNull(),
    bodyHash: text().notNull(),
    /** Null while the first request is still being answered. */
    status: integer(),
    body: text(),
    createdAt: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.route, t.key] }), index('idempotency_by_age').on(t.createdAt)],
)
