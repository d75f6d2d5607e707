import { and, eq, sql } from 'drizzle-orm'
import { settings } from '../../env.ts'
import { type ReplyTo, sends } from '../../schema/sending.ts'
import { parseAddress } from '../ground/address.ts'
import { type Ctx, mustBeAllowed, reaches } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { blockedAmong, dropFiles, dropUnnamed, type GivenFile, keepFiles } from '../mail/files.ts'
import { messageIdOf } from '../mail/store.ts'
import type { Refusal } from '../policy/rules.ts'
import { sanitizeHtml } from '../reading/text/html.ts'
import { countUrls } from '../reading/text/links.ts'
import type { Door } from './door.ts'
import type { Composition, SendRequest } from './prepare.ts'
import { requestSends, type SendResult } from './request.ts'
import { simulateSends } from './simulate.ts'

/** A letter as its sender wrote it, before its HTML is sanitised. */
export type Letter = {
  mailboxId: string
  to: SendRequest['to']
  subject: string
  text: string | null
  html: string | null
  reply: ReplyTo | null
  /** Where answers are to go, if not to the mailbox. */
  replyTo?: string | null
  headers?: Record<string, string>
  fields?: SendRequest['fields']
  /** Of the Idempotency-Key header: a repeat with another body is an error. */
  key: string | null
  /** A key made from the letter itself, for a caller that gave none. */
  ownKey?: string | null
}

/** What became of a letter. A refusal is a value; `refusal` is null for a letter that was refused before. */
export type LetterResult = {
  requestId: string
  messageId: string
  status: Exclude<SendResult['status'], 'error' | 'duplicate'>
  refusal: Refusal | null
  approvalId: string | null
  /** As it was kept, if something in it was redacted. */
  subject: string | null
  createdAt: Date
  isKeyDerived: boolean
  /** The same letter was accepted before: this is its first answer. */
  isDuplicate: boolean
}

/**
 * Sends one letter. Its files are put into R2 first, and deleted again if the letter is refused or is a repeat. Throws
 * the `Fault` of a letter that cannot be judged, such as one without recipients.
 */
export async function sendLetter(
  ctx: Ctx,
  door: Door,
  letter: Letter,
  { files: given, urlsAtMost }: { files: GivenFile[]; urlsAtMost: number | null },
): Promise<LetterResult> {
  mustBeAllowed(ctx, 'send', letter.mailboxId)
  const urls = countUrls(letter.text, letter.html)
  const blockedFile = blockedAmong(given)
  const mayPass = blockedFile === null && (urlsAtMost === null || urls <= urlsAtMost)
  const files = mayPass ? await keepFiles(ctx, given) : []
  const request = requestOf(letter, { files, content: { urls, urlsAtMost, blockedFile } })
  const [result] = await requestSends(door, [request])
  if (!result) throw new Error('a request was given no result')
  if (result.status === 'error') {
    await dropFiles(ctx.env, files)
    throw new Fault(result.code, result.message, result.details)
  }
  if (result.status === 'blocked') await dropFiles(ctx.env, files)
  else if (request.dedupeKey !== null || result.isKeyDerived)
    await dropUnnamed(ctx, messageIdOf(result.requestId), files)
  return await resultOf(ctx, result)
}

async function resultOf(ctx: Ctx, result: Exclude<SendResult, { status: 'error' }>): Promise<LetterResult> {
  const { requestId, isKeyDerived } = result
  const common = { requestId, messageId: messageIdOf(requestId), isKeyDerived }
  if (result.status === 'duplicate') {
    return { ...common, ...(await firstAnswer(ctx, requestId)), refusal: null, isDuplicate: true }
  }
  const { status, verdict, approvalId, subject } = result
  const refusal = status === 'blocked' ? (verdict?.refusal ?? null) : null
  return { ...common, status, refusal, approvalId, subject, createdAt: ctx.now, isDuplicate: false }
}

/** The send request of a letter whose files lie in R2. Its HTML is sanitised here, so readers get it sanitised. */
export function requestOf(letter: Letter, composed: Omit<Composition, 'reply'>): SendRequest {
  const { mailboxId, to, subject, text, html, reply, replyTo, headers, fields, key, ownKey = null } = letter
  return {
    to,
    mailboxId,
    template: null,
    dedupeKey: key ?? ownKey,
    isHeaderKey: key !== null,
    payload: { subject, text, html: html === null ? null : sanitizeHtml(html) },
    ...(replyTo ? { replyTo } : {}),
    ...(headers ? { headers } : {}),
    ...(fields ? { fields } : {}),
    composed: { reply, ...composed },
  }
}

/** The recipients of a letter from lists of addresses. */
export function recipientsFrom(lists: { to: string[]; cc: string[]; bcc: string[] }): SendRequest['to'] {
  return (['to', 'cc', 'bcc'] as const).flatMap((kind) => lists[kind].map((email) => ({ kind, email })))
}

/** How the send that took a key was answered first, so that a repeat is answered alike. */
async function firstAnswer(
  ctx: Ctx,
  sendId: string,
): Promise<Pick<LetterResult, 'status' | 'approvalId' | 'subject' | 'createdAt'>> {
  const [send] = await ctx.db
    .select({
      state: sends.state,
      attempt: sends.attempt,
      approvalId: sends.approvalId,
      subject: sql<string | null>`${sends.input} ->> '$.inline.subject'`,
      createdAt: sends.createdAt,
      mailboxId: sends.mailboxId,
    })
    .from(sends)
    .where(and(eq(sends.tenantId, ctx.tenantId), eq(sends.id, sendId)))
  if (!send) throw new Fault('not_found', 'No such send.')
  if (!reaches(ctx, send.mailboxId)) {
    const message = 'This Idempotency-Key was used for a request of another agent. Use a new key.'
    throw new Fault('idempotency_mismatch', message)
  }
  mustBeAllowed(ctx, 'send', send.mailboxId)
  const { state, attempt, approvalId, subject, createdAt } = send
  const common = { approvalId, subject, createdAt }
  if (approvalId !== null) return { ...common, status: 'pending_approval' }
  // Without an attempt at a carrier, the send was delivered internally when it was settled.
  const isSettledAtOnce = attempt === 0 && (state === 'delivered' || state === 'bounced')
  return { ...common, status: isSettledAtOnce ? state : 'queued' }
}

/** Rules that judge the sender and not the content. */
const RULES_OF_STANDING = ['tenant', 'standing']

/** Why the mailbox may not send anything at present; null if it may. Writes nothing. */
export async function barOf(door: Door, mailboxId: string): Promise<Refusal | null> {
  const to = [{ kind: 'to' as const, email: `nobody@${settings(door.env).mailDomain}` }]
  const [result] = await simulateSends(door, [
    { to, mailboxId, template: null, dedupeKey: null, payload: null },
  ])
  const refusal = result?.status === 'simulated' ? result.verdict?.refusal : null
  return refusal && RULES_OF_STANDING.includes(refusal.rule) ? refusal : null
}

/** Whether all of these addresses lie in our own domain. */
export function areOurs({ env }: Pick<Ctx, 'env'>, addresses: string[]): boolean {
  const { mailDomain } = settings(env)
  return addresses.every((address) => parseAddress(address)?.domain === mailDomain)
}
