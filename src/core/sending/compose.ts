import { and, eq, sql } from 'drizzle-orm'
import { settings } from '../../env.ts'
import { type ContentFacts, type ReplyTo, sends } from '../../schema/sending.ts'
import { MAX_SUBJECT, parseAddress } from '../ground/address.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import type { KeptFile } from '../mail/files.ts'
import type { Refusal } from '../policy/judge.ts'
import { sanitizeHtml } from '../reading/text/html.ts'
import type { Door } from './door.ts'
import type { SendRequest } from './prepare.ts'
import { simulateSends } from './simulate.ts'

/** A letter as its writer wants it sent. The HTML is as it was given, the files lie in R2. */
export type Draft = {
  mailboxId: string
  to: string[]
  cc: string[]
  bcc: string[]
  subject: string
  text: string | null
  html: string | null
  reply: ReplyTo | null
  /** Where answers are to go, if not to the mailbox. */
  replyTo?: string | null
  headers?: Record<string, string>
  files: KeptFile[]
  content: ContentFacts | null
  /** Of the Idempotency-Key header. */
  key: string | null
}

/** How many Message-IDs a reply hands on: enough for every reader to find the thread, few enough for a header. */
const REFERENCES_AT_MOST = 20
/** Rules that look at who sends and not at what is sent. */
const RULES_OF_STANDING = ['tenant', 'standing']

/** What the send path is asked for a letter. Its HTML is cleaned here, and so it is what its readers get. */
export function requestOf(draft: Draft): SendRequest {
  const { mailboxId, subject, text, html, reply, replyTo, headers, files, content, key } = draft
  return {
    to: (['to', 'cc', 'bcc'] as const).flatMap((kind) => draft[kind].map((email) => ({ kind, email }))),
    mailboxId,
    template: null,
    dedupeKey: key,
    isHeaderKey: key !== null,
    payload: { subject, text, html: html === null ? null : sanitizeHtml(html) },
    ...(replyTo ? { replyTo } : {}),
    ...(headers ? { headers } : {}),
    composed: { reply, files, content },
  }
}

/**
 * What a reply to a message hangs on: one that the mailbox sees, named by our id or by its Message-ID, with or without
 * brackets; of several, the last that it sees. Null for any other, as for one that nobody has.
 */
export async function findReplied(ctx: Ctx, mailboxId: string, ...named: string[]): Promise<ReplyTo | null> {
  const original = await findOriginal(ctx, mailboxId, ...named)
  return original?.reply ?? null
}

/** A message that is to be answered. */
export type Original = {
  reply: ReplyTo
  subject: string
  /** Whom an answer is for where its writer names nobody: empty where the message does not tell. */
  answerTo: string[]
}

/** As `findReplied`, with what an answer to the message starts from. */
export async function findOriginal(
  ctx: Ctx,
  mailboxId: string,
  ...named: string[]
): Promise<Original | null> {
  mustBeAllowed(ctx, 'send', mailboxId)
  const ids = named.map((id) => ({ id, rfcId: bare(id) }))
  const row = await ctx.env.DB.prepare(
    `WITH named AS (SELECT key AS position, value ->> 'id' AS id, value ->> 'rfcId' AS rfc_id FROM json_each(?3)),
     wanted AS (
       SELECT position, id, 1 AS is_ours FROM named
       UNION SELECT n.position, m.id, 0 FROM named n CROSS JOIN messages m ON m.tenant_id = ?1 AND m.rfc_id = n.rfc_id)
     SELECT m.id, v.thread_id, m.rfc_id, m.reference_ids, m.subject, m.from_address, m.to_addresses, m.reply_to,
       m.from_mailbox_id IS ?2 AS is_own
     FROM wanted w
     CROSS JOIN views v INDEXED BY views_by_message ON v.tenant_id = ?1 AND v.message_id = w.id AND v.mailbox_id = ?2
     CROSS JOIN messages m ON m.tenant_id = v.tenant_id AND m.id = v.message_id
     WHERE v.deleted_at IS NULL ORDER BY w.position DESC, w.is_ours DESC, v.at DESC LIMIT 1`,
  )
    .bind(ctx.tenantId, mailboxId, JSON.stringify(ids))
    .first<OriginalRow>()
  if (!row) return null
  const { id, thread_id, rfc_id, reference_ids, subject, from_address, reply_to } = row
  return {
    reply: replyOf({
      messageId: id,
      threadId: thread_id,
      rfcId: rfc_id,
      references: JSON.parse(reference_ids),
    }),
    subject,
    answerTo: (row.is_own === 1 ? JSON.parse(row.to_addresses) : [reply_to ?? from_address]).filter(
      (address: string) => parseAddress(address) !== null,
    ),
  }
}

type OriginalRow = {
  id: string
  thread_id: string
  rfc_id: string
  reference_ids: string
  subject: string
  from_address: string
  to_addresses: string
  reply_to: string | null
  is_own: number
}

/** What hangs on a message, from its thread so far: the message itself comes last in the References (RFC 5322, 3.6.4). */
export function replyOf(original: ReplyTo): ReplyTo {
  return { ...original, references: original.references.slice(1 - REFERENCES_AT_MOST) }
}

/** The subject of an answer: `Re:` stands before it once, whoever has put it there. */
export function replySubject(subject: string): string {
  return /^\s*re\s*:/i.test(subject) ? subject : `Re: ${subject}`.trim().slice(0, MAX_SUBJECT).toWellFormed()
}

/**
 * The header fields of an answer to messages that the mailbox has never seen, by their Message-IDs. What is none is left
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

/** What a send was answered when it was accepted, from its row. */
export type FirstAnswer = {
  status: 'queued' | 'delivered' | 'bounced' | 'pending_approval'
  approvalId: string | null
  /** As it was kept; null where the body lies elsewhere. */
  subject: string | null
  createdAt: Date
}

/** How the send that took an Idempotency-Key was answered, so that a repeat can be answered alike. */
export async function firstAnswer(ctx: Ctx, sendId: string): Promise<FirstAnswer> {
  const [send] = await ctx.db
    .select({
      state: sends.state,
      attempt: sends.attempt,
      approvalId: sends.approvalId,
      subject: sql<string | null>`${sends.input} ->> '$.inline.subject'`,
      createdAt: sends.createdAt,
      mailboxId: sends.mailboxId,
    })
    .from(sends)
    .where(and(eq(sends.tenantId, ctx.tenantId), eq(sends.id, sendId)))
  if (!send) throw new Fault('not_found', 'No such send.')
  mustBeAllowed(ctx, 'send', send.mailboxId)
  const { state, attempt, approvalId, subject, createdAt } = send
  const common = { approvalId, subject, createdAt }
  if (approvalId !== null) return { ...common, status: 'pending_approval' }
  // What no carrier was ever asked to take was settled as it came.
  const isSettledAtOnce = attempt === 0 && (state === 'delivered' || state === 'bounced')
  return { ...common, status: isSettledAtOnce ? state : 'queued' }
}

/** Why the mailbox may send nothing at all at present, whatever it were; null where it may. Nothing is written. */
export async function barOf(door: Door, mailboxId: string): Promise<Refusal | null> {
  const to = [{ kind: 'to' as const, email: `nobody@${settings(door.env).mailDomain}` }]
  const [result] = await simulateSends(door, [
    { to, mailboxId, template: null, dedupeKey: null, payload: null },
  ])
  const refusal = result?.status === 'simulated' ? result.verdict?.refusal : null
  return refusal && RULES_OF_STANDING.includes(refusal.rule) ? refusal : null
}

/** Whether all of these addresses lie in our own domain. */
export function areOurs({ env }: Pick<Ctx, 'env'>, addresses: string[]): boolean {
  const { mailDomain } = settings(env)
  return addresses.every((address) => parseAddress(address)?.domain === mailDomain)
}
