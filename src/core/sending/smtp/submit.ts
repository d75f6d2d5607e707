import { and, eq } from 'drizzle-orm'
import { settings } from '../../../env.ts'
import { aliases } from '../../../schema/accounts.ts'
import type { Sender } from '../../accounts/sender.ts'
import type { Submitter } from '../../accounts/smtp-credentials.ts'
import { type Address, parseAddress } from '../../ground/address.ts'
import type { Ctx } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { sha256 } from '../../ground/hash.ts'
import { statement } from '../../ground/sql.ts'
import { messageIdOf } from '../../mail/store.ts'
import type { Refusal } from '../../policy/rules.ts'
import type { Door } from '../door.ts'
import { type LetterResult, sendLetter } from '../letter.ts'
import type { SendRequest } from '../prepare.ts'
import { findReplied, foreignReferences } from '../reply.ts'
import { simulateSends } from '../simulate.ts'
import { readSubmission, type Submitted } from './message.ts'

/** The most recipients of one message, the same on every surface. */
export const RECIPIENTS_AT_MOST = 50

const NO_SUBJECT = '(no subject)'

/** The addresses of MAIL FROM and RCPT TO. An empty sender is the null reverse-path. */
type Envelope = { from: string; to: string[] }

type Submission =
  | { kind: 'refused'; refusal: Refusal }
  | {
      kind: 'accepted'
      requestId: string
      status: 'queued' | 'delivered' | 'bounced' | 'pending_approval'
      approvalId: string | null
      /** The names of the header fields that do not leave. */
      droppedFields: string[]
    }

/**
 * Sends a submitted message. The same message to the same recipients, recognised by its Message-ID and content, is sent
 * once and answered as the first time. Without a Message-ID each submission is a new message. Recipients that are in
 * neither To nor Cc get blind copies.
 */
export async function submitMessage(
  { ctx, account }: Submitter,
  { envelope, raw, key }: { envelope: Envelope; raw: Uint8Array; key: string | null },
): Promise<Submission> {
  const recipients = recipientsOf(envelope)
  const submitter = { ctx, account }
  if (envelope.from !== '' && !(await isOwn(submitter, envelope.from)))
    return notOwn(account, 'envelope sender')
  const message = await readSubmission(raw)
  if ('reason' in message) return { kind: 'refused', refusal: message }
  if (!(await isOwn(submitter, message.from.email))) return notOwn(account, 'From')

  const mailboxId = account.mailbox.id
  const [thread, ownKey] = await Promise.all([
    threadOf(ctx, mailboxId, message),
    key === null ? dedupeKeyOf(mailboxId, message, recipients) : null,
  ])
  const { text, html, files, replyTo, droppedFields, asksUnsubscribe } = message
  const letter = {
    ...{ mailboxId, to: partiesOf(message, recipients), subject: message.subject || NO_SUBJECT, text, html },
    ...{ reply: thread.reply, replyTo, headers: { ...message.headers, ...thread.headers }, key, ownKey },
    fields: { dropped: droppedFields, asksUnsubscribe },
  }
  const result = await sendLetter(ctx, doorOf({ ctx, account }), letter, { files, urlsAtMost: null })
  return submissionOf(result, droppedFields)
}

/**
 * Why any message from the mailbox to this recipient would be refused, or null. Writes nothing. A mail program calls it
 * for each recipient before it submits the message.
 */
export async function refusalOf(submitter: Submitter, recipient: string): Promise<Refusal | null> {
  const address = parseAddress(recipient)
  if (!address) return { reason: 'invalid_recipient', detail: 'this is no address that mail can be sent to' }
  if (!(await exists(submitter.ctx, address))) {
    return { reason: 'no_such_mailbox', detail: 'no such mailbox here' }
  }
  const [result] = await simulateSends(doorOf(submitter), [
    {
      ...{ to: [{ kind: 'to', email: address.email }], mailboxId: submitter.account.mailbox.id },
      ...{ template: null, dedupeKey: null, payload: null },
    },
  ])
  if (result?.status === 'error') throw new Fault(result.code, result.message, result.details)
  return result?.verdict?.refusal ?? null
}

const MAILBOX_OF = statement<{ found: 1 }>('SELECT 1 AS found FROM mailboxes WHERE contact = :contact')

async function exists({ env }: Ctx, { contact, domain }: Address): Promise<boolean> {
  if (domain !== settings(env).mailDomain) return true
  // Looks in all tenants, as any mail server does, and does not say whose mailbox it is.
  const row = await MAILBOX_OF.first(env, { contact })
  return row !== null
}

function doorOf({ ctx, account: { mailbox } }: Submitter): Door {
  const { env, now, actor, tenantId } = ctx
  return {
    ...{ env, now, name: 'smtp', credential: { actor, tenantId }, tenantId: null },
    agent: mailbox.agentId === null ? null : { id: mailbox.agentId, name: null },
  }
}

/** Whether this is the mailbox's own address or one in an attached domain. It writes from its newest in any case. */
async function isOwn({ ctx, account: { mailbox } }: Submitter, address: string): Promise<boolean> {
  const contact = parseAddress(address)?.contact
  if (contact === undefined || contact === mailbox.contact) return contact !== undefined
  const [alias] = await ctx.db
    .select({ contact: aliases.contact })
    .from(aliases)
    .where(
      and(
        eq(aliases.tenantId, ctx.tenantId),
        eq(aliases.mailboxId, mailbox.id),
        eq(aliases.contact, contact),
      ),
    )
  return alias !== undefined
}

function notOwn({ mailbox }: Sender, what: string): Submission {
  const detail = `the ${what} is not ${mailbox.address}, which this credential sends from`
  return { kind: 'refused', refusal: { reason: 'sender_not_allowed', detail } }
}

function recipientsOf({ to }: Envelope): Address[] {
  const found = new Map<string, Address>()
  for (const given of to) {
    const address = parseAddress(given)
    if (!address)
      throw new Fault('invalid', 'to: a recipient is no address that mail can be sent to.', { field: 'to' })
    if (!found.has(address.contact)) found.set(address.contact, address)
  }
  if (found.size === 0 || found.size > RECIPIENTS_AT_MOST) {
    throw new Fault('invalid', `to: a message has 1 to ${RECIPIENTS_AT_MOST} recipients.`, { field: 'to' })
  }
  return [...found.values()]
}

/** The recipients of the envelope by To and Cc. A recipient in neither gets a blind copy. */
function partiesOf({ to, cc }: Submitted, recipients: Address[]): SendRequest['to'] {
  const open = new Map(recipients.map((address) => [address.contact, address]))
  const named = [...to.map((party) => ['to', party] as const), ...cc.map((party) => ['cc', party] as const)]
  const parties = named.flatMap(([kind, { email, name }]): SendRequest['to'] => {
    const address = open.get(parseAddress(email)?.contact ?? '')
    return address && open.delete(address.contact) ? [{ kind, email: address.email, name }] : []
  })
  return [...parties, ...[...open.values()].map(({ email }) => ({ kind: 'bcc' as const, email }))]
}

/** The message that is answered, if the mailbox has it, also by the Message-ID that a mail program gave it. */
async function threadOf(ctx: Ctx, mailboxId: string, { inReplyTo, references }: Submitted) {
  const named = [...references, ...(inReplyTo === null ? [] : [inReplyTo])]
  if (named.length === 0) return { reply: null }
  const sent = await sentUnder(ctx, mailboxId, named)
  const reply = await findReplied(ctx, mailboxId, ...named.map((id) => sent.get(id) ?? id))
  return reply ? { reply } : { reply: null, headers: foreignReferences(inReplyTo, references) }
}

const SENT_UNDER = statement<{ position: number; id: string }>(`
  SELECT n.key AS position, s.id FROM json_each(:stems) n CROSS JOIN sends s INDEXED BY sends_by_burned_key
    ON s.tenant_id = :tenant AND s.burned_key IS NOT NULL
      AND s.burned_key >= n.value AND s.burned_key < n.value || 'g'`)

/** Our ids of messages submitted over SMTP with these Message-IDs. Their recipients see Message-IDs of ours. */
async function sentUnder(ctx: Ctx, mailboxId: string, messageIds: string[]): Promise<Map<string, string>> {
  const stems = await Promise.all(messageIds.map((id) => stemOf(mailboxId, id)))
  const rows = await SENT_UNDER.all(ctx.env, { tenant: ctx.tenantId, stems: JSON.stringify(stems) })
  return new Map(rows.map(({ position, id }) => [messageIds[position] ?? '', messageIdOf(id)]))
}

/** The common prefix of the dedupe keys of one Message-ID; hexadecimal digits follow. */
async function stemOf(mailboxId: string, messageId: string): Promise<string> {
  return `smtp:${(await sha256(`${mailboxId} ${messageId}`)).slice(0, 32)}:`
}

/**
 * The dedupe key of a submission: made from Message-ID, recipients and content, since a program may submit the same
 * message with new boundaries and a new Date, or send it to others under the same Message-ID.
 */
async function dedupeKeyOf(
  mailboxId: string,
  message: Submitted,
  recipients: Address[],
): Promise<string | null> {
  const { messageId, files, headers, droppedFields: _d, from: _, ...said } = message
  if (messageId === null) return null
  const contents = await Promise.all(
    files.map(async ({ content, ...file }) => ({ ...file, sha256: await sha256(content) })),
  )
  const envelope = recipients.map(({ contact }) => contact).sort()
  const digest = await sha256(JSON.stringify([said, Object.entries(headers).sort(), contents, envelope]))
  return `${await stemOf(mailboxId, messageId)}${digest.slice(0, 32)}`
}

function submissionOf(
  { requestId, status, refusal, approvalId }: LetterResult,
  droppedFields: string[],
): Submission {
  if (status === 'blocked') {
    return { kind: 'refused', refusal: refusal ?? { reason: 'not_sent', detail: 'it was refused before' } }
  }
  const said = status === 'scheduled' ? 'queued' : status
  return { kind: 'accepted', requestId, status: said, approvalId, droppedFields }
}
