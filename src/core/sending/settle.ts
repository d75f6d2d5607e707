import { sql } from 'drizzle-orm'
import { database, prepared } from '../ground/ctx.ts'
import { newToken } from '../ground/ids.ts'
import { slices } from '../ground/slices.ts'
import { audited } from '../journal/audit.ts'
import { letterOf, type Written } from '../mail/letter.ts'
import { inboxStatements, sentStatements } from '../mail/store.ts'
import { type SendState, statesWhere } from '../policy/states.ts'
import { type Signal, signalStatements } from '../signals/signals.ts'
import type { Door } from './door.ts'
import type { Cleaned } from './screen.ts'
import {
  APPROVALS,
  APPROVALS_PENDING,
  CANARIES_TRIPPED,
  CLEAN,
  COUNT_TRIPS,
  DECISIONS,
  INTERNAL_DELIVERIES,
  MESSAGES_SENT,
  OUTCOMES,
  type OutcomeRow,
  RECIPIENTS,
  SETTLE,
  SETTLE_INTERNALLY,
} from './settle-rows.ts'
import type { Subject } from './subject.ts'

/** How long a send may lie in a queue before the sweep rings again, in ms. */
export const RING_AGAIN_MS = 60_000
/** How long a person may decide an approval, in ms. */
export const APPROVAL_MS = 86_400_000

/** States in which a send waits for a verdict. */
export type Undecided = 'judging' | 'scheduled' | 'pending_approval'

/** The new state of a send that has been judged, and the trace that tells why. */
export type Settlement = {
  id: string
  from: Undecided
  state: SendState
  reason: string | null
  detail: string | null
  nextAt: number | null
  scheduledAt: number | null
  approvalId: string | null
  holdReason: string | null
  /** The attached domain that the message is written from. */
  domainId: string | null
  trace: Record<string, unknown>
}

/** States in which a letter is in its sender's Sent folder. */
const IN_SENT = statesWhere(({ isAccepted }) => isAccepted)

type Screened = { sendId: string; subject: Subject; cleaned: Cleaned | null }

/** One batch: the tenant, the token that marks what it settles, and the time. */
type Scope = { tenantId: string; token: string; now: number }

/** Writes settlements, and all rows that follow from them, in one batch. Each counts only if no other worker settled its send first. */
export async function settle(
  door: Door,
  tenantId: string,
  { rows, written, candidates }: { rows: Settlement[]; written: Written[]; candidates: Screened[] },
): Promise<Map<string, OutcomeRow>> {
  const { env } = door
  const token = newToken()
  const internal = rows.filter(isInternal)
  const scope = { tenantId, token, now: door.now.getTime() }
  const ids = JSON.stringify(rows.map((row) => row.id))
  const answers = await env.DB.batch([
    ...stateStatements(door, scope, rows),
    ...cleanStatements(door, scope, candidates),
    ...rowStatements(door, scope, rows),
    ...tripStatements(door, scope, candidates),
    ...messageStatements(door, scope, written, internal),
    OUTCOMES.bind(env, { ids, tenantId, token }),
  ])
  return new Map(OUTCOMES.rows(answers.at(-1)).map((row) => [row.id, row]))
}

/** Whether the settlement delivers to our own mailboxes, or finds that no such mailbox exists. */
const isInternal = ({ state }: Settlement) => state === 'delivered' || state === 'bounced'

const withoutTrace = ({ trace: _, ...row }: Settlement) => JSON.stringify(row)

/** The statements that decide which settlements count; they come first in the batch. */
function stateStatements({ env }: Door, scope: Scope, rows: Settlement[]): D1PreparedStatement[] {
  const ringAgainAt = scope.now + RING_AGAIN_MS
  const internal = slices(rows.filter(isInternal).map(withoutTrace))
  const others = slices(rows.filter((row) => !isInternal(row)).map(withoutTrace))
  return [
    ...internal.map((settlements) => SETTLE_INTERNALLY.bind(env, { ...scope, settlements, ringAgainAt })),
    ...others.map((settlements) => SETTLE.bind(env, { ...scope, settlements })),
  ]
}

function cleanStatements(
  { env }: Door,
  { tenantId, token }: Scope,
  candidates: Screened[],
): D1PreparedStatement[] {
  const texts = candidates.flatMap(({ sendId, cleaned }) =>
    cleaned === null
      ? []
      : [JSON.stringify({ id: sendId, input: cleaned.input, recipients: cleaned.recipients })],
  )
  return slices(texts).map((cleaned) => CLEAN.bind(env, { tenantId, token, cleaned }))
}

/** The rows that settlements bring: recipients, approvals with their events, and the decisions in the traces. */
function rowStatements({ env }: Door, scope: Scope, rows: Settlement[]): D1PreparedStatement[] {
  const isAnyHeld = rows.some((row) => row.state === 'pending_approval')
  const expiresAt = scope.now + APPROVAL_MS
  const traces = rows.map(({ id, trace }) => `${JSON.stringify(id)}:${JSON.stringify(trace)}`)
  return [
    ...slices(rows.map(withoutTrace)).flatMap((settlements) => [
      RECIPIENTS.bind(env, { ...scope, settlements }),
      ...(isAnyHeld
        ? [
            APPROVALS.bind(env, { ...scope, settlements, expiresAt }),
            APPROVALS_PENDING.bind(env, { ...scope, settlements }),
          ]
        : []),
    ]),
    ...slices(traces, ['{', '}']).map((decisions) => DECISIONS.bind(env, { ...scope, decisions })),
  ]
}

/** For each canary that was found: its count, an event and an audit entry. */
function tripStatements({ env, now }: Door, scope: Scope, candidates: Screened[]): D1PreparedStatement[] {
  const { tenantId, token } = scope
  const trips = candidates.flatMap(({ sendId, subject: { facts } }) =>
    facts.dlp.canaries.map(({ id, where }) => ({ sendId, canaryId: id, where })),
  )
  if (trips.length === 0) return []
  const author = { db: database(env), now, tenantId, actor: { kind: 'system' as const, name: 'policy' } }
  const values = { ...scope, trips: JSON.stringify(trips) }
  return [
    COUNT_TRIPS.bind(env, values),
    CANARIES_TRIPPED.bind(env, values),
    ...trips.flatMap(({ sendId, canaryId, where }) =>
      audited(
        author,
        [{ action: 'canary.tripped', target: canaryId, detail: { sendId, where } }],
        sql`EXISTS (SELECT 1 FROM sends s WHERE s.tenant_id = ${tenantId} AND s.id = ${sendId}
          AND s.settle_token = ${token} AND s.state = 'blocked')`,
      ).map((query) => prepared(env, query)),
    ),
  ]
}

/** Letters go to the Sent folder; those delivered internally also to their readers' inboxes, with their signals. */
function messageStatements(
  { env, now }: Door,
  scope: Scope,
  written: Written[],
  settled: Settlement[],
): D1PreparedStatement[] {
  if (written.length === 0) return []
  const { token } = scope
  const letters = written.map((each) => letterOf(each, now))
  const toSent = sentStatements(env, letters, now, { settleToken: token, states: IN_SENT })
  if (settled.length === 0) return toSent
  const isDelivered = ({ sendId }: { sendId: string | null }) => settled.some(({ id }) => id === sendId)
  const internal = JSON.stringify(settled.map(({ id }) => id))
  const signals = written.filter(isDelivered).flatMap(signalsOf)
  return [
    ...toSent,
    ...inboxStatements(env, letters.filter(isDelivered), now, { settleToken: token, states: ['delivered'] }),
    INTERNAL_DELIVERIES.bind(env, { ...scope, internal }),
    MESSAGES_SENT.bind(env, { ...scope, internal }),
    ...signalStatements(env, signals, now, token),
  ]
}

/** The signal of internal delivery for each recipient: delivered, or a bounce if there is no such mailbox. */
function signalsOf({ sendId, tenantId, contacts }: Written): Signal[] {
  return contacts.map(({ contact, here }) => {
    const kind = here ? 'delivered' : 'hard_bounce'
    return { tenantId, sendId, contact, kind, carrier: 'internal', trace: null }
  })
}
