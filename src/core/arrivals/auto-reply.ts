import { and, eq, sql } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { type AutoReply, mailboxes } from '../../schema/accounts.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { statement } from '../ground/sql.ts'
import { audited } from '../journal/audit.ts'
import { sanitizeHtml } from '../reading/text/html.ts'
import type { Door } from '../sending/door.ts'
import { requestOf } from '../sending/letter.ts'
import { replyOf, replySubject } from '../sending/reply.ts'
import { requestSends } from '../sending/request.ts'

/** A contact is answered at most once within this time, in ms. */
const ONCE_WITHIN_MS = 86_400_000

/** How often a change is tried again if another one came between. */
const TRIES_AT_MOST = 10

const OFF: AutoReply = { enabled: false, subject: null, text: null, html: null, startAt: null, endAt: null }

/** The auto-reply of a mailbox; off until it is set. */
export function autoReplyOf({ autoReply }: { autoReply: AutoReply | null }): AutoReply {
  return { ...OFF, ...autoReply }
}

/**
 * Changes the given fields of a mailbox's auto-reply and keeps what others change at the same time; null turns it off and
 * deletes the rest. Throws `invalid` if it would have no words, or would end before it starts.
 */
export async function setAutoReply(
  ctx: Ctx,
  mailbox: { id: string; autoReply: AutoReply | null },
  change: Partial<AutoReply> | null,
): Promise<AutoReply> {
  mustBeAllowed(ctx, 'manage', mailbox.id)
  const isIt = and(eq(mailboxes.tenantId, ctx.tenantId), eq(mailboxes.id, mailbox.id))
  let current = mailbox.autoReply
  for (let tries = 0; tries < TRIES_AT_MOST; tries++) {
    const autoReply = changed(current, change)
    const asRead = sql`json(${mailboxes.autoReply}) IS json(${current && JSON.stringify(current)})`
    const [written, , , [row]] = await ctx.db.batch([
      ctx.db
        .update(mailboxes)
        .set({ autoReply, updatedAt: ctx.now })
        .where(and(isIt, asRead))
        .returning({ id: mailboxes.id }),
      ...audited(ctx, [{ action: 'mailbox.changed', target: mailbox.id, detail: { autoReply } }]),
      ctx.db.select({ autoReply: mailboxes.autoReply }).from(mailboxes).where(isIt),
    ])
    if (written.length > 0) return autoReply
    current = row?.autoReply ?? null
  }
  throw new Fault('conflict', 'Others are changing this auto-reply at the same time. Try again.')
}

function changed(current: AutoReply | null, change: Partial<AutoReply> | null): AutoReply {
  const merged = change === null ? OFF : { ...autoReplyOf({ autoReply: current }), ...change }
  const autoReply = { ...merged, html: merged.html ? sanitizeHtml(merged.html) : null }
  const { enabled, text, html, startAt, endAt } = autoReply
  const invalid = (field: string, why: string) => new Fault('invalid', `${field} ${why}.`, { field })
  if (enabled && !text && !html) {
    throw invalid('auto_reply.text', 'or html must say something before it is turned on')
  }
  if (startAt !== null && endAt !== null && Date.parse(endAt) <= Date.parse(startAt)) {
    throw invalid('auto_reply.end_at', 'must come after start_at')
  }
  return autoReply
}

/**
 * The received messages that may be answered automatically (RFC 3834, section 2): written by a person, addressed to the
 * mailbox by name, and with nothing that speaks for a forgery.
 */
const ANSWERABLE = statement<Row>(`
  SELECT b.id AS mailbox_id, b.agent_id, b.auto_reply, v.from_contact, m.id, m.thread_id, m.rfc_id, m.reference_ids,
    m.subject, m.from_address
  FROM json_each(:refs) j
  CROSS JOIN mailboxes b ON b.tenant_id = :tenantId AND b.id = j.value ->> 'mailboxId' AND b.auto_reply ->> 'enabled' = 1
  CROSS JOIN views v ON v.tenant_id = :tenantId AND v.message_id = j.value ->> 'messageId' AND v.mailbox_id = b.id
    AND v.folder = 'inbox'
  CROSS JOIN messages m ON m.tenant_id = :tenantId AND m.id = v.message_id
  WHERE m.is_automatic = 0 AND json_array_length(m.ambiguities) = 0
    AND v.from_contact NOT IN ('', b.contact) AND NOT EXISTS (
      SELECT 1 FROM aliases x WHERE x.contact = v.from_contact AND x.tenant_id = b.tenant_id AND x.mailbox_id = b.id)
    AND v.from_contact NOT LIKE 'postmaster@%'
    AND coalesce(m.authentication ->> 'dmarc', 'none') <> 'fail'
    AND EXISTS (SELECT 1 FROM json_each(json_array(json(m.to_addresses), json(m.cc_addresses))) f, json_each(f.value) a
      WHERE lower(a.value) = b.contact OR lower(a.value) IN (
        SELECT x.contact FROM aliases x WHERE x.tenant_id = b.tenant_id AND x.mailbox_id = b.id))
  ORDER BY j.key`)

type Row = {
  mailbox_id: string
  agent_id: string | null
  auto_reply: string
  from_contact: string
  id: string
  thread_id: string
  rfc_id: string
  reference_ids: string
  subject: string
  from_address: string
}

/** The run that gets the row back answers this contact; no other run does until the time is over. */
const TAKE = statement<{ mailbox_id: string; contact: string }>(`
  INSERT INTO auto_replies (tenant_id, mailbox_id, contact, replied_at)
  SELECT :tenantId, value ->> 'mailboxId', value ->> 'contact', :now FROM json_each(:wanted) WHERE true
  ON CONFLICT DO UPDATE SET replied_at = excluded.replied_at
    WHERE auto_replies.replied_at <= excluded.replied_at - ${ONCE_WITHIN_MS}
  RETURNING mailbox_id, contact`)

/**
 * Sends the auto-replies to received messages: to each sender at most once in 24 h, by the rules of every send. Safe to run
 * twice. Returns how many were accepted.
 */
export async function autoReplyTo(
  env: Env,
  now: Date,
  tenantId: string,
  refs: { messageId: string; mailboxId: string }[],
): Promise<number> {
  if (refs.length === 0) return 0
  const rows = await ANSWERABLE.all(env, { tenantId, refs: JSON.stringify(refs) })
  const due = rows.filter((row) => isTime(row, now))
  const groups = Map.groupBy(await taken(env, now, tenantId, due), (row) => row.agent_id)
  const answers = await Promise.all(
    [...groups].map(([agentId, some]) => requestSends(doorOf(env, now, tenantId, agentId), some.map(answer))),
  )
  return answers.flat().filter(({ status }) => !['error', 'blocked', 'duplicate'].includes(status)).length
}

function isTime({ auto_reply }: Row, now: Date): boolean {
  const { text, html, startAt, endAt } = autoReplyOf({ autoReply: JSON.parse(auto_reply) })
  const begins = startAt === null ? Number.NEGATIVE_INFINITY : Date.parse(startAt)
  const ends = endAt === null ? Number.POSITIVE_INFINITY : Date.parse(endAt)
  return Boolean(text || html) && begins <= now.getTime() && now.getTime() < ends
}

/** The first message of each sender to each mailbox, if that sender was not answered in the last 24 h. */
async function taken(env: Env, now: Date, tenantId: string, rows: Row[]): Promise<Row[]> {
  if (rows.length === 0) return []
  const first = new Map(rows.toReversed().map((row) => [pair(row.mailbox_id, row.from_contact), row]))
  const wanted = [...first.values()].map((row) => ({ mailboxId: row.mailbox_id, contact: row.from_contact }))
  const found = await TAKE.all(env, { tenantId, wanted: JSON.stringify(wanted), now: now.getTime() })
  return found.flatMap(({ mailbox_id, contact }) => first.get(pair(mailbox_id, contact)) ?? [])
}

const pair = (mailboxId: string, contact: string) => `${mailboxId} ${contact}`

function doorOf(env: Env, now: Date, tenantId: string, agentId: string | null): Door {
  return {
    env,
    now,
    name: 'system',
    credential: { actor: { kind: 'system', name: 'auto-reply' }, tenantId },
    tenantId: null,
    agent: agentId === null ? null : { id: agentId, name: null },
  }
}

function answer(row: Row) {
  const { subject, text, html } = autoReplyOf({ autoReply: JSON.parse(row.auto_reply) })
  const original = { messageId: row.id, threadId: row.thread_id, rfcId: row.rfc_id }
  return {
    ...requestOf(
      {
        mailboxId: row.mailbox_id,
        to: [{ kind: 'to', email: row.from_address }],
        ...{ subject: subject || replySubject(row.subject), text, html },
        reply: replyOf({ ...original, references: JSON.parse(row.reference_ids) }),
        headers: { 'Auto-Submitted': 'auto-replied', 'X-Auto-Response-Suppress': 'All' },
        key: `auto-reply:${row.mailbox_id}:${row.id}`,
      },
      { files: [], content: null },
    ),
    humanize: false,
  }
}
