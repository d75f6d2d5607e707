import { desc, eq } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { capturedMail } from '../../schema/delivery.ts'
import { parseAddress } from '../ground/address.ts'
import { database } from '../ground/ctx.ts'
import { statement } from '../ground/sql.ts'
import type { OutgoingMessage } from './carrier.ts'

/** A row of D1 holds 2 MB in all, so the end of a larger message is not kept. In bytes. */
const RAW_AT_MOST = 1_000_000

const KEEP = statement(`
  INSERT INTO captured_mail
    (send_id, recipient, message_id, envelope_from, subject, text, html, raw, captured_at)
  SELECT :sendId, value, :messageId, :envelopeFrom, :subject, :text, :html, :raw, :now
  FROM json_each(:recipients) WHERE true
  ON CONFLICT (send_id, recipient) DO NOTHING`)

/** Keeps a message instead of sending it, one row for each recipient. A repeat changes nothing. */
export async function keepCaptured(env: Pick<Env, 'DB'>, now: Date, message: OutgoingMessage): Promise<void> {
  const { sendId, recipients, messageId, envelopeFrom, subject, text, html, raw } = message
  await KEEP.run(env, {
    ...{ sendId, messageId, envelopeFrom, subject, text, html },
    recipients: JSON.stringify(recipients),
    raw: new TextDecoder().decode(raw.subarray(0, RAW_AT_MOST)),
    now: now.getTime(),
  })
}

/** The mail that the capture carrier kept, newest first; local development only. */
export async function capturedMessages(env: Env, { to, limit }: { to: string | null; limit: number }) {
  const recipient = to === null ? undefined : (parseAddress(to)?.email ?? to)
  return await database(env)
    .select()
    .from(capturedMail)
    .where(recipient === undefined ? undefined : eq(capturedMail.recipient, recipient))
    .orderBy(desc(capturedMail.capturedAt), desc(capturedMail.sendId))
    .limit(limit)
}
