import { and, eq, sql } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { type AutoReply, mailboxes } from '../../schema/accounts.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { audited } from '../journal/audit.ts'
import { sanitizeHtml } from '../reading/text/html.ts'
import { replyOf, replySubject, requestOf } from '../sending/compose.ts'
import type { Door } from '../sending/door.ts'
import { requestSends } from '../sending/request.ts'

/** A contact is answered at most once within this time, in ms. */
const ONCE_WITHIN_MS = 86_400_000

/** How often a change is made anew because another one came between. */
const TRIES_AT_MOST = 10

const OFF: AutoReply = { enabled: false, subject: null, text: null, html: null, startAt: null, endAt: null }

/** How a mailbox answers by itself; not at all until it is told to. */
export function autoReplyOf({ autoReply }: { autoReply: AutoReply | null }): AutoReply {
  return { ...OFF, ...autoReply }
}

/**
 * Changes what is given of how a mailbox answers by itself, and nothing that others change at the same moment; null turns it
 * off and forgets the rest. Throws `invalid` where it would have nothing to say or no time to say it in.
 */
export async function setAutoReply(
  ctx: Ctx,
  mailbox: { id: string; autoReply: AutoReply | null },
  change: Partial<AutoReply> | null,
): Promise<AutoReply> {
  mustBeAllowed(ctx, 'manage', mailbox.id)
  const isIt = and(eq(mailboxes.tenantId, ctx.tenantId), eq(mailboxes.id, mailbox.id))
  let stands = mailbox.autoReply
  for (let tries = 0; tries < TRIES_AT_MOST; tries++) {
    const autoReply = changed(stands, change)
    const asRead = sql`json(${mailboxes.autoReply}) IS json(${stands && JSON.stringify(stands)})`
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
    stands = row?.autoReply ?? null
  }
  throw new Fault('conflict', 'The auto-reply is being changed by others at this moment. Try again.')
}

function changed(stands: AutoReply | null, change: Partial<AutoReply> | null): AutoReply {
  const merged = change === null ? OFF : { ...autoReplyOf({ autoReply: stands }), ...change }
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
 * What came in for mailboxes that answer by themselves and may be answered so (RFC 3834, section 2): from one person, to
 * the mailbox by name, by no program, and nothing speaks against its being what it seems.
 */
const ANSWERABLE = `
  SELECT b.id AS mailbox_id, b.agent_id, b.auto_reply, v.from_contact, m.id, m.thread_id, m.rfc_id, m.reference_ids,
    m.subject, m.from_address
  FROM json_each(?2) j
  CROSS JOIN mailboxes b ON b.tenant_id = ?1 AND b.id = j.value ->> 'mailboxId' AND b.auto_reply ->> 'enabled' = 1
  CROSS JOIN views v ON v.tenant_id = ?1 AND v.message_id = j.value ->> 'messageId' AND v.mailbox_id = b.id
    AND v.folder = 'inbox'
  CROSS JOIN messages m ON m.tenant_id = ?1 AND m.id = v.message_id
  WHERE m.is_automatic = 0 AND json_array_length(m.ambiguities) = 0
    AND v.from_contact NOT IN ('', b.contact) AND NOT EXISTS (
      SELECT 1 FROM aliases x WHERE x.contact = v.from_contact AND x.tenant_id = b.tenant_id AND x.mailbox_id = b.id)
    AND v.from_contact NOT LIKE 'postmaster@%'
    AND coalesce(m.authentication ->> 'dmarc', 'none') <> 'fail'
    AND EXISTS (SELECT 1 FROM json_each(json_array(json(m.to_addresses), json(m.cc_addresses))) f, json_each(f.value) a
      WHERE lower(a.value) = b.contact OR lower(a.value) IN (
        SELECT x.contact FROM aliases x WHERE x.tenant_id = b.tenant_id AND x.mailbox_id = b.id))
  ORDER BY j.key`

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

/** Whoever brings the row back answers; nobody else does until the time is over. */
const CLAIM = `
  INSERT INTO auto_replies (tenant_id, mailbox_id, contact, replied_at)
  SELECT ?1, value ->> 'mailboxId', value ->> 'contact', ?3 FROM json_each(?2) WHERE true
  ON CONFLICT DO UPDATE SET replied_at = excluded.replied_at
    WHERE auto_replies.replied_at <= excluded.replied_at - ${ONCE_WITHIN_MS}
  RETURNING mailbox_id, contact`

/**
 * Answers for those mailboxes that answer by themselves what has come in for them: each sender at most once in 24 h, by
 * the rules of every send. Safe to run twice. Returns how many answers were accepted.
 */
export async function autoReplyTo(
  env: Env,
  now: Date,
  tenantId: string,
  refs: { messageId: string; mailboxId: string }[],
): Promise<number> {
  if (refs.length === 0) return 0
  const { results } = await env.DB.prepare(ANSWERABLE).bind(tenantId, JSON.stringify(refs)).all<Row>()
  const due = results.filter((row) => isTime(row, now))
  const groups = Map.groupBy(await claimed(env, now, tenantId, due), (row) => row.agent_id)
  const answers = await Promise.all(
    [...groups].map(([agentId, rows]) => requestSends(doorOf(env, now, tenantId, agentId), rows.map(answer))),
  )
  return answers.flat().filter(({ status }) => !['error', 'blocked', 'duplicate'].includes(status)).length
}

function isTime({ auto_reply }: Row, now: Date): boolean {
  const { text, html, startAt, endAt } = autoReplyOf({ autoReply: JSON.parse(auto_reply) })
  const begins = startAt === null ? Number.NEGATIVE_INFINITY : Date.parse(startAt)
  const ends = endAt === null ? Number.POSITIVE_INFINITY : Date.parse(endAt)
  return Boolean(text || html) && begins <= now.getTime() && now.getTime() < ends
}

/** Of the letters of one sender to one mailbox the first, where that sender has not been answered of late. */
async function claimed(env: Env, now: Date, tenantId: string, rows: Row[]): Promise<Row[]> {
  if (rows.length === 0) return []
  const first = new Map(rows.toReversed().map((row) => [pair(row.mailbox_id, row.from_contact), row]))
  const wanted = [...first.values()].map((row) => ({ mailboxId: row.mailbox_id, contact: row.from_contact }))
  const { results } = await env.DB.prepare(CLAIM)
    .bind(tenantId, JSON.stringify(wanted), now.getTime())
    .all<{ mailbox_id: string; contact: string }>()
  return results.flatMap(({ mailbox_id, contact }) => first.get(pair(mailbox_id, contact)) ?? [])
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
    ...requestOf({
      mailboxId: row.mailbox_id,
      ...{ to: [row.from_address], cc: [], bcc: [] },
      ...{ subject: subject || replySubject(row.subject), text, html },
      reply: replyOf({ ...original, references: JSON.parse(row.reference_ids) }),
      headers: { 'Auto-Submitted': 'auto-replied', 'X-Auto-Response-Suppress': 'All' },
      ...{ files: [], content: null },
      key: `auto-reply:${row.mailbox_id}:${row.id}`,
    }),
    humanize: false,
  }
}
