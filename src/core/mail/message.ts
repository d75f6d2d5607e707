import type { StoredFile } from '../../schema/letters.ts'
import type { Authentication, messages, Risk } from '../../schema/mail.ts'
import type { SendState } from '../../schema/sending.ts'
import type { Ctx } from '../ground/ctx.ts'
import { bodyOf } from './body.ts'

export type Folder = 'inbox' | 'sent'

/** A message as one mailbox sees it. `at` is in microseconds since 1970, other times are in ms. */
export type Message = {
  id: string
  threadId: string
  folder: Folder
  at: number
  rfcId: string
  deliveryType: (typeof messages.$inferSelect)['deliveryType']
  fromAddress: string
  fromName: string | null
  /** It was written in one of our mailboxes. */
  isFromOurs: boolean
  to: string[]
  cc: string[]
  replyTo: string | null
  subject: string
  text: string | null
  html: string | null
  replyText: string | null
  files: StoredFile[]
  inReplyTo: string | null
  /** Message-IDs of the earlier messages of the thread, without brackets, oldest first. */
  references: string[]
  intent: string | null
  authentication: Authentication | null
  ambiguities: string[]
  risk: Risk | null
  isAutomatic: boolean
  readAt: number | null
  isStarred: boolean
  /** The state of its send. Only in the Sent folder. */
  state: SendState | null
  deliveredAt: number | null
}

/** The bodies in one answer have at most this many bytes. A page with more ends early. */
const BODIES_AT_MOST = 8_000_000
/** The weight assumed for a body in R2, in bytes. */
const LARGE_BODY = 600_000

/** SQL: the messages of the views in the relation `chosen`, newest first, as many as fit into one answer. */
export const CHOSEN_MESSAGES = `
  SELECT * FROM (
    SELECT *, sum(weight) OVER (ORDER BY at DESC, id) - weight AS before, count(*) OVER () AS found FROM (
      SELECT m.id, m.thread_id, m.rfc_id, m.delivery_type, m.from_address, m.from_name, m.to_addresses, m.cc_addresses,
        m.reply_to, m.subject, m.text, m.html, m.reply_text, m.body_key, m.files, m.in_reply_to, m.reference_ids,
        m.intent, m.authentication, m.ambiguities, m.risk, m.is_automatic, m.from_mailbox_id IS NOT NULL AS is_from_ours,
        c.folder, c.at, c.read_at, c.starred, s.state, s.delivered_at,
        iif(m.body_key IS NULL, octet_length(coalesce(m.text, '')) + octet_length(coalesce(m.html, '')), ${LARGE_BODY}) AS weight
      FROM chosen c
      CROSS JOIN messages m ON m.tenant_id = c.tenant_id AND m.id = c.message_id
      LEFT JOIN sends s ON c.folder = 'sent' AND s.tenant_id = c.tenant_id AND s.id = m.send_id))
  WHERE before < ${BODIES_AT_MOST} ORDER BY at DESC, id`

/** A row of `CHOSEN_MESSAGES`. */
export type MessageRow = {
  id: string
  thread_id: string
  rfc_id: string
  delivery_type: Message['deliveryType']
  from_address: string
  from_name: string | null
  to_addresses: string
  cc_addresses: string
  reply_to: string | null
  subject: string
  text: string | null
  html: string | null
  reply_text: string | null
  body_key: string | null
  files: string
  in_reply_to: string | null
  reference_ids: string
  intent: string | null
  authentication: string | null
  ambiguities: string
  risk: string | null
  is_automatic: number
  is_from_ours: number
  folder: Folder
  at: number
  read_at: number | null
  starred: number
  state: SendState | null
  delivered_at: number | null
  /** How many views were chosen, whether or not they fit. */
  found: number
}

/** The first `limit` rows as messages, and whether there are more after them. */
export async function pageOf(
  { env }: Pick<Ctx, 'env'>,
  rows: MessageRow[],
  limit: number,
): Promise<{ messages: Message[]; hasMore: boolean }> {
  const shown = rows.slice(0, limit)
  return {
    messages: await Promise.all(shown.map((row) => messageOf(env, row))),
    hasMore: (rows[0]?.found ?? 0) > shown.length,
  }
}

/** A row as a message, with its body from the row or from R2. */
export async function messageOf(env: Ctx['env'], row: MessageRow): Promise<Message> {
  return {
    id: row.id,
    threadId: row.thread_id,
    folder: row.folder,
    at: row.at,
    rfcId: row.rfc_id,
    deliveryType: row.delivery_type,
    fromAddress: row.from_address,
    fromName: row.from_name,
    isFromOurs: row.is_from_ours === 1,
    to: JSON.parse(row.to_addresses),
    cc: JSON.parse(row.cc_addresses),
    replyTo: row.reply_to,
    subject: row.subject,
    ...(await bodyOf(env, { text: row.text, html: row.html, bodyKey: row.body_key })),
    replyText: row.reply_text,
    files: JSON.parse(row.files),
    inReplyTo: row.in_reply_to,
    references: JSON.parse(row.reference_ids),
    intent: row.intent,
    authentication: row.authentication === null ? null : JSON.parse(row.authentication),
    ambiguities: JSON.parse(row.ambiguities),
    risk: row.risk === null ? null : JSON.parse(row.risk),
    isAutomatic: row.is_automatic === 1,
    readAt: row.read_at,
    isStarred: row.starred === 1,
    state: row.state,
    deliveredAt: row.delivered_at,
  }
}
