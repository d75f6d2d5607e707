import { env } from 'cloudflare:workers'
import { indexMessages } from '../../src/core/mail/search/indexing.ts'
import type { Env } from '../../src/env.ts'
import type { Tenant } from './tenant.ts'

export type Mail = {
  subject?: string
  text?: string | null
  html?: string | null
  bodyKey?: string
  from?: string
  fromName?: string
  to?: string[]
  files?: string[]
  thread?: string
  folder?: 'inbox' | 'sent'
  at?: number
}

let serial = 0
/** The time of the first message that gets no time of its own, in ms. */
export const NOW = Date.UTC(2026, 5, 1)

/**
 * Stores a message with its view and thread, and indexes it unless `isIndexed` is false. Returns its id. The recipient is not
 * the tenant: the tenant's address differs in each run, and would change the search vectors.
 */
export async function put(tenant: Tenant, mail: Mail, { isIndexed = true } = {}): Promise<string> {
  const at = mail.at ?? NOW + serial
  const id = `msg_${tenant.id.slice(-8)}${String(serial++).padStart(6, '0')}`
  const thread = mail.thread ?? `thread_${id}`
  const files = (mail.files ?? []).map((filename) => ({
    id: filename,
    filename,
    contentType: 'a/b',
    size: 1,
    key: 'k',
  }))
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO messages (tenant_id, id, thread_id, rfc_id, delivery_type, from_address, from_name, to_addresses,
         cc_addresses, subject, text, html, body_key, files, reference_ids, ambiguities, created_at)
       VALUES (?, ?, ?, ?, 'external', ?, ?, ?, '[]', ?, ?, ?, ?, ?, '[]', '[]', ?)`,
    ).bind(
      ...[tenant.id, id, thread, id, mail.from ?? 'ann@example.com', mail.fromName ?? null],
      ...[JSON.stringify(mail.to ?? ['me@example.com']), mail.subject ?? 'Hello', mail.text ?? null],
      ...[mail.html ?? null, mail.bodyKey ?? null, JSON.stringify(files), at],
    ),
    env.DB.prepare(
      `INSERT INTO views (tenant_id, mailbox_id, folder, at, message_id, thread_id, from_contact)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ).bind(
      tenant.id,
      tenant.mailboxId,
      mail.folder ?? 'inbox',
      at * 1000 + serial,
      id,
      thread,
      mail.from ?? 'ann@example.com',
    ),
    env.DB.prepare(
      `INSERT INTO threads (tenant_id, mailbox_id, id, subject, last_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    ).bind(tenant.id, tenant.mailboxId, thread, mail.subject ?? 'Hello', at * 1000),
  ])
  if (isIndexed) await index(tenant, [id])
  return id
}

/** Adds stored messages to the search index. */
export const index = (tenant: Tenant, ids: string[], within: Env = env) =>
  indexMessages(
    within,
    new Date(),
    tenant.id,
    ids.map((messageId) => ({ messageId, mailboxId: tenant.mailboxId })),
  )
