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
    lockToken: text(),
    lockUntil: time(),
    /** Claims since the last progress; eight make a dead letter. */
    locks: integer().notNull().default(0),
    renderedKey: text(),
    renderedSha256: text(),
    messageId: text(),
    /** The attached domain that the rendered message is from, or null where it is from ours. */
    domainId: text(),
    carrier: text(),
    carrierMessageId: text(),
    attempt: integer().notNull().default(0),
    /** Set while an attempt may have been delivered: the send is pinned to `carrier` and `idempotency_key`. */
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
    index('sends_by_return_path').on(t.id).where(sql`carrier = 'smtp'`),
    // Events that bear none of our ids, and replies to mail whose Message-ID the carrier has changed.
    index('sends_by_carrier_message').on(t.carrierMessageId).where(sql`carrier_message_id IS NOT NULL`),
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
    /** Which signals have been counted, as bits: see core/signals/kinds.ts. */
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
