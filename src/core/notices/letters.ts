import { and, asc, eq, isNotNull, lte, ne, sql } from 'drizzle-orm'
import { type Env, settings } from '../../env.ts'
import { mailboxes } from '../../schema/accounts.ts'
import { approvalTokens } from '../../schema/notices.ts'
import { approvals, sends } from '../../schema/sending.ts'
import { database } from '../ground/ctx.ts'
import { sha256 } from '../ground/hash.ts'
import { newBearer, newToken } from '../ground/ids.ts'
import { tellFailure } from '../ground/log.ts'
import { type Reader, readersOf } from '../journal/notice-readers.ts'
import { readRendered } from '../letters/rendered.ts'
import { quotation } from '../reading/text/visible.ts'
import { answerAddress } from './answers.ts'
import { shownIn } from './shown.ts'
import { sendSystemMail } from './system-mail.ts'

/** The time between two rounds of letters to the people of a tenant, in ms. */
const APART_MS = 5 * 60_000
/** After this time an interrupted round is started again, in ms. */
const AGAIN_MS = 10 * 60_000
/** Up to this many held messages get a letter each; more of them share one. */
const ALONE_AT_MOST = 3
const IN_ONE_LETTER = 20
const AT_ONCE = 200
/** The most recipients of one message that a letter about many names. */
const NAMED_AT_MOST = 5

type Held = Awaited<ReturnType<typeof dueNotices>>[number]

/**
 * Mails the people who may decide about the messages that were held since the last round: one letter for each of up to three
 * messages, one letter for all if there are more, and five minutes between rounds. Each letter has a link; one about a single
 * message can be answered with "reject", and with "approve" if it shows the whole message.
 */
export async function noticeHeld(env: Env, now: Date): Promise<void> {
  const due = await dueNotices(env, now)
  for (const [tenantId, held] of Map.groupBy(due, ({ tenantId }) => tenantId)) {
    try {
      await noticeTenant(env, now, tenantId, held)
    } catch (error) {
      tellFailure('notice_failed', error, { tenantId })
    }
  }
}

async function dueNotices(env: Env, now: Date) {
  const db = database(env)
  await db
    .update(approvals)
    .set({ noticeAt: null })
    .where(and(lte(approvals.noticeAt, now), ne(approvals.status, 'pending')))
  return await db
    .select({
      tenantId: approvals.tenantId,
      id: approvals.id,
      sha256: sql<string>`${approvals.sha256}`,
      holdReason: approvals.holdReason,
      expiresAt: approvals.expiresAt,
      renderedKey: sends.renderedKey,
      from: mailboxes.address,
      recipients: sends.recipients,
    })
    .from(approvals)
    .innerJoin(sends, and(eq(sends.tenantId, approvals.tenantId), eq(sends.id, approvals.sendId)))
    .innerJoin(
      mailboxes,
      and(eq(mailboxes.tenantId, approvals.tenantId), eq(mailboxes.id, approvals.mailboxId)),
    )
    .where(
      and(
        lte(approvals.noticeAt, now),
        eq(approvals.status, 'pending'),
        isNotNull(approvals.sha256),
        sql`NOT EXISTS (SELECT 1 FROM approvals told WHERE told.tenant_id = ${approvals.tenantId}
          AND told.noticed_at > ${now.getTime() - APART_MS})`,
      ),
    )
    .orderBy(asc(approvals.noticeAt))
    .limit(AT_ONCE)
}

async function noticeTenant(env: Env, now: Date, tenantId: string, due: Held[]): Promise<void> {
  const db = database(env)
  const these = and(
    eq(approvals.tenantId, tenantId),
    sql`${approvals.id} IN (SELECT value FROM json_each(${JSON.stringify(due.map(({ id }) => id))}))`,
  )
  const locked = await db
    .update(approvals)
    .set({ noticeAt: new Date(now.getTime() + AGAIN_MS) })
    .where(and(these, lte(approvals.noticeAt, now)))
    .returning({ id: approvals.id })
  const held = due.filter(({ id }) => locked.some((each) => each.id === id))
  if (held.length === 0) return
  for (const reader of await readersOf(env, tenantId, ['owner', 'approver'])) {
    if (held.length > ALONE_AT_MOST) await mailTogether({ env, now }, tenantId, reader, held)
    else for (const each of held) await mailAlone({ env, now }, tenantId, reader, each)
  }
  await db
    .update(approvals)
    .set({ noticeAt: null, noticedAt: now })
    .where(and(these, isNotNull(approvals.noticeAt)))
}

type At = { env: Env; now: Date }

async function mailAlone(at: At, tenantId: string, reader: Reader, held: Held): Promise<void> {
  const { publicUrl } = settings(at.env)
  const [link, answer] = [newBearer(), newToken()]
  await keepTokens(at, tenantId, reader, [
    { held, door: 'link', token: link },
    { held, door: 'answer', token: answer },
  ])
  const rendered = await readRendered(at.env, held.renderedKey)
  const shown = rendered?.sha256 === held.sha256 ? shownIn(rendered) : NOTHING_SHOWN
  await sendSystemMail(at, {
    to: reader.email,
    replyTo: answerAddress(at.env, answer),
    subject: `To be decided: a message from ${held.from}`,
    text: `The agent with the address ${held.from} wants to send this message. It waits for your decision: ${held.holdReason}.

Each line of the message begins with "|" here. What is hidden or changes the direction of the text is named, as in [U+202E].

${shown.lines.join('\n')}

SHA-256 of the message: ${held.sha256}

Read the message as the recipient will see it, and decide:

${publicUrl}/portal/decide/${link}

${howToAnswer(shown.hidden)} Only the first answer from this address counts. If nobody decides, the message is rejected at
${held.expiresAt.toISOString().slice(0, 16).replace('T', ' ')} UTC.
`,
  })
}

const NOTHING_SHOWN = { lines: ['|'], hidden: ['the message'] }

/** An answer may approve only what the letter shows whole. */
function howToAnswer(hidden: string[]): string {
  return hidden.length === 0
    ? 'Or answer this letter with the word "approve" alone, or with "reject" and a reason.'
    : `This letter does not show everything: ${hidden.join(', ')}. So only the link can approve it. You may answer this letter with
"reject" and a reason.`
}

async function mailTogether(at: At, tenantId: string, reader: Reader, held: Held[]): Promise<void> {
  const { publicUrl } = settings(at.env)
  const named = held
    .slice(0, IN_ONE_LETTER)
    .map((each) => ({ held: each, door: 'link' as const, token: newBearer() }))
  await keepTokens(at, tenantId, reader, named)
  const lines = named.map(({ held: each, token }) =>
    [`From ${each.from}`, ...toLines(each), `${publicUrl}/portal/decide/${token}`].join('\n'),
  )
  const more = held.length - named.length
  await sendSystemMail(at, {
    to: reader.email,
    subject: `${held.length} messages wait for you`,
    text: `Agents want to send these messages. They wait for your decision:

${lines.join('\n\n')}

${more > 0 ? `And ${more} more. ` : ''}All messages that wait: ${publicUrl}/portal/approvals
`,
  })
}

type Token = { held: Held; door: 'link' | 'answer'; token: string }

async function keepTokens({ env }: At, tenantId: string, reader: Reader, tokens: Token[]): Promise<void> {
  const db = database(env)
  for (const { held, door, token } of tokens) {
    await db.insert(approvalTokens).values({
      tokenHash: await sha256(token),
      tenantId,
      approvalId: held.id,
      ownerId: reader.id,
      door,
      sha256: held.sha256,
      expiresAt: held.expiresAt,
    })
  }
}

/** The recipients of a message in quoted lines. */
function toLines({ recipients }: Held): string[] {
  const named = recipients.slice(0, NAMED_AT_MOST).flatMap(({ email }) => quotation(`to ${email}`))
  const more = recipients.length - NAMED_AT_MOST
  return more > 0 ? [...named, `and ${more} more recipients`] : named
}
