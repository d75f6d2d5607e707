import { and, eq, sql } from 'drizzle-orm'
import { type Env, settings } from '../../env.ts'
import { aliases, mailboxes } from '../../schema/accounts.ts'
import { arrivals } from '../../schema/arrivals.ts'
import type { StoredFile } from '../../schema/letters.ts'
import { sends } from '../../schema/sending.ts'
import { keepDeadMessage } from '../delivery/dead-letters.ts'
import { parseAddress } from '../ground/address.ts'
import { database, prepared } from '../ground/ctx.ts'
import { sha256 } from '../ground/hash.ts'
import { newId } from '../ground/ids.ts'
import { learn } from '../ground/log.ts'
import { type ArrivalBell, ringArrivals, ringOutbox } from '../journal/bells.ts'
import { bodyKeyOf, keepBody } from '../mail/body.ts'
import { inboxStatements, type Letter } from '../mail/store.ts'
import { findThread } from '../mail/threading.ts'
import { decideByAnswer, isAnswerAddress, mailboxAnswered } from '../notices/answers.ts'
import type { BounceReport } from '../reading/bounces/bounce-report.ts'
import { readBounce } from '../reading/bounces/report.ts'
import { readReturnPath } from '../reading/bounces/return-path.ts'
import { readIntent } from '../reading/intent/embedded.ts'
import { BUDGET } from '../reading/mime/budget.ts'
import { type IncomingFile, type IncomingMail, readMail } from '../reading/mime/mail.ts'
import { blockedFile, safeFilename } from '../reading/text/files.ts'
import { sanitizeHtml, textOfHtml } from '../reading/text/html.ts'
import { injectionScore } from '../reading/text/injection.ts'
import { replyText } from '../reading/text/reply-text.ts'
import { recordBounce } from '../signals/reports.ts'

type Arrival = typeof arrivals.$inferSelect

/** How long a consumer has before the sweep rings again, in ms. */
const READ_WITHIN_MS = 60_000
const LOCKS_AT_MOST = 8

export type Reception = { accepted: true } | { accepted: false; reason: string }

/**
 * Takes one message from the mail exchanger, for one envelope recipient: raw into R2, a row, a bell. The same bytes for the
 * same recipient are taken once. What is for nobody here is refused with the reason to give in the SMTP dialogue.
 */
export async function arrive(
  env: Env,
  now: Date,
  { from, to, raw }: { from: string; to: string; raw: Uint8Array },
): Promise<Reception> {
  if (raw.byteLength > BUDGET.message) return refused('552 5.3.4 The message is above 25 MiB.')
  const address = parseAddress(to)
  if (address === null) return refused('501 5.1.3 This is not an address.')
  const goal = await goalOf(env, address.contact)
  if (goal === null) return refused('550 5.1.1 There is no such mailbox.')
  const hash = await sha256(raw)
  const rawKey = `arrivals/${goal.tenantId}/${hash}.eml`
  await env.MAIL.put(rawKey, raw)
  const [row] = await database(env)
    .insert(arrivals)
    .values({
      ...goal,
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
  learn({ tenantId: goal.tenantId, ...(row ? { arrivalId: row.arrivalId } : {}) })
  return { accepted: true }
}

const refused = (reason: string): Reception => ({ accepted: false, reason })

type Goal = { tenantId: string; mailboxId: string; sendId: string | null }

/** Whose mailbox, or which send's bounce address, it is. A bounce address whose seal is wrong is nobody's. */
async function goalOf(env: Env, contact: string): Promise<Goal | null> {
  const db = database(env)
  const { tokenSecret } = settings(env)
  const path = tokenSecret === null ? null : await readReturnPath(tokenSecret, contact)
  if (path === 'forged') return null
  if (path) {
    const [send] = await db
      .select({ tenantId: sends.tenantId, mailboxId: sends.mailboxId, sendId: sends.id })
      .from(sends)
      .where(and(eq(sends.id, path.sendId), eq(sends.carrier, 'smtp')))
    return send ?? null
  }
  if (isAnswerAddress(env, contact)) {
    const answered = await mailboxAnswered(env, contact)
    return answered && { ...answered, sendId: null }
  }
  const [mailbox] = await db
    .select({ tenantId: mailboxes.tenantId, mailboxId: mailboxes.id })
    .from(mailboxes)
    .where(eq(mailboxes.contact, contact))
  if (mailbox) return { ...mailbox, sendId: null }
  const [alias] = await db
    .select({ tenantId: aliases.tenantId, mailboxId: aliases.mailboxId })
    .from(aliases)
    .where(eq(aliases.contact, contact))
  return alias ? { ...alias, sendId: null } : null
}

/**
 * Reads what has arrived and puts it where it belongs: a report of delivery counts for its send, all else goes into the
 * mailbox. Safe to run twice; what cannot be read is stored all the same, as it came.
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
    await env.DB.batch([...(await recordBounce(env, report, now)), done])
    await ringOutbox(env, [tenantId])
    return
  }
  const letter = await letterFrom(env, arrival, raw, now)
  await env.DB.batch([...inboxStatements(env, [letter], now, null), done])
  await ringOutbox(env, [tenantId])
}

type ProvenReport = { tenantId: string; sendId: string; report: BounceReport }

/** Only what came to a send's own bounce address proves that its writer has seen the send. */
async function reportIn({ tenantId, sendId }: Arrival, raw: Uint8Array): Promise<ProvenReport | null> {
  if (sendId === null) return null
  const report = await readBounce(raw)
  return report && { tenantId, sendId, report }
}

async function letterFrom(env: Env, arrival: Arrival, raw: Uint8Array, now: Date): Promise<Letter> {
  const { tenantId, mailboxId, rawKey, recipient } = arrival
  const mail = await readMail(raw, { authservIds: settings(env).authservIds })
  const id = `msg_${(await sha256(`${tenantId}:${arrival.sha256}`)).slice(0, 36)}`
  const from = mail.from && parseAddress(mail.from.email)
  const thread = await findThread(env, { tenantId, mailboxId, mail, contact: from?.contact ?? '' })
  const html = mail.html === null ? null : sanitizeHtml(mail.html)
  const read = mail.text ?? (html === null ? '' : textOfHtml(html))
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
    replyText: replyText(read),
    rawKey,
    files,
    inReplyTo: thread?.inReplyTo ?? null,
    references: [...new Set([...mail.references, ...(mail.inReplyTo === null ? [] : [mail.inReplyTo])])],
    intent: readIntent({ subject: mail.subject, bodyText: read }).intent,
    authentication: mail.authentication,
    ambiguities: [...mail.ambiguities, ...(mail.unreadable === null ? [] : [mail.unreadable])],
    risk: riskOf(mail, thread?.isFirstContact ?? true),
    isAutomatic: mail.automatic.isAutomatic || arrival.envelopeFrom === '',
    createdAt: now.getTime(),
    recipients: [await mailboxContact(env, arrival, recipient)],
  }
}

/** Whatever address it came to: a note of absence comes to a bounce address, and an attached domain may be gone by now. */
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
