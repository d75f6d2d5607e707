import { and, eq, inArray, sql } from 'drizzle-orm'
import { type SendState, sendRecipients, sends } from '../../schema/sending.ts'
import { prepared } from '../ground/ctx.ts'
import { fragment } from '../ground/sql.ts'
import { ringOutbox } from '../journal/bells.ts'
import { sendEventStatement } from '../journal/event-rows.ts'
import { appendTrace } from '../journal/traces.ts'
import { isOpen } from '../policy/open.ts'
import { isTerminal, STATES } from '../policy/states.ts'
import { classify } from '../reading/bounces/classify.ts'
import { readReply } from '../reading/bounces/reply.ts'
import { partialStatement, resolveStatements } from '../signals/resolve.ts'
import { type Signal, signalStatements } from '../signals/signals.ts'
import type { Outcome, RefusedRecipient } from './carrier.ts'
import { isLocked, LOCK_MS, type Locked, resendAt, type Send } from './lock.ts'
import { type Following, type Next, nextState } from './next-state.ts'
import { contactOf } from './recipients.ts'

type Attempt = {
  now: Date
  carrier: string
  /** The recipients that the carrier was asked to serve. */
  asked: string[]
  isPostponed: boolean
  callsInRound: number
  replayableMs: number | null
  following: Following
  latencyMs: number
}

/**
 * Records the outcome of an attempt and moves the send on. `attempted` are the recipients whose state follows from it: those
 * of the call and, with the last call of a round, those that were refused for now before.
 * Returns the new state. If the send waits, `waitMs` is how long.
 */
export async function recordOutcome(
  locked: Locked,
  attempted: string[],
  outcome: Outcome,
  attempt: Attempt,
): Promise<{ state: SendState; waitMs: number | null }> {
  const { env, send, hold } = locked
  const { now } = attempt
  const next = nextState(send, outcome, attempt)
  const refused = refusedBy(outcome)
  const signals = signalsOf(send, attempt.asked, outcome, refused)
  const statements = [
    moveSend(locked, outcome, next, attempt),
    traceOf(locked, outcome, next, refused, attempt),
    ...moveRecipients(locked, recipientStates(send, attempted, outcome, next.state, attempt.asked), now),
  ].map((query) => prepared(env, query))
  await env.DB.batch([
    ...statements,
    ...(send.recipients.length > 1 ? [partialStatement(env, hold, now)] : []),
    sendEventStatement(env, hold, 'message.sent', ['accepted', 'delivered'], now),
    sendEventStatement(env, hold, 'message.failed', ['failed'], now),
    // If the address does not exist, its signal reports the bounce; this event reports every other bounce.
    ...(signals.length === 0 ? [sendEventStatement(env, hold, 'message.bounced', ['bounced'], now)] : []),
    ...signalStatements(env, signals, now, hold.token),
    ...(next.isAmbiguous ? resolveStatements(env, [hold], now) : []),
  ])
  await ringOutbox(env, [hold.tenantId])
  send.ambiguousAt = next.isAmbiguous ? (send.ambiguousAt ?? now) : null
  const waitMs = next.state === 'retry_wait' && next.nextAt ? next.nextAt.getTime() - now.getTime() : null
  return { state: next.state, waitMs }
}

function moveSend(locked: Locked, outcome: Outcome, next: Next, { now, asked }: Attempt) {
  const { db, send } = locked
  return db
    .update(sends)
    .set({
      state: next.state,
      reason: next.reason,
      detail: next.detail,
      nextAt: next.state === 'unknown' ? resendAt(now) : next.nextAt,
      locks: 0,
      lockUntil: next.state === 'claimed' ? new Date(now.getTime() + LOCK_MS) : null,
      ambiguousAt: next.isAmbiguous ? (send.ambiguousAt ?? now) : null,
      pinnedRecipients: next.isAmbiguous ? asked : null,
      carrierMessageId:
        outcome.kind === 'accepted' ? outcome.carrierMessageId : sql`${sends.carrierMessageId}`,
      updatedAt: now,
    })
    .where(and(isLocked(locked), eq(sends.state, 'in_flight')))
}

function traceOf(
  { db, send, hold }: Locked,
  outcome: Outcome,
  next: Next,
  refused: RefusedRecipient[],
  { now, carrier, latencyMs }: Attempt,
) {
  return appendTrace(db, hold, 'delivery', now, {
    carrier,
    attempt: send.attempt,
    outcome: outcome.kind,
    state: next.state,
    latencyMs,
    ...('code' in outcome ? { code: outcome.code, detail: outcome.detail } : {}),
    ...(outcome.kind === 'accepted' ? { carrierMessageId: outcome.carrierMessageId } : {}),
    ...(refused.length > 0 ? { refused } : {}),
  })
}

type RecipientState = (typeof sendRecipients.$inferSelect)['state']

/** Moves each recipient to its new state, unless a carrier has reported about that recipient meanwhile. */
function moveRecipients({ db, send }: Locked, states: Map<RecipientState, string[]>, now: Date) {
  return [...states].map(([state, contacts]) =>
    db
      .update(sendRecipients)
      .set({ state, updatedAt: now })
      .where(
        and(
          eq(sendRecipients.tenantId, send.tenantId),
          inArray(sendRecipients.contact, contacts),
          eq(sendRecipients.sendId, send.id),
          fragment(isOpen('send_recipients')),
        ),
      ),
  )
}

/** The contacts by the state that the outcome gives them. */
function recipientStates(
  send: Send,
  attempted: string[],
  outcome: Outcome,
  next: SendState,
  asked: string[],
): Map<RecipientState, string[]> {
  const refused = refusedBy(outcome)
  const isOver = isTerminal(STATES[next])
  const unserved = isOver ? 'refused' : 'pending'
  const stateOf = (email: string): RecipientState => {
    const refusal = refused.find((each) => each.email === email)
    if (refusal) return refusal.permanent ? 'bounced' : unserved
    if (outcome.kind !== 'accepted' || !asked.includes(email)) return unserved
    return outcome.delivered ? 'delivered' : 'accepted'
  }
  const byState = Map.groupBy(attempted, stateOf)
  return new Map([...byState].map(([state, emails]) => [state, emails.map((each) => contactOf(send, each))]))
}

/** The recipients that a carrier's answer refuses. */
export function refusedBy(outcome: Outcome): RefusedRecipient[] {
  if ('refused' in outcome) return outcome.refused
  return 'recipients' in outcome ? outcome.recipients : []
}

/** Signals for what the answer settles for good: the last hop delivered, or an address does not exist. */
function signalsOf(send: Send, asked: string[], outcome: Outcome, refused: RefusedRecipient[]): Signal[] {
  const signal = (email: string, kind: Signal['kind']): Signal => ({
    tenantId: send.tenantId,
    sendId: send.id,
    contact: contactOf(send, email),
    kind,
    carrier: null,
    trace: null,
  })
  const isRefused = (email: string) => refused.some((each) => each.email === email)
  const isLastHop = outcome.kind === 'accepted' && outcome.delivered
  const served = isLastHop ? asked.filter((email) => !isRefused(email)) : []
  const hard = refused.filter(({ permanent, code, detail }) => permanent && isHardBounce(code, detail))
  return [
    ...served.map((email) => signal(email, 'delivered')),
    ...hard.map(({ email }) => signal(email, 'hard_bounce')),
  ]
}

/** Whether a refusal says that the address does not exist, and not only that this mail is unwelcome. */
function isHardBounce(code: string, detail: string): boolean {
  const { status } = readReply(detail)
  return classify({ text: detail, status, code, stage: 'recipient' }).isHard
}
