import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { HumanizerStyle } from './accounts.ts'
import { time } from './columns.ts'
import type { Recipient, StoredFile } from './letters.ts'

/** The states of a send, roughly in the order it passes through them. */
export const SEND_STATES = [
  'judging',
  'blocked',
  'scheduled',
  'pending_approval',
  'queued',
  'rendering',
  'ready',
  'claimed',
  'in_flight',
  'retry_wait',
  'accepted',
  'delivered',
  'bounced',
  'complained',
  'failed',
  'unknown',
  'cancelled',
  'rejected',
] as const
export type SendState = (typeof SEND_STATES)[number]

/** The input of a send. It is stored in the row, or in R2 under `inputKey` if it is large. */
export type SendInput = {
  payload: Record<string, unknown>
  /** Content given in the request instead of a stored template. */
  inline: { subject: string; html: string | null; text: string | null } | null
  sendReason: string | null
  replyTo: string | null
  campaignId: string | null
  headers: Record<string, string>
  /** The names of header fields that the sender set and that do not leave. */
  droppedFields?: string[]
  /** The sender gave the message an unsubscribe field. Ours takes its place. */
  asksUnsubscribe?: true
  /** Whether the send is a letter. A letter has a copy in Sent, and it may be delivered internally at once. */
  isComposed?: true
  /** The message that this send answers, and its thread. */
  reply?: ReplyTo
  files?: StoredFile[]
  /** If absent, the settings of the agent and the mailbox decide. */
  humanize?: boolean | null
  humanizeStyle?: HumanizerStyle | null
}

/** The message that a reply answers: our ids, and the Message-IDs for In-Reply-To and References, without brackets. */
export type ReplyTo = { messageId: string; threadId: string; rfcId: string; references: string[] }

/** The facts for the content rule, counted when the message was written. */
export type ContentFacts = { urls: number; urlsAtMost: number | null; blockedFile: string | null }

/**
 * Sends, with one or more recipients each. `burned_key` is the dedupe key while it is taken; `dedupe_key` stays for
 * display. `next_at` is when the sweep looks at the row again, null if nothing more is to do.
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
    /** The API key of the request. At the door `smtp`: the SMTP credential. */
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
    lockToken: text(),
    lockUntil: time(),
    /** Locks since the last progress. After eight, the send becomes a dead letter. */
    locks: integer().notNull().default(0),
    renderedKey: text(),
    renderedSha256: text(),
    messageId: text(),
    /** The attached domain of the rendered From address. Null if the address is in our own domain. */
    domainId: text(),
    carrier: text(),
    carrierMessageId: text(),
    attempt: integer().notNull().default(0),
    /** Set while an attempt is ambiguous. Only the same `carrier` may then be tried again, with the same idempotency key. */
    ambiguousAt: time(),
    /** The recipients of the ambiguous attempt. A repeat goes to all of them, even if the carrier has reported on some. */
    pinnedRecipients: text({ mode: 'json' }).$type<string[]>(),
    deliveredAt: time(),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    // For events without our ids, and for replies to mail whose Message-ID the carrier changed.
    index('sends_by_carrier_message').on(t.carrierMessageId).where(sql`carrier_message_id IS NOT NULL`),
    uniqueIndex('sends_by_burned_key').on(t.tenantId, t.burnedKey).where(sql`burned_key IS NOT NULL`),
    index('sends_due').on(t.nextAt).where(sql`next_at IS NOT NULL`),
    index('sends_unknown').on(t.updatedAt).where(sql`state = 'unknown'`),
    index('sends_by_batch').on(t.tenantId, t.batchId).where(sql`batch_id IS NOT NULL`),
  ],
)

/**
 * How often a send or an inbound message reached a state, for all tenants together. Triggers write this table. They do not
 * count `queued`: a send is in this state only briefly, and its caller would have to wait for the counter.
 */
export const counts = sqliteTable(
  'counts',
  {
    kind: text({ enum: ['send', 'inbound'] }).notNull(),
    state: text().notNull(),
    /** The code of the reason. Empty if there is none. */
    reason: text().notNull(),
    count: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.kind, t.state, t.reason] })],
)

/** The recipients of accepted sends. The key starts with the contact, so that a contact's history is one range. */
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
    /** The signals that have been counted, as bits: see core/signals/kinds.ts. */
    signals: integer().notNull().default(0),
    /** The last carrier that was given the message for this recipient. */
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
    // A return path is too short to name the tenant, too. It names the send and the recipient.
    index('send_recipients_by_return_path').on(t.sendId).where(sql`carrier = 'smtp'`),
  ],
)

/**
 * The last time that internal mail raised a reputation for a pair of owners, by the tenants that wrote and read it. It does so
 * at most once in 30 days.
 */
export const raises = sqliteTable(
  'raises',
  {
    tenantId: text().notNull(),
    byTenantId: text().notNull(),
    sendId: text().notNull(),
    contact: text().notNull(),
    raisedAt: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.byTenantId] })],
)

/** Decisions that a person must make. An approval is valid for the exact bytes of one message, once, for 24 hours. */
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
    /** When the notice to the people who may decide is due. Null once it is sent. */
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
