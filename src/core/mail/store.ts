import type { Env } from '../../env.ts'
import type { StoredFile } from '../../schema/letters.ts'
import type { Authentication, messages, Risk } from '../../schema/mail.ts'
import { mailboxContact } from '../accounts/domains/sending-domain.ts'
import { slices } from '../ground/slices.ts'
import { type Statement, statement } from '../ground/sql.ts'
import { eventsFrom } from '../journal/event-rows.ts'

/** A message to store: it becomes one row in each tenant and one view in each mailbox. Times are in ms since 1970. */
export type Letter = {
  id: string
  threadId: string
  sendId: string | null
  /** The tenant and mailbox that wrote it, or null if it came from outside. */
  senderTenantId: string | null
  fromMailboxId: string | null
  rfcId: string
  deliveryType: (typeof messages.$inferSelect)['deliveryType']
  fromAddress: string
  fromContact: string
  fromName: string | null
  to: string[]
  cc: string[]
  bcc: string[]
  replyTo: string | null
  subject: string
  text: string | null
  html: string | null
  replyText: string | null
  bodyKey: string | null
  rawKey: string | null
  files: StoredFile[]
  inReplyTo: string | null
  references: string[]
  intent: string | null
  authentication: Authentication | null
  ambiguities: string[]
  risk: Risk | null
  isAutomatic: boolean
  createdAt: number
  /** The canonical addresses of our mailboxes that receive it now, in our domain or an attached one. */
  recipients: string[]
}

/** Restricts a statement to letters whose send this settle has just brought into one of these states. */
type Gate = { settleToken: string; states: string[] }

/** The columns of a message that are equal for writer and readers, with their values; `->` keeps JSON as JSON. */
const COLUMNS: [column: string, value: string][] = [
  ...['id', 'thread_id', 'rfc_id', 'delivery_type', 'from_address', 'from_name', 'from_mailbox_id'].map(
    field,
  ),
  ...['to_addresses', 'cc_addresses', 'files', 'reference_ids', 'authentication', 'ambiguities', 'risk'].map(
    json,
  ),
  ...['reply_to', 'subject', 'text', 'html', 'reply_text', 'body_key', 'raw_key', 'in_reply_to'].map(field),
  ...['intent', 'is_automatic', 'created_at'].map(field),
]
const NAMES = COLUMNS.map(([column]) => column).join(', ')
const VALUES = COLUMNS.map(([, value]) => value).join(', ')

function field(column: string): [string, string] {
  return [column, `t.value ->> '${column}'`]
}

function json(column: string): [string, string] {
  return [column, `nullif(t.value -> '${column}', 'null')`]
}

const LETTERS = (isGated: boolean) => `
  l AS MATERIALIZED (
    SELECT j.key AS position, :now AS now, j.value, j.value ->> 'id' AS id, j.value ->> 'thread_id' AS thread_id,
      j.value ->> 'from_contact' AS from_contact, j.value ->> 'subject' AS subject,
      j.value ->> 'sender_tenant_id' AS sender_tenant_id, j.value ->> 'from_mailbox_id' AS from_mailbox_id
    FROM json_each(:letters) j ${
      isGated
        ? `CROSS JOIN sends s ON s.tenant_id = j.value ->> 'sender_tenant_id' AND s.id = j.value ->> 'send_id'
      AND s.settle_token = :settleToken AND s.state IN (SELECT value FROM json_each(:states))`
        : ''
    })`

const WRITERS = `target AS MATERIALIZED (
  SELECT l.*, l.sender_tenant_id AS tenant_id, l.from_mailbox_id AS mailbox_id, 'sent' AS folder FROM l)`

const READERS = `target AS MATERIALIZED (
  SELECT l.*, m.tenant_id, m.id AS mailbox_id, 'inbox' AS folder
  FROM l CROSS JOIN json_each(l.value, '$.recipients') r
  CROSS JOIN mailboxes m ON m.contact = ${mailboxContact('r.value')}
  GROUP BY l.position, m.tenant_id, m.id)`

const IS_NEW = `NOT EXISTS (SELECT 1 FROM views v INDEXED BY views_by_message
      WHERE v.tenant_id = t.tenant_id AND v.message_id = t.id
      AND v.mailbox_id = t.mailbox_id AND v.folder = t.folder)`

const RECEIVED = eventsFrom(`
  SELECT t.tenant_id, 'message.received' AS type, t.mailbox_id,
      (SELECT m.agent_id FROM mailboxes m WHERE m.tenant_id = t.tenant_id AND m.id = t.mailbox_id) AS agent_id,
      json_object('messageId', t.id) AS refs, t.position
    FROM target t WHERE ${IS_NEW}`)

const COUNT = (column: string) => `
  UPDATE mailboxes SET ${column} = ${column} + n.fresh
  FROM (SELECT t.tenant_id, t.mailbox_id, count(*) AS fresh FROM target t
    WHERE ${IS_NEW} GROUP BY t.tenant_id, t.mailbox_id) n
  WHERE mailboxes.tenant_id = n.tenant_id AND mailboxes.id = n.mailbox_id`

/** Each new view gets a moment of its own, in microseconds, later than every view that the folder has. */
const VIEWS = `
  INSERT INTO views (tenant_id, mailbox_id, folder, at, message_id, thread_id, from_contact)
  SELECT t.tenant_id, t.mailbox_id, t.folder,
    max(t.now * 1000, 1 + coalesce((SELECT max(v.at) FROM views v
      WHERE v.tenant_id = t.tenant_id AND v.mailbox_id = t.mailbox_id AND v.folder = t.folder), 0))
      + row_number() OVER (PARTITION BY t.tenant_id, t.mailbox_id ORDER BY t.position) - 1,
    t.id, t.thread_id, t.from_contact
  FROM target t WHERE true
  ON CONFLICT DO NOTHING`

const THREADS = `
  INSERT INTO threads (tenant_id, mailbox_id, id, subject, last_at)
  SELECT t.tenant_id, t.mailbox_id, t.thread_id, t.subject, t.now * 1000 FROM target t WHERE true
  ON CONFLICT DO UPDATE SET last_at = max(last_at, excluded.last_at), archived = 0`

const SENT_MESSAGES = `
  INSERT INTO messages (tenant_id, send_id, bcc_addresses, ${NAMES})
  SELECT t.tenant_id, t.value ->> 'send_id', nullif(t.value -> 'bcc_addresses', 'null'), ${VALUES}
  FROM target t WHERE true
  ON CONFLICT (tenant_id, id) DO UPDATE SET
    subject = excluded.subject, text = excluded.text, html = excluded.html, body_key = excluded.body_key`

const RECEIVED_MESSAGES = `
  INSERT INTO messages (tenant_id, ${NAMES})
  SELECT DISTINCT t.tenant_id, ${VALUES} FROM target t WHERE true
  ON CONFLICT DO NOTHING`

/** A statement and whether it needs the whole letters or only their short fields. */
type Step = { sql: Statement<never>; needs: 'whole' | 'short' }

/** The steps of storing letters. Those that look for new messages come before those that write them. */
function stepsOf(isGated: boolean, target: string, before: string[], messages: string): Step[] {
  const step = (needs: Step['needs'], sql: string): Step => ({
    needs,
    sql: statement(`WITH ${LETTERS(isGated)}, ${target} ${sql}`),
  })
  return [
    ...before.map((sql) => step('short', sql)),
    step('whole', messages),
    step('short', VIEWS),
    step('short', THREADS),
  ]
}

const sentSteps = (isGated: boolean) => stepsOf(isGated, WRITERS, [COUNT('sent_count')], SENT_MESSAGES)
const inboxSteps = (isGated: boolean) =>
  stepsOf(isGated, READERS, [COUNT('received_count'), RECEIVED], RECEIVED_MESSAGES)
const SENT = { free: sentSteps(false), gated: sentSteps(true) }
const INBOX = { free: inboxSteps(false), gated: inboxSteps(true) }

/**
 * The statements that put letters into the Sent folders of their writers. Run again, they change only a text that rendering
 * has changed since.
 */
export function sentStatements(env: Env, letters: Letter[], now: Date, gate: Gate | null) {
  return bound(env, gate ? SENT.gated : SENT.free, letters, now, gate)
}

/** The statements that put letters into the inboxes of their recipients. Run again, they change nothing. */
export function inboxStatements(env: Env, letters: Letter[], now: Date, gate: Gate | null) {
  return bound(env, gate ? INBOX.gated : INBOX.free, letters, now, gate)
}

function bound(
  env: Env,
  steps: Step[],
  letters: Letter[],
  now: Date,
  gate: Gate | null,
): D1PreparedStatement[] {
  const whole = letters.map(rowOf)
  const short = whole.map(({ text: _, html: __, reply_text: ___, files: ____, ...row }) => row)
  const rows = {
    whole: slices(whole.map((row) => JSON.stringify(row))),
    short: slices(short.map((row) => JSON.stringify(row))),
  }
  const gateValues = gate ? { settleToken: gate.settleToken, states: JSON.stringify(gate.states) } : {}
  return steps.flatMap(({ sql, needs }) =>
    rows[needs].map((slice) => sql.bind(env, { letters: slice, now: now.getTime(), ...gateValues })),
  )
}

function rowOf({ to, cc, bcc, references, recipients, ...rest }: Letter): Record<string, unknown> {
  const row = Object.fromEntries(
    Object.entries(rest).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  )
  return {
    ...row,
    is_automatic: rest.isAutomatic ? 1 : 0,
    to_addresses: to,
    cc_addresses: cc,
    bcc_addresses: bcc.length > 0 ? bcc : null,
    reference_ids: references,
    recipients,
  }
}

/** The id of the message that a send becomes: each id can be computed from the other. */
export function messageIdOf(sendId: string): string {
  return `msg_${sendId.slice(sendId.indexOf('_') + 1)}`
}

/** The id of the thread that a send opens if it is no reply. */
export function threadIdOf(sendId: string): string {
  return `thread_${sendId.slice(sendId.indexOf('_') + 1)}`
}
