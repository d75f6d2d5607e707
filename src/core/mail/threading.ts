import type { Env } from '../../env.ts'
import type { IncomingMail } from '../reading/mime/mail.ts'

/** The conversation that a message belongs to, and whether its writer is new to the mailbox. */
export type FoundThread = { threadId: string | null; inReplyTo: string | null; isFirstContact: boolean }

/**
 * What a message answers is found by Message-ID (RFC 5322, section 3.6.4) among what the mailbox itself has seen: the
 * latest of In-Reply-To and References that is known. Some carriers put their own id in place of ours; they are known by
 * the id that the carrier gave our send.
 */
const FOUND = `
  WITH r AS MATERIALIZED (SELECT key AS position, value AS rfc_id FROM json_each(?3)),
  known AS MATERIALIZED (
    SELECT r.position, m.id, m.thread_id FROM r CROSS JOIN messages m ON m.tenant_id = ?1 AND m.rfc_id = r.rfc_id
    UNION ALL
    SELECT r.position, m.id, m.thread_id FROM r
    CROSS JOIN sends s ON s.carrier_message_id = substr(r.rfc_id, 1, instr(r.rfc_id, '@') - 1) AND s.tenant_id = ?1
    CROSS JOIN messages m ON m.tenant_id = ?1 AND m.id = 'msg_' || substr(s.id, 5)),
  seen AS MATERIALIZED (
    SELECT k.* FROM known k WHERE EXISTS (
      SELECT 1 FROM views v INDEXED BY views_by_message
      WHERE v.tenant_id = ?1 AND v.message_id = k.id AND v.mailbox_id = ?2))
  SELECT (SELECT thread_id FROM seen ORDER BY position DESC LIMIT 1) AS thread_id,
    (SELECT id FROM seen WHERE position = (SELECT max(position) FROM r) LIMIT 1) AS answered,
    NOT EXISTS (SELECT 1 FROM views v INDEXED BY views_by_sender
      WHERE v.tenant_id = ?1 AND v.from_contact = ?4 AND v.mailbox_id = ?2
      AND v.folder = 'inbox')
    AND NOT EXISTS (SELECT 1 FROM send_recipients p WHERE p.tenant_id = ?1 AND p.contact = ?4
      AND p.mailbox_id = ?2) AS is_first`

type Row = { thread_id: string | null; answered: string | null; is_first: number }

export async function findThread(
  env: Env,
  about: { tenantId: string; mailboxId: string; mail: IncomingMail; contact: string },
): Promise<FoundThread | null> {
  const { references, inReplyTo } = about.mail
  const named = [...references.filter((id) => id !== inReplyTo), ...(inReplyTo === null ? [] : [inReplyTo])]
  const row = await env.DB.prepare(FOUND)
    .bind(about.tenantId, about.mailboxId, JSON.stringify(named), about.contact)
    .first<Row>()
  return row && { threadId: row.thread_id, inReplyTo: row.answered, isFirstContact: row.is_first === 1 }
}
