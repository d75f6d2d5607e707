import { and, asc, eq, getTableColumns, sql } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import type { Env } from '../../../env.ts'
import { messages } from '../../../schema/mail.ts'
import { sends } from '../../../schema/sending.ts'
import { database } from '../../ground/ctx.ts'
import { buildMessage } from '../../letters/message/build.ts'
import { readFiles, readRendered } from '../../letters/rendered.ts'
import { bodyOf } from '../../mail/body.ts'
import type { Party } from '../../reading/party.ts'
import { listOf, TENANT_TABLES, type TenantTable } from './tables.ts'

type ArchiveFile = { name: string; input: string | Uint8Array | AsyncIterable<string> }

const ROWS_AT_ONCE = 500
const MAIL_AT_ONCE = 25

/** First a file about the archive, then each table as lines of JSON, without the columns that hold secrets. */
export async function* tableFiles(env: Env, tenantId: string, now: Date): AsyncGenerator<ArchiveFile> {
  const shown = TENANT_TABLES.filter(({ rule, tenantId }) => rule.isExported && tenantId !== null)
  const about = {
    tenant_id: tenantId,
    exported_at: now.toISOString(),
    tables: shown.map(({ name }) => `tables/${name}.ndjson`),
    mail: 'mail/<message id>.eml: the mail as received or sent. If that is not stored, it is built from the message',
    inputs: 'inputs/<send id>.json: the input of a send, if it was large',
    left_out: 'hashes of keys and links, secrets of webhooks, tokens, the search index',
  }
  yield { name: 'about.json', input: `${JSON.stringify(about, null, 2)}\n` }
  for (const table of shown) yield { name: `tables/${table.name}.ndjson`, input: lines(env, table, tenantId) }
}

async function* lines(env: Env, table: TenantTable, tenantId: string): AsyncGenerator<string> {
  const db = database(env)
  const shown = Object.fromEntries(
    Object.entries(getTableColumns(table.table) as Record<string, SQLiteColumn>).filter(
      ([name]) => !table.rule.hidden.includes(name),
    ),
  )
  const place = sql<string>`json_array(${listOf(table.key)})`
  for (let after: unknown[] | null = null; ; ) {
    const isNext =
      after === null
        ? undefined
        : sql`(${listOf(table.key)}) > (${sql.join(
            after.map((v) => sql`${v}`),
            sql`, `,
          )})`
    const rows: { row: Record<string, unknown>; place: string }[] = await db
      .select({ row: shown, place })
      .from(table.table)
      .where(and(sql`${table.tenantId} = ${tenantId}`, isNext))
      .orderBy(...table.key.map((column) => asc(column)))
      .limit(ROWS_AT_ONCE)
    if (rows.length > 0) yield rows.map(({ row }) => `${JSON.stringify(row)}\n`).join('')
    const last = rows.at(-1)
    if (!last || rows.length < ROWS_AT_ONCE) return
    after = JSON.parse(last.place) as unknown[]
  }
}

/** First each message as mail. Then, for each send, its input if that was too large for the row, and its rendered mail. */
export async function* mailFiles(env: Env, tenantId: string): AsyncGenerator<ArchiveFile> {
  const db = database(env)
  for (let after = ''; ; ) {
    const rows = await db
      .select({ message: messages, renderedKey: sends.renderedKey })
      .from(messages)
      .leftJoin(sends, and(eq(sends.tenantId, messages.tenantId), eq(sends.id, messages.sendId)))
      .where(and(eq(messages.tenantId, tenantId), sql`${messages.id} > ${after}`))
      .orderBy(asc(messages.id))
      .limit(MAIL_AT_ONCE)
    for (const { message, renderedKey } of rows) yield await mailFile(env, message, renderedKey)
    const last = rows.at(-1)
    if (!last) break
    after = last.message.id
  }
  for (let after = ''; ; ) {
    const rows = await db
      .select({ id: sends.id, key: sends.inputKey, renderedKey: sends.renderedKey })
      .from(sends)
      .where(and(eq(sends.tenantId, tenantId), sql`${sends.id} > ${after}`))
      .orderBy(asc(sends.id))
      .limit(ROWS_AT_ONCE)
    for (const { id, key, renderedKey } of rows) {
      const input = key === null ? null : await env.MAIL.get(key)
      if (input) yield { name: `inputs/${id}.json`, input: await input.text() }
      const rendered = await readRendered(env, renderedKey)
      if (rendered) yield { name: `sent/${id}.eml`, input: rendered.raw }
    }
    const last = rows.at(-1)
    if (!last) return
    after = last.id
  }
}

type Message = typeof messages.$inferSelect

async function mailFile(env: Env, message: Message, renderedKey: string | null): Promise<ArchiveFile> {
  const name = `mail/${message.id}.eml`
  const raw = message.rawKey === null ? null : await env.MAIL.get(message.rawKey)
  if (raw) return { name, input: new Uint8Array(await raw.arrayBuffer()) }
  const rendered = await readRendered(env, renderedKey)
  if (rendered) return { name, input: rendered.raw }
  const { text, html } = await bodyOf(env, message)
  const attachments = await readFiles(env, message.files).catch(() => [])
  const party = (email: string): Party => ({ email, name: null })
  const built = await buildMessage({
    messageId: message.rfcId,
    date: message.createdAt,
    from: { email: message.fromAddress, name: message.fromName },
    to: message.to.map(party),
    cc: message.cc.map(party),
    bcc: (message.bcc ?? []).map(party),
    replyTo: message.replyTo === null ? null : party(message.replyTo),
    subject: message.subject,
    text,
    html,
    headers: {},
    attachments,
  })
  if (built.ok) return { name, input: built.raw }
  // A message that cannot be built as mail is exported as it is stored.
  return { name: `mail/${message.id}.json`, input: JSON.stringify({ ...message, text, html }) }
}
