import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { HUMANIZER_STYLES, type HumanizerStyle } from './core/humanizer/style.ts'
import { SEND_STATES } from './core/states.ts'

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
  createdAt: time().notNull(),
})

/** The people behind a tenant. */
export const owners = sqliteTable(
  'owners',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    email: text().notNull(),
    contact: text().notNull(),
    name: text(),
    claimedAt: time(),
    verifiedAt: time(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.id] })],
)

/** Single-use tokens that hand an agent to its owner; only their hash is kept. */
export const claims = sqliteTable('claims', {
  tokenHash: text().primaryKey(),
  tenantId: text().notNull(),
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
  (t) => [primaryKey({ columns: [t.tenantId, t.id] }), uniqueIndex('agents_by_name').on(t.tenantId, t.name)],
)

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
    reputation: integer().notNull().default(800),
    humanizerEnabled: flag().notNull().default(false),
    humanizerStyle: text({ enum: HUMANIZER_STYLES }).notNull().default('professional'),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.id] }), uniqueIndex('mailboxes_by_contact').on(t.contact)],
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
  /** Absent where the send says nothing: its agent and its mailbox decide. */
  humanize?: boolean | null
  humanizeStyle?: HumanizerStyle | null
}

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
    provider: text(),
    providerMessageId: text(),
    attempt: integer().notNull().default(0),
    /** Set while an attempt may have been delivered: the send is pinned to `provider` and `idempotency_key`. */
    ambiguousAt: time(),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('sends_by_burned_key').on(t.tenantId, t.burnedKey).where(sql`burned_key IS NOT NULL`),
    index('sends_due').on(t.nextAt).where(sql`next_at IS NOT NULL`),
    index('sends_by_batch').on(t.tenantId, t.batchId).where(sql`batch_id IS NOT NULL`),
  ],
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

/** Tenants whose data is being erased: the only ones whose traces may be deleted. */
export const erasures = sqliteTable('erasures', {
  tenantId: text().primaryKey(),
  startedAt: time().notNull(),
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
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.id] }), index('approvals_by_send').on(t.tenantId, t.sendId)],
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
  (t) => [primaryKey({ columns: [t.tenantId, t.id] })],
)

/** Mail that reached one of our own mailboxes. */
export const messages = sqliteTable(
  'messages',
  {
    tenantId: text().notNull(),
    mailboxId: text().notNull(),
    /** The send that brought it, or the hash of its bytes: a delivery repeated is stored once. */
    deliveryId: text().notNull(),
    messageId: text().notNull(),
    fromAddress: text().notNull(),
    subject: text().notNull(),
    rawKey: text().notNull(),
    /** What the embedded classifier reads in it. */
    intent: text(),
    receivedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.mailboxId, t.deliveryId] }),
    index('messages_by_sender').on(t.tenantId, sql`lower(from_address)`, t.receivedAt),
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
