import type { ReplyTo } from '../../schema/sending.ts'
import { MAX_SUBJECT, parseAddress } from '../ground/address.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { statement } from '../ground/sql.ts'

/** The most Message-IDs in a reply's References: enough for readers to find the thread, few enough for a header. */
const REFERENCES_AT_MOST = 20

/**
 * Finds the message that a reply refers to by its id or Message-ID, with or without brackets. Of several names, the last that
 * names a message in the mailbox counts; null if none does.
 */
export async function findReplied(ctx: Ctx, mailboxId: string, ...named: string[]): Promise<ReplyTo | null> {
  const original = await findOriginal(ctx, mailboxId, ...named)
  return original?.reply ?? null
}

/** A message that is to be answered. */
type Original = {
  reply: ReplyTo
  subject: string
  /** The recipients of an answer that names none. Empty if the message has no address to answer. */
  answerTo: string[]
}

/** Like `findReplied`, with the subject and recipients that an answer starts from. */
export async function findOriginal(
  ctx: Ctx,
  mailboxId: string,
  ...named: string[]
): Promise<Original | null> {
  mustBeAllowed(ctx, 'send', mailboxId)
  const ids = JSON.stringify(named.map((id) => ({ id, rfcId: bare(id) })))
  const row = await ORIGINAL.first(ctx.env, { tenant: ctx.tenantId, mailbox: mailboxId, ids })
  if (!row) return null
  const { id, thread_id, rfc_id, reference_ids, subject, from_address, reply_to } = row
  const answerTo: string[] = row.is_own === 1 ? JSON.parse(row.to_addresses) : [reply_to ?? from_address]
  return {
    reply: replyOf({
      messageId: id,
      threadId: thread_id,
      rfcId: rfc_id,
      references: JSON.parse(reference_ids),
    }),
    subject,
    answerTo: answerTo.filter((address) => parseAddress(address) !== null),
  }
}

const ORIGINAL = statement<{
  id: string
  thread_id: string
  rfc_id: string
  reference_ids: string
  subject: string
  from_address: string
  to_addresses: string
  reply_to: string | null
  is_own: number
}>(`
  WITH named AS (SELECT key AS position, value ->> 'id' AS id, value ->> 'rfcId' AS rfc_id FROM json_each(:ids)),
  wanted AS (
    SELECT position, id, 1 AS is_ours FROM named
    UNION SELECT n.position, m.id, 0 FROM named n
      CROSS JOIN messages m ON m.tenant_id = :tenant AND m.rfc_id = n.rfc_id)
  SELECT m.id, v.thread_id, m.rfc_id, m.reference_ids, m.subject, m.from_address, m.to_addresses, m.reply_to,
    m.from_mailbox_id IS :mailbox AS is_own
  FROM wanted w
  CROSS JOIN views v INDEXED BY views_by_message
    ON v.tenant_id = :tenant AND v.message_id = w.id AND v.mailbox_id = :mailbox
  CROSS JOIN messages m ON m.tenant_id = v.tenant_id AND m.id = v.message_id
  WHERE v.deleted_at IS NULL ORDER BY w.position DESC, w.is_ours DESC, v.at DESC LIMIT 1`)

/** The message that a reply refers to, with at most 20 References: the message itself comes last (RFC 5322, 3.6.4). */
export function replyOf(original: ReplyTo): ReplyTo {
  return { ...original, references: original.references.slice(1 - REFERENCES_AT_MOST) }
}

/** The subject of an answer: `Re:` and the subject, unless it starts with `Re:` already. */
export function replySubject(subject: string): string {
  return /^\s*re\s*:/i.test(subject) ? subject : `Re: ${subject}`.trim().slice(0, MAX_SUBJECT).toWellFormed()
}

/**
 * In-Reply-To and References of an answer to messages that are not in the mailbox. Texts that are not a Message-ID are left
 * out.
 */
export function foreignReferences(inReplyTo: string | null, references: string[]): Record<string, string> {
  const ids = [...references, ...(inReplyTo === null ? [] : [inReplyTo])].map(bare).filter(isRfcId)
  const answered = inReplyTo === null ? '' : bare(inReplyTo)
  const thread = [...new Set(ids)].slice(-REFERENCES_AT_MOST)
  return {
    ...(isRfcId(answered) ? { 'In-Reply-To': `<${answered}>` } : {}),
    ...(thread.length > 0 ? { References: thread.map((id) => `<${id}>`).join(' ') } : {}),
  }
}

const bare = (id: string) => id.trim().replace(/^<|>$/g, '')
const isRfcId = (id: string) => /^(?=.{3,250}$)[\w!#$%&'*+/=?^`{|}~.-]+@[A-Za-z0-9.-]+$/.test(id)
