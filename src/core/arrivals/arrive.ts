import { eq } from 'drizzle-orm'
import { type Env, settings } from '../../env.ts'
import { aliases, mailboxes } from '../../schema/accounts.ts'
import { arrivals } from '../../schema/arrivals.ts'
import { parseAddress } from '../ground/address.ts'
import { database } from '../ground/ctx.ts'
import { sha256 } from '../ground/hash.ts'
import { newId } from '../ground/ids.ts'
import { learn } from '../ground/log.ts'
import { statement } from '../ground/sql.ts'
import { ringArrivals } from '../journal/bells.ts'
import { isAnswerAddress, mailboxAnswered } from '../notices/answers.ts'
import { readReturnPath } from '../reading/bounces/return-path.ts'
import { BUDGET } from '../reading/mime/budget.ts'
import { isOwnLetter } from './own-letters.ts'

/** How long a worker has to read an arrival before the sweep rings again, in ms. */
export const READ_WITHIN_MS = 60_000

type Reception = { accepted: true } | { accepted: false; reason: string }

/**
 * Accepts one mail from the mail exchanger for one envelope recipient: the raw bytes go to R2, then a row is written, then a
 * bell rung. The same bytes for the same recipient are accepted once. A recipient that has no mailbox here is refused, with
 * the reason to give in the SMTP dialogue.
 */
export async function arrive(
  env: Env,
  now: Date,
  { from, to, raw }: { from: string; to: string; raw: Uint8Array },
): Promise<Reception> {
  if (raw.byteLength > BUDGET.message) return refused('552 5.3.4 The message is above 25 MiB.')
  const address = parseAddress(to)
  if (address === null) return refused('501 5.1.3 This is not an address.')
  const destination = await destinationOf(env, address.contact)
  if (destination === null) return refused('550 5.1.1 There is no such mailbox.')
  // Accepted, because a refusal would come back to us as a bounce of the person's address.
  if (destination.sendId === null && isOwnLetter(env, raw)) return { accepted: true }
  const hash = await sha256(raw)
  const rawKey = `arrivals/${destination.tenantId}/${hash}.eml`
  await env.MAIL.put(rawKey, raw)
  const [row] = await database(env)
    .insert(arrivals)
    .values({
      ...destination,
      id: newId('arr', now),
      recipient: address.contact,
      sha256: hash,
      rawKey,
      envelopeFrom: from.slice(0, 320),
      size: raw.byteLength,
      state: 'received',
      nextAt: new Date(now.getTime() + READ_WITHIN_MS),
      receivedAt: now,
    })
    .onConflictDoNothing()
    .returning({ tenantId: arrivals.tenantId, arrivalId: arrivals.id })
  if (row) await ringArrivals(env, [row])
  learn({ tenantId: destination.tenantId, ...(row ? { arrivalId: row.arrivalId } : {}) })
  return { accepted: true }
}

const refused = (reason: string): Reception => ({ accepted: false, reason })

type Destination = { tenantId: string; mailboxId: string; sendId: string | null; contact: string | null }

const NO_REPORT = { sendId: null, contact: null }

/**
 * The recipient of a return path, if a relay was given the mail for them. Carriers with an API report by events that they
 * sign: for a recipient that one of them served, no mail is a report.
 */
const RETURNED_FOR = statement<{ tenant_id: string; mailbox_id: string; contact: string }>(`
  SELECT r.tenant_id, r.mailbox_id, r.contact FROM send_recipients r INDEXED BY send_recipients_by_return_path
  CROSS JOIN sends s ON s.tenant_id = r.tenant_id AND s.id = r.send_id
  WHERE r.send_id = :sendId AND r.carrier = 'smtp'
    AND r.contact = (
      SELECT j.value ->> 'contact' FROM json_each(s.recipients) j WHERE j.key = :position)`)

/** The mailbox that an address leads to; for a return path the sender's, with the recipient it is for. Null if there is none or the proof is wrong. */
async function destinationOf(env: Env, contact: string): Promise<Destination | null> {
  const db = database(env)
  const { tokenSecret } = settings(env)
  const path = tokenSecret === null ? null : await readReturnPath(tokenSecret, contact)
  if (path === 'forged') return null
  if (path) {
    const row = await RETURNED_FOR.first(env, path)
    return (
      row && { tenantId: row.tenant_id, mailboxId: row.mailbox_id, sendId: path.sendId, contact: row.contact }
    )
  }
  if (isAnswerAddress(env, contact)) {
    const answered = await mailboxAnswered(env, contact)
    return answered && { ...answered, ...NO_REPORT }
  }
  const [mailbox] = await db
    .select({ tenantId: mailboxes.tenantId, mailboxId: mailboxes.id })
    .from(mailboxes)
    .where(eq(mailboxes.contact, contact))
  if (mailbox) return { ...mailbox, ...NO_REPORT }
  const [alias] = await db
    .select({ tenantId: aliases.tenantId, mailboxId: aliases.mailboxId })
    .from(aliases)
    .where(eq(aliases.contact, contact))
  return alias ? { ...alias, ...NO_REPORT } : null
}
