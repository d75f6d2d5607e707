import { and, eq, sql } from 'drizzle-orm'
import { type Env, settings } from '../../env.ts'
import { mailboxes } from '../../schema/accounts.ts'
import { arrivals } from '../../schema/arrivals.ts'
import type { StoredFile } from '../../schema/letters.ts'
import { keepDeadMessage } from '../delivery/dead-letters.ts'
import { parseAddress } from '../ground/address.ts'
import { database, prepared } from '../ground/ctx.ts'
import { sha256 } from '../ground/hash.ts'
import { type ArrivalBell, ringOutbox } from '../journal/bells.ts'
import { bodyKeyOf, keepBody } from '../mail/body.ts'
import { inboxStatements, type Letter } from '../mail/store.ts'
import { findThread } from '../mail/threading.ts'
import { decideByAnswer, isAnswerAddress } from '../notices/answers.ts'
import type { BounceReport } from '../reading/bounces/bounce-report.ts'
import { readBounce } from '../reading/bounces/report.ts'
import { readIntent } from '../reading/intent/embedded.ts'
import { type IncomingFile, type IncomingMail, readMail } from '../reading/mime/mail.ts'
import { blockedFile, safeFilename } from '../reading/text/files.ts'
import { sanitizeHtml, textOfHtml } from '../reading/text/html.ts'
import { injectionScore } from '../reading/text/injection.ts'
import { replyText } from '../reading/text/reply-text.ts'
import { bounceStatements } from '../signals/reports.ts'
import { READ_WITHIN_MS } from './arrive.ts'
import { holdsPersonalLink } from './own-letters.ts'

type Arrival = typeof arrivals.$inferSelect

/** An arrival that was locked more often than this without progress becomes a dead letter. */
const LOCKS_AT_MOST = 8

/**
 * Reads an arrival: a delivery report is counted for its send, an answer to a notice decides an approval, and any other mail
 * goes into the mailbox. A mail that cannot be parsed is stored as it came. Safe to run twice.
 */
export async function takeIn(env: Env, { tenantId, arrivalId }: ArrivalBell, now: Date): Promise<void> {
  const db = database(env)
  const isIt = and(eq(arrivals.tenantId, tenantId), eq(arrivals.id, arrivalId))
  const [arrival] = await db
    .update(arrivals)
    .set({ locks: sql`${arrivals.locks} + 1`, nextAt: new Date(now.getTime() + READ_WITHIN_MS) })
    .where(and(isIt, eq(arrivals.state, 'received')))
    .returning()
  if (!arrival) return
  const object = arrival.locks > LOCKS_AT_MOST ? null : await env.MAIL.get(arrival.rawKey)
  if (!object) {
    await db.update(arrivals).set({ state: 'failed', nextAt: null }).where(isIt)
    await keepDeadMessage(env, 'jobs', { tenantId, arrivalId }, now)
    return
  }
  const raw = new Uint8Array(await object.arrayBuffer())
  const done = prepared(env, db.update(arrivals).set({ state: 'stored', nextAt: null }).where(isIt))
  if (isAnswerAddress(env, arrival.recipient)) {
    await decideByAnswer({ env, now }, arrival, raw)
    await done.run()
    return
  }
  const report = await reportIn(arrival, raw)
  if (report !== null) {
    await env.DB.batch([...bounceStatements(env, report, now), done])
    await ringOutbox(env, [tenantId])
    return
  }
  const mail = await readMail(raw, { authservIds: settings(env).authservIds })
  if (holdsPersonalLink(env, mail)) {
    await done.run()
    return
  }
  const letter = await letterFrom(env, arrival, mail, now)
  await env.DB.batch([...inboxStatements(env, [letter], now, null), done])
  await ringOutbox(env, [tenantId])
}

type ProvenReport = { tenantId: string; sendId: string; contact: string; report: BounceReport }

/** Only mail to a return path is a report: the address proves that its writer has seen the mail to that recipient. */
async function reportIn(
  { tenantId, sendId, contact }: Arrival,
  raw: Uint8Array,
): Promise<ProvenReport | null> {
  if (sendId === null || contact === null) return null
  const report = await readBounce(raw)
  return report && { tenantId, sendId, contact, report }
}

async function letterFrom(env: Env, arrival: Arrival, mail: IncomingMail, now: Date): Promise<Letter> {
  const { tenantId, mailboxId, rawKey, recipient } = arrival
  const id = `msg_${(await sha256(`${tenantId}:${arrival.sha256}`)).slice(0, 36)}`
  const from = mail.from && parseAddress(mail.from.email)
  const thread = await findThread(env, { tenantId, mailboxId, mail, contact: from?.contact ?? '' })
  const html = mail.html === null ? null : sanitizeHtml(mail.html)
  const files = await keepFiles(env, tenantId, id, mail.files)
  const body = await keepBody(env, bodyKeyOf(tenantId, id), { text: mail.text, html })
  return {
    id,
    threadId: thread?.threadId ?? `thread_${id.slice(4)}`,
    sendId: null,
    senderTenantId: null,
    fromMailboxId: null,
    rfcId: mail.messageId ?? `${id}@${settings(env).mailDomain}`,
    deliveryType: 'external',
    fromAddress: from?.email ?? mail.claimedFrom,
    fromContact: from?.contact ?? '',
    fromName: mail.from?.name ?? null,
    to: mail.to.map(({ email }) => email),
    cc: mail.cc.map(({ email }) => email),
    bcc: [],
    replyTo: mail.replyTo[0]?.email ?? null,
    subject: mail.subject,
    ...body,
    rawKey,
    files,
    inReplyTo: thread?.inReplyTo ?? null,
    references: [...new Set([...mail.references, ...(mail.inReplyTo === null ? [] : [mail.inReplyTo])])],
    ...readingOf(mail, html, thread?.isFirstContact ?? true),
    isAutomatic: mail.automatic.isAutomatic || arrival.envelopeFrom === '',
    createdAt: now.getTime(),
    recipients: [await mailboxContact(env, arrival, recipient)],
  }
}

/** What reading tells of a mail. */
function readingOf(mail: IncomingMail, html: string | null, isFirstContact: boolean) {
  const text = mail.text ?? (html === null ? '' : textOfHtml(html))
  return {
    replyText: replyText(text),
    intent: readIntent({ subject: mail.subject, bodyText: text }).intent,
    authentication: mail.authentication,
    ambiguities: [...mail.ambiguities, ...(mail.unreadable === null ? [] : [mail.unreadable])],
    risk: riskOf(mail, isFirstContact),
  }
}

/** The mailbox's own address: the mail may have come to a bounce address, or in a domain that has been removed since. */
async function mailboxContact(env: Env, { tenantId, mailboxId }: Arrival, recipient: string) {
  const [mailbox] = await database(env)
    .select({ contact: mailboxes.contact })
    .from(mailboxes)
    .where(and(eq(mailboxes.tenantId, tenantId), eq(mailboxes.id, mailboxId)))
  return mailbox?.contact ?? recipient
}

function riskOf({ subject, text, html, from, replyTo, files }: IncomingMail, isFirstContact: boolean) {
  return injectionScore({
    subject,
    text,
    html,
    from,
    replyTo: replyTo.map(({ email }) => email),
    isFirstContact,
    files: files.map(({ filename, contentType }) => ({ filename, contentType })),
  })
}

async function keepFiles(
  env: Env,
  tenantId: string,
  messageId: string,
  files: IncomingFile[],
): Promise<StoredFile[]> {
  return await Promise.all(
    files.map(async ({ filename, contentType, size, content }, position) => {
      const id = `att_${position + 1}`
      const key = `files/${tenantId}/${messageId}/${id}`
      await env.MAIL.put(key, content)
      const blocked = blockedFile({ filename, contentType, content })
      return { id, filename: safeFilename(filename), contentType, size, key, ...(blocked ? { blocked } : {}) }
    }),
  )
}
