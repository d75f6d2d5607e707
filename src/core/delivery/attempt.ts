import { and, eq, inArray, sql } from 'drizzle-orm'
import { settings } from '../../env.ts'
import { type SendState, sendRecipients, sends } from '../../schema/sending.ts'
import { one, prepared } from '../ground/ctx.ts'
import { fragment } from '../ground/sql.ts'
import { ringOutbox } from '../journal/bells.ts'
import { sendEventStatement } from '../journal/event-rows.ts'
import { appendTrace } from '../journal/traces.ts'
import { refund } from '../limits/reservations.ts'
import { fence } from '../policy/fence.ts'
import { classify } from '../reading/bounces/classify.ts'
import { readReply } from '../reading/bounces/reply.ts'
import { resolveStatements, type Signal, signalStatements } from '../signals/signals.ts'
import type { Outcome, RefusedRecipient } from './carrier.ts'
import { giveUp } from './dead-letters.ts'
import { CLAIM_MS, type Locked, resendAt } from './lock.ts'

/** Waits between rounds over all carriers, in ms; the last one repeats. */
const BACK_OFF_MS = [5_000, 30_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000]
/** How long a send is tried before it fails, in ms. */
const TRY_FOR_MS = 86_400_000

export type Departure = { departed: true } | { departed: false; state: SendState; reason: string | null }

const FENCE = fence('sends', '(SELECT value AS contact FROM json_each(:contacts))', 'sends.domain_id')

/**
 * Moves a send to `in_flight`, durable before the first byte leaves for the carrier, unless the fence is closed for the
 * recipients it is to be asked for: then the send ends `blocked` and its windows are given back.
 */
export async function depart(
  locked: Locked,
  carrier: string,
  asked: string[],
  now: Date,
): Promise<Departure> {
  const { env, db, send, hold } = locked
  const at = now.getTime()
  const isMine = and(
    eq(sends.tenantId, send.tenantId),
    eq(sends.id, send.id),
    eq(sends.lockToken, hold.token),
  )
  const stoppedBy = fragment(FENCE, {
    now: at,
    contacts: JSON.stringify(asked.map((email) => contactOf(send, email))),
  })
  const isAsked = sql`${sendRecipients.contact} IN (${listed(send, asked)})`
  const statements = [
    db
      .update(sends)
      .set({
        state: 'in_flight',
        carrier,
        attempt: sql`${sends.attempt} + 1`,
        pinnedRecipients: asked,
        lockUntil: new Date(at + CLAIM_MS),
        nextAt: new Date(at + CLAIM_MS),
        updatedAt: now,
      })
      .where(and(isMine, inArray(sends.state, ['claimed', 'in_flight']), sql`${stoppedBy} IS NULL`)),
    db
      .update(sends)
      .set({
        state: 'blocked',
        reason: stoppedBy,
        detail: 'refused at dispatch: the facts changed after the send was accepted',
        burnedKey: null,
        nextAt: null,
        lockUntil: null,
        updatedAt: now,
      })
      .where(and(isMine, sql`${stoppedBy} IS NOT NULL`)),
    db
      .update(sendRecipients)
      .set({
        state: sql`iif(s.state = 'blocked', 'void', iif(${isAsked}, 'in_flight', 'pending'))`,
        carrier: sql`iif(${isAsked}, ${carrier}, ${sendRecipients.carrier})`,
        updatedAt: now,
      })
      .from(sql`sends s`)
      .where(
        sql`s.tenant_id = ${send.tenantId} AND s.id = ${send.id} AND s.lock_token = ${hold.token}
          AND ${sendRecipients.tenantId} = s.tenant_id AND ${sendRecipients.sendId} = s.id
          AND ${inArray(sendRecipients.contact, contactsOf(send))}
          AND ${inArray(sendRecipients.state, ['pending', 'in_flight'])}`,
      ),
    appendTrace(db, hold, 'routing', now, { carrier, attempt: send.attempt + 1 }, 'in_flight'),
    appendTrace(db, hold, 'delivery', now, { outcome: 'stopped', state: 'blocked' }, 'blocked'),
  ].map((query) => prepared(env, query))
  const answers = await env.DB.batch<{ state: SendState; reason: string | null }>([
    ...statements,
    sendEventStatement(env, hold, 'message.failed', ['blocked'], now),
    prepared(env, db.select({ state: sends.state, reason: sends.reason }).from(sends).where(isMine)),
  ])
  const row = answers.at(-1)?.results[0]
  if (row?.state === 'in_flight') {
    send.attempt += 1
    send.carrier = carrier
    return { departed: true }
  }
  if (row?.state === 'blocked') {
    await refund({ env, now }, send.tenantId, [send.id])
    await ringOutbox(env, [send.tenantId])
  }
  return { departed: false, state: row?.state ?? 'claimed', reason: row?.reason ?? 'lock_lost' }
}

/** The recipients that no carrier has yet accepted or finally refused, in the order they were given; and which of them are internal. */
export async function remainingRecipients({
  env,
  db,
  send,
}: Locked): Promise<{ email: string; isInternal: boolean }[]> {
  const rows = await db
    .select({
      email: sendRecipients.email,
      isAlias: sql<number>`EXISTS (SELECT 1 FROM aliases x WHERE x.contact = send_recipients.contact)`,
    })
    .from(sendRecipients)
    .where(
      and(
        eq(sendRecipients.tenantId, send.tenantId),
        inArray(sendRecipients.contact, contactsOf(send)),
        eq(sendRecipients.sendId, send.id),
        inArray(sendRecipients.state, ['pending', 'in_flight']),
      ),
    )
  const open = new Map(rows.map((row) => [row.email, row.isAlias === 1]))
  const ending = `@${settings(env).mailDomain}`
  return send.recipients.flatMap(({ email }) => {
    const isAlias = open.get(email)
    return isAlias === undefined ? [] : [{ email, isInternal: isAlias || email.endsWith(ending) }]
  })
}

/**
 * Writes down what an attempt came to and moves the send on. `following` is what will be tried at once, so that the lock is
 * kept: another carrier after a definite refusal, or the other recipients after any clear answer; an ambiguous attempt pins the send to its carrier until something resolves it.
 */
export async function recordOutcome(
  locked: Locked,
  attempted: string[],
  outcome: Outcome,
  options: {
    now: Date
    carrier: string
    /** Whom the carrier was asked to serve: all of those attempted, unless some must have their turn later. */
    asked: string[]
    replayableMs: number | null
    following: 'next_carrier' | 'other_recipients' | null
    latencyMs: number
  },
): Promise<{ state: SendState; waitMs: number | null }> {
  const { env, db, send, hold } = locked
  const { now, carrier, asked } = options
  const next = after(send, attempted, outcome, options)
  const refused = 'refused' in outcome ? outcome.refused : 'recipients' in outcome ? outcome.recipients : []
  const states = new Map<(typeof sendRecipients.$inferSelect)['state'], string[]>()
  for (const email of attempted) {
    const state = recipientState(email, outcome, refused, next.state)
    states.set(state, [...(states.get(state) ?? []), contactOf(send, email)])
  }
  const statements = [
    db
      .update(sends)
      .set({
        state: next.state,
        reason: next.reason,
        detail: next.detail,
        nextAt: next.state === 'unknown' ? resendAt(now) : next.nextAt,
        locks: 0,
        lockUntil: next.state === 'claimed' ? new Date(now.getTime() + CLAIM_MS) : null,
        ambiguousAt: next.isAmbiguous ? (send.ambiguousAt ?? now) : null,
        pinnedRecipients: next.isAmbiguous ? asked : null,
        carrierMessageId:
          outcome.kind === 'accepted' ? outcome.carrierMessageId : sql`${sends.carrierMessageId}`,
        updatedAt: now,
      })
      .where(
        and(
          eq(sends.tenantId, send.tenantId),
          eq(sends.id, send.id),
          eq(sends.lockToken, hold.token),
          eq(sends.state, 'in_flight'),
        ),
      ),
    appendTrace(db, hold, 'delivery', now, {
      carrier,
      attempt: send.attempt,
      outcome: outcome.kind,
      state: next.state,
      latencyMs: options.latencyMs,
      ...('code' in outcome ? { code: outcome.code, detail: outcome.detail } : {}),
      ...(outcome.kind === 'accepted' ? { carrierMessageId: outcome.carrierMessageId } : {}),
      ...(refused.length > 0 ? { refused } : {}),
    }),
    ...[...states].map(([state, contacts]) =>
      db
        .update(sendRecipients)
        .set({ state, updatedAt: now })
        .where(
          and(
            eq(sendRecipients.tenantId, send.tenantId),
            inArray(sendRecipients.contact, contacts),
            eq(sendRecipients.sendId, send.id),
            // What a report has said meanwhile stands.
            inArray(sendRecipients.state, ['pending', 'in_flight']),
          ),
        ),
    ),
  ].map((query) => prepared(env, query))
  const signals = signalsIn(send, attempted, outcome, refused)
  await env.DB.batch([
    ...statements,
    sendEventStatement(env, hold, 'message.sent', ['accepted', 'delivered'], now),
    sendEventStatement(env, hold, 'message.failed', ['failed'], now),
    // An address that does not exist is told of by its signal; here is what came back for another reason.
    ...(signals.length === 0 ? [sendEventStatement(env, hold, 'message.bounced', ['bounced'], now)] : []),
    ...signalStatements(env, signals, now, hold.token),
    ...(next.isAmbiguous ? resolveStatements(env, [hold], now) : []),
  ])
  await ringOutbox(env, [hold.tenantId])
  send.ambiguousAt = next.isAmbiguous ? (send.ambiguousAt ?? now) : null
  const waitMs = next.state === 'retry_wait' && next.nextAt ? next.nextAt.getTime() - now.getTime() : null
  return { state: next.state, waitMs }
}

/** What the answer itself says for good about recipients: a last hop's delivery, an address that does not exist. */
function signalsIn(
  send: Locked['send'],
  attempted: string[],
  outcome: Outcome,
  refused: RefusedRecipient[],
): Signal[] {
  const of = (email: string, kind: Signal['kind']): Signal => ({
    tenantId: send.tenantId,
    sendId: send.id,
    contact: contactOf(send, email),
    kind,
    carrier: null,
    trace: null,
  })
  const isRefused = (email: string) => refused.some((each) => each.email === email)
  const served =
    outcome.kind === 'accepted' && outcome.delivered ? attempted.filter((email) => !isRefused(email)) : []
  const hard = refused.filter(({ permanent, code, detail }) => permanent && isHard(code, detail))
  return [
    ...served.map((email) => of(email, 'delivered')),
    ...hard.map(({ email }) => of(email, 'hard_bounce')),
  ]
}

/**
 * Puts a locked send back to wait, because no carrier may be asked now. One that has found none for 24 h is a dead
 * letter. Returns how long it waits, in ms, or null where it was given up.
 */
export async function waitForCarrier(locked: Locked, now: Date): Promise<number | null> {
  const { db, send, hold } = locked
  if (isTooOld(send, now)) {
    await giveUp(locked, 'deliver', 'no carrier was available for 24 hours', now)
    return null
  }
  const waitMs = backOffMs(send.attempt + 1)
  await db
    .update(sends)
    .set({
      state: 'retry_wait',
      reason: 'no_carrier',
      detail: 'no carrier is both configured and healthy',
      lockUntil: null,
      locks: 0,
      nextAt: new Date(now.getTime() + waitMs),
      updatedAt: now,
    })
    .where(
      and(
        eq(sends.tenantId, send.tenantId),
        eq(sends.id, send.id),
        eq(sends.lockToken, hold.token),
        eq(sends.state, 'claimed'),
      ),
    )
  return waitMs
}

/** The wait before the round that follows this many attempts, in ms. */
function backOffMs(attempt: number): number {
  return BACK_OFF_MS[Math.min(attempt, BACK_OFF_MS.length) - 1] ?? 5_000
}

type Next = {
  state: SendState
  reason: string | null
  detail: string | null
  nextAt: Date | null
  isAmbiguous: boolean
}

function after(
  send: Locked['send'],
  attempted: string[],
  outcome: Outcome,
  {
    now,
    replayableMs,
    following,
  }: Pick<Parameters<typeof recordOutcome>[3], 'now' | 'replayableMs' | 'following'>,
): Next {
  const wasAmbiguous = send.ambiguousAt !== null
  const detail = 'detail' in outcome ? outcome.detail : null
  const wait = (ms: number): Next => ({
    state: 'retry_wait',
    reason: 'code' in outcome ? outcome.code : null,
    detail,
    nextAt: new Date(now.getTime() + ms),
    isAmbiguous: wasAmbiguous || outcome.kind === 'ambiguous',
  })
  const keep: Next = { ...wait(CLAIM_MS), state: 'claimed' }
  const tooOld = isTooOld(send, now)

  if (outcome.kind === 'accepted') {
    const soft = outcome.refused.filter((each) => !each.permanent)
    if (soft.length > 0 && !tooOld) return wait(backOffMs(send.attempt))
    if (following === 'other_recipients') return { ...keep, isAmbiguous: false }
    const isAllRefused = outcome.refused.length >= attempted.length
    const state = isAllRefused ? 'bounced' : outcome.delivered ? 'delivered' : 'accepted'
    return { state, reason: null, detail: null, nextAt: null, isAmbiguous: false }
  }
  if (outcome.kind === 'ambiguous' || wasAmbiguous) {
    const since = (send.ambiguousAt ?? now).getTime()
    const canReplay = replayableMs !== null && now.getTime() < since + replayableMs && !tooOld
    if (canReplay) return wait(backOffMs(send.attempt))
    const reason = 'code' in outcome ? outcome.code : 'ambiguous'
    return { state: 'unknown', reason, detail, nextAt: null, isAmbiguous: true }
  }
  if (following === 'other_recipients') return keep
  if (outcome.kind === 'refused_permanent') {
    const isRecipients = outcome.recipients.length > 0 && outcome.recipients.length >= attempted.length
    const state = isRecipients ? 'bounced' : 'failed'
    return { state, reason: outcome.code, detail, nextAt: null, isAmbiguous: false }
  }
  if (following === 'next_carrier') return keep
  if (tooOld) return { ...wait(0), state: 'failed', nextAt: null }
  const asked = outcome.kind === 'throttled' ? (outcome.retryAfterMs ?? 0) : 0
  return wait(Math.max(asked, backOffMs(send.attempt)))
}

/** Whether a refusal says that the address does not exist, and not only that this mail was unwelcome. */
function isHard(code: string, detail: string): boolean {
  const { status } = readReply(detail)
  return classify({ text: detail, status, code, stage: 'recipient' }).isHard
}

function isTooOld(send: Locked['send'], now: Date): boolean {
  return now.getTime() - (send.scheduledAt ?? send.createdAt).getTime() > TRY_FOR_MS
}

function recipientState(email: string, outcome: Outcome, refused: RefusedRecipient[], next: SendState) {
  const refusal = refused.find((each) => each.email === email)
  if (refusal) return refusal.permanent ? 'bounced' : 'pending'
  if (outcome.kind === 'accepted') return outcome.delivered ? 'delivered' : 'accepted'
  if (next === 'failed' || next === 'bounced') return 'refused'
  return 'pending'
}

function contactOf(send: Locked['send'], email: string): string {
  return one(send.recipients.filter((recipient) => recipient.email === email)).contact
}

function contactsOf(send: Locked['send']): string[] {
  return send.recipients.map((recipient) => recipient.contact)
}

/** The contacts behind addresses as one bound value, however many they are: D1 takes 100 in a statement. */
function listed(send: Locked['send'], emails: string[]) {
  return sql`SELECT value FROM json_each(${JSON.stringify(emails.map((email) => contactOf(send, email)))})`
}
