import type { Env } from '../../env.ts'
import { statement } from '../ground/sql.ts'
import type { IncomingMail } from '../reading/mime/mail.ts'

/** The thread that a message belongs to, and whether the mailbox has had contact with its writer before. */
type FoundThread = { threadId: string | null; inReplyTo: string | null; isFirstContact: boolean }

type Row = { thread_id: string | null; answered: string | null; is_first: number }

/**
 * Looks for the Message-IDs of In-Reply-To and References (RFC 5322, section 3.6.4) among the messages that the mailbox has
 * seen, and takes the latest that is known. Some carriers replace our Message-ID by their own; their id is stored with the
 * send.
 */
const threadOfAnswer = statement<Row>(`
  WITH r AS MATERIALIZED (SELECT key AS position, value AS rfc_id FROM json_each(:rfcIds)),
  known AS MATERIALIZED (
    SELECT r.position, m.id, m.thread_id FROM r CROSS JOIN messages m ON m.tenant_id = :tenantId AND m.rfc_id = r.rfc_id
    UNION ALL
    SELECT r.position, m.id, m.thread_id FROM r
    CROSS JOIN sends s ON s.carrier_message_id = substr(r.rfc_id, 1, instr(r.rfc_id, '@') - 1) AND s.tenant_id = :tenantId
    CROSS JOIN messages m ON m.tenant_id = :tenantId AND m.id = 'msg_' || substr(s.id, 5)),
  seen AS MATERIALIZED (
    SELECT k.* FROM known k WHERE EXISTS (
      SELECT 1 FROM views v INDEXED BY views_by_message
      WHERE v.tenant_id = :tenantId AND v.message_id = k.id AND v.mailbox_id = :mailboxId))
  SELECT (SELECT thread_id FROM seen ORDER BY position DESC LIMIT 1) AS thread_id,
    (SELECT id FROM seen WHERE position = (SELECT max(position) FROM r) LIMIT 1) AS answered,
    NOT EXISTS (SELECT 1 FROM views v INDEXED BY views_by_sender
      WHERE v.tenant_id = :tenantId AND v.from_contact = :contact AND v.mailbox_id = :mailboxId AND v.folder = 'inbox')
    AND NOT EXISTS (SELECT 1 FROM send_recipients p WHERE p.tenant_id = :tenantId AND p.contact = :contact
      AND p.mailbox_id = :mailboxId) AS is_first`)

/** The thread that a received mail continues, by what it answers. */
export async function findThread(
  env: Env,
  about: { tenantId: string; mailboxId: string; mail: IncomingMail; contact: string },
): Promise<FoundThread | null> {
  const { references, inReplyTo } = about.mail
  const named = [...references.filter((id) => id !== inReplyTo), ...(inReplyTo === null ? [] : [inReplyTo])]
  const row = await threadOfAnswer.first(env, {
    tenantId: about.tenantId,
    mailboxId: about.mailboxId,
    rfcIds: JSON.stringify(named),
    contact: about.contact,
  })
  return row && { threadId: row.thread_id, inReplyTo: row.answered, isFirstContact: row.is_first === 1 }
}
