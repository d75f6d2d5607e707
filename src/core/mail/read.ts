import type { StoredFile } from '../../schema/letters.ts'
import type { Authentication, messages, Risk } from '../../schema/mail.ts'
import type { SendState } from '../../schema/sending.ts'
import { parseAddress } from '../ground/address.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { bodyOf } from './body.ts'

export type Folder = 'inbox' | 'sent'

/** A message as one mailbox sees it. `at` is in microseconds since 1970, other times in ms. */
export type Message = {
  id: string
  threadId: string
  folder: Folder
  at: number
  rfcId: string
  deliveryType: (typeof messages.$inferSelect)['deliveryType']
  fromAddress: string
  fromName: string | null
  /** It was written in a mailbox of ours. */
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
  /** Message-IDs of the thread so far, without brackets, oldest first. */
  references: string[]
  intent: string | null
  authentication: Authentication | null
  ambiguities: string[]
  risk: Risk | null
  isAutomatic: boolean
  readAt: number | null
  isStarred: boolean
  /** Of the send that carries it, in the Sent folder. */
  state: SendState | null
  deliveredAt: number | null
}

/** Which messages of a folder to list, newest first: those before and after these moments, in microseconds. */
export type FolderFilter = {
  folder: Folder
  limit: number
  before?: number | null
  after?: number | null
  isUnread?: boolean
  /** The sender's address; of the inbox only. */
  from?: string | null
}

export type FolderPage = {
  messages: Message[]
  hasMore: boolean
  /** How many there are in all, wherever the page begins. */
  total: number
  /** How many of the whole inbox are unread. */
  unreadCount: number
  /** Where the folder ended as of this read. */
  newestAt: number | null
}

/** Bodies of one answer, in bytes; a page ends early where they would be more. */
const BODIES_AT_MOST = 8_000_000
/** What a body that is kept in R2 may weigh, in bytes. */
const LARGE_BODY = 600_000
/** The most messages of a thread in one answer. */
const THREAD_PAGE = 500

// The planner takes the primary key of `views` for its prefix, which is a whole mailbox, unless it is told the index.

/** Turns the views that were chosen into messages, newest first, as many as fit into one answer. */
export const WITH_MESSAGES = `
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

/** What `WITH_MESSAGES` brings for each message. */
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
  found: number
}

/** One page of a folder, newest first, and how the whole folder stands at the same moment. */
export async function listFolder(
  ctx: Ctx,
  mailboxId: string,
  { folder, limit, before = null, after = null, isUnread = false, from = null }: FolderFilter,
): Promise<FolderPage> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const sender = from === null ? null : (parseAddress(from)?.contact ?? from.toLowerCase())
  const fits = `v.tenant_id = ?1 AND v.mailbox_id = ?2 AND v.folder = '${folder}' AND v.deleted_at IS NULL
    ${isUnread ? 'AND v.read_at IS NULL' : ''} ${sender === null ? '' : 'AND v.from_contact = ?3'}`
  const source = sender === null ? 'views v' : 'views v INDEXED BY views_by_sender'
  const own = [ctx.tenantId, mailboxId]
  const chosen = [...own, ...(sender === null ? [] : [sender])]
  const place = chosen.length
  const { DB } = ctx.env
  const [rows, totals, states] = await DB.batch([
    DB.prepare(
      `WITH chosen AS (SELECT v.* FROM ${source} WHERE ${fits} AND v.at < ?${place + 1} AND v.at > ?${place + 2}
         ORDER BY v.at DESC LIMIT ?${place + 3}) ${WITH_MESSAGES}`,
    ).bind(...chosen, before ?? Number.MAX_SAFE_INTEGER, after ?? -1, limit + 1),
    DB.prepare(`SELECT count(*) AS total FROM ${source} WHERE ${fits}`).bind(...chosen),
    DB.prepare(
      `SELECT
         (SELECT count(*) FROM views v WHERE v.tenant_id = ?1 AND v.mailbox_id = ?2 AND v.folder = 'inbox'
           AND v.read_at IS NULL AND v.deleted_at IS NULL) AS unread,
         (SELECT max(v.at) FROM views v
           WHERE v.tenant_id = ?1 AND v.mailbox_id = ?2 AND v.folder = '${folder}') AS newest`,
    ).bind(...own),
  ])
  const found = (rows as D1Result<MessageRow>).results
  const [total] = (totals as D1Result<{ total: number }>).results
  const [state] = (states as D1Result<{ unread: number; newest: number | null }>).results
  const shown = found.slice(0, limit)
  return {
    messages: await readRows(ctx, shown),
    hasMore: (found[0]?.found ?? 0) > shown.length,
    total: total?.total ?? 0,
    unreadCount: state?.unread ?? 0,
    newestAt: state?.newest ?? null,
  }
}

export type Thread = {
  id: string
  subject: string
  /** Oldest first. */
  messages: Message[]
  /** There are older ones than these. */
  hasMore: boolean
}

/**
 * A conversation as the mailbox sees it: its newest messages, before a moment where one is given. A message that a mailbox
 * wrote to itself stands once. Throws `not_a_participant` where the thread is others'.
 */
export async function readThread(
  ctx: Ctx,
  mailboxId: string,
  id: string,
  { before = null }: { before?: number | null } = {},
): Promise<Thread> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const { DB } = ctx.env
  const own = [ctx.tenantId, mailboxId, id]
  const [threads, rows, standing] = await DB.batch([
    DB.prepare('SELECT subject FROM threads WHERE tenant_id = ?1 AND mailbox_id = ?2 AND id = ?3').bind(
      ...own,
    ),
    DB.prepare(
      `WITH chosen AS (
         SELECT v.* FROM views v INDEXED BY views_by_thread
         WHERE v.thread_id = ?3 AND v.tenant_id = ?1 AND v.mailbox_id = ?2 AND v.deleted_at IS NULL AND v.at < ?4
           AND (v.folder = 'inbox' OR NOT EXISTS (SELECT 1 FROM views i WHERE i.tenant_id = ?1
             AND i.message_id = v.message_id AND i.mailbox_id = ?2 AND i.folder = 'inbox'))
         ORDER BY v.at DESC, v.message_id LIMIT ${THREAD_PAGE + 1}) ${WITH_MESSAGES}`,
    ).bind(...own, before ?? Number.MAX_SAFE_INTEGER),
    DB.prepare(
      `SELECT EXISTS (SELECT 1 FROM views v WHERE v.thread_id = ?3 AND v.tenant_id = ?1 AND v.mailbox_id = ?2) AS is_own,
         EXISTS (SELECT 1 FROM views v WHERE v.thread_id = ?3) AS is_any`,
    ).bind(...own),
  ])
  const found = (rows as D1Result<MessageRow>).results
  if (found.length === 0 && before === null) throw absent(standing, 'thread')
  const shown = found.slice(0, THREAD_PAGE)
  const messages = (await readRows(ctx, shown)).reverse()
  const [thread] = (threads as D1Result<{ subject: string }>).results
  return {
    id,
    subject: thread?.subject ?? messages[0]?.subject ?? '',
    messages,
    hasMore: (found[0]?.found ?? 0) > shown.length,
  }
}

/** One message, marked as read if it came in. Throws `not_a_participant` where it is others'. */
export async function readMessage(ctx: Ctx, mailboxId: string, id: string): Promise<Message> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const { DB } = ctx.env
  const own = [ctx.tenantId, mailboxId, id]
  const [, rows, standing] = await DB.batch([
    DB.prepare(
      `UPDATE views INDEXED BY views_by_message SET read_at = ?4 WHERE tenant_id = ?1 AND mailbox_id = ?2 AND message_id = ?3
         AND folder = 'inbox' AND read_at IS NULL AND deleted_at IS NULL`,
    ).bind(...own, ctx.now.getTime()),
    DB.prepare(
      `WITH chosen AS (
         SELECT v.* FROM views v INDEXED BY views_by_message
         WHERE v.tenant_id = ?1 AND v.mailbox_id = ?2 AND v.message_id = ?3 AND v.deleted_at IS NULL
         ORDER BY v.folder LIMIT 1) ${WITH_MESSAGES}`,
    ).bind(...own),
    standingOf(ctx, own),
  ])
  const [message] = await readRows(ctx, (rows as D1Result<MessageRow>).results)
  if (!message) throw absent(standing, 'message')
  return message
}

/** Whether a message is, or was, the mailbox's own, and whether it exists at all. */
export function standingOf({ env: { DB } }: Ctx, own: string[]): D1PreparedStatement {
  return DB.prepare(
    `SELECT EXISTS (SELECT 1 FROM views v INDEXED BY views_by_message
         WHERE v.tenant_id = ?1 AND v.message_id = ?3 AND v.mailbox_id = ?2) AS is_own,
       EXISTS (SELECT 1 FROM messages m WHERE m.id = ?3) AS is_any`,
  ).bind(...own)
}

/** The fault of asking for what the mailbox does not see: others' is told apart from what nobody has, or what it deleted. */
export function absent(standing: D1Result | undefined, what: 'message' | 'thread'): Fault {
  const [found] = (standing as D1Result<{ is_own: number; is_any: number }>).results
  return found?.is_any === 1 && found.is_own === 0
    ? new Fault('not_a_participant', `You are not a participant in this ${what}.`)
    : new Fault('not_found', `${what === 'message' ? 'Message' : 'Thread'} not found.`)
}

/** The messages of such rows, with their bodies from wherever they lie. */
export async function readRows({ env }: Pick<Ctx, 'env'>, rows: MessageRow[]): Promise<Message[]> {
  return await Promise.all(
    rows.map(
      async (row): Promise<Message> => ({
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
      }),
    ),
  )
}
