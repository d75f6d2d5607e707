import type { Env } from '../../../env.ts'
import type { StoredFile } from '../../../schema/letters.ts'
import { statement } from '../../ground/sql.ts'
import { textOfHtml } from '../../reading/text/html.ts'
import { bodyOf } from '../body.ts'
import {
  deleteEntry,
  dropVectors,
  type Entry,
  entryStatements,
  keepVectors,
  prepareEntries,
} from './entries.ts'

type MessageRef = { messageId: string; mailboxId: string }

/** How much of a message's text and of its HTML is read to be indexed, in characters. */
const TEXT_READ = 32_768
const HTML_READ = 131_072
/** How many messages are indexed at once, to bound the memory their texts need. */
const AT_ONCE = 50

type Row = {
  mailbox_id: string
  id: string
  created_at: number
  from_address: string
  from_name: string | null
  to_addresses: string
  cc_addresses: string
  subject: string
  text: string | null
  html: string | null
  body_key: string | null
  files: string
}

const messagesToIndex = statement<Row>(
  `SELECT DISTINCT v.mailbox_id, m.id, m.created_at, m.from_address, m.from_name, m.to_addresses, m.cc_addresses,
     m.subject, substr(m.text, 1, ${TEXT_READ}) AS text, m.body_key, m.files,
     iif(m.text IS NULL, substr(m.html, 1, ${HTML_READ}), NULL) AS html
   FROM json_each(:refs) j
   CROSS JOIN views v INDEXED BY views_by_message ON v.tenant_id = :tenantId AND v.message_id = j.value ->> 'messageId'
     AND v.mailbox_id = j.value ->> 'mailboxId' AND v.deleted_at IS NULL
   CROSS JOIN messages m ON m.tenant_id = v.tenant_id AND m.id = v.message_id`,
)

/** Adds messages to the index of the mailboxes that see them. May be repeated. Deleted messages are left out. */
export async function indexMessages(
  env: Env,
  now: Date,
  tenantId: string,
  refs: MessageRef[],
): Promise<void> {
  for (let at = 0; at < refs.length; at += AT_ONCE) {
    await indexSome(env, now, tenantId, refs.slice(at, at + AT_ONCE))
  }
}

/** Removes a message from the index of one mailbox. */
export async function unindexMessage(
  env: Env,
  tenantId: string,
  messageId: string,
  mailboxId: string,
): Promise<void> {
  const text = { scope: mailboxId, refId: messageId }
  await deleteEntry.run(env, { tenantId, kind: 'message', ...text })
  await dropVectors(env, 'message', tenantId, [text])
}

async function indexSome(env: Env, now: Date, tenantId: string, refs: MessageRef[]): Promise<void> {
  const rows = await messagesToIndex.all(env, { tenantId, refs: JSON.stringify(refs) })
  if (rows.length === 0) return
  const entries: Entry[] = []
  // One after the other, so that at most one large body from R2 is in memory.
  for (const row of rows) {
    entries.push({
      scope: row.mailbox_id,
      refId: row.id,
      at: Math.min(row.created_at, now.getTime()),
      title: row.subject,
      body: await textOf(env, row),
      names: namesOf(row),
    })
  }
  const prepared = await prepareEntries(env, 'message', tenantId, entries)
  await env.DB.batch(entryStatements(env, prepared))
  await keepVectors(env, prepared)
}

async function textOf(env: Env, { text, html, body_key }: Row): Promise<string> {
  const body = await bodyOf(env, { text, html, bodyKey: body_key })
  return body.text ?? (body.html === null ? '' : textOfHtml(body.html.slice(0, HTML_READ)))
}

function namesOf({ from_name, from_address, to_addresses, cc_addresses, files }: Row): string {
  const stored: StoredFile[] = JSON.parse(files)
  const others: string[] = [...JSON.parse(to_addresses), ...JSON.parse(cc_addresses)]
  return [from_name ?? '', from_address, ...others, ...stored.map((file) => file.filename)].join(' \n ')
}
