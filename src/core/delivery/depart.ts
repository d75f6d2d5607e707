import { and, inArray, isNotNull, isNull, type SQL, sql } from 'drizzle-orm'
import { type SendState, sendRecipients, sends } from '../../schema/sending.ts'
import { prepared } from '../ground/ctx.ts'
import { fragment } from '../ground/sql.ts'
import { ringOutbox } from '../journal/bells.ts'
import { sendEventStatement } from '../journal/event-rows.ts'
import { appendTrace } from '../journal/traces.ts'
import { refund } from '../limits/reservations.ts'
import { fence } from '../policy/fence.ts'
import { isOpen } from '../policy/open.ts'
import { isLocked, LOCK_MS, type Locked } from './lock.ts'
import { contactOf, contactsOf } from './recipients.ts'

export type Departure = { departed: true } | { departed: false; state: SendState; reason: string | null }

const STOPPED = ['blocked', 'accepted'] as const satisfies SendState[]

/** SQL: the message of the row in `sends` has left for one of its recipients. */
const HAS_LEFT = sql.raw(`EXISTS (
  SELECT 1 FROM json_each(sends.recipients) j CROSS JOIN send_recipients r ON r.tenant_id = sends.tenant_id
    AND r.contact = j.value ->> 'contact' AND r.send_id = sends.id
  WHERE r.state IN ('accepted', 'delivered', 'complained'))`)

const FENCE = fence('sends', '(SELECT value AS contact FROM json_each(:contacts))', 'sends.domain_id')

/**
 * Moves a send to `in_flight`, durable before the first byte leaves for the carrier, unless the fence is closed for one of
 * the recipients that are still to be served. Then nobody else gets the message: the send ends `blocked` and its windows are
 * given back, or it ends `accepted` if it has left for others before.
 */
export async function depart(
  locked: Locked,
  carrier: string,
  { asked, open }: { asked: string[]; open: string[] },
  now: Date,
): Promise<Departure> {
  const { env, db, send, hold } = locked
  // One bound value however many recipients there are: D1 takes 100 in a statement.
  const contactsIn = (emails: string[]) => JSON.stringify(emails.map((email) => contactOf(send, email)))
  const stoppedBy = fragment(FENCE, { now: now.getTime(), contacts: contactsIn(open) })
  const statements = [
    goInFlight(locked, carrier, asked, stoppedBy, now),
    stop(locked, stoppedBy, now),
    moveRecipients(locked, carrier, contactsIn(asked), now),
    appendTrace(db, hold, 'routing', now, { carrier, attempt: send.attempt + 1 }, 'in_flight'),
    ...STOPPED.map((state) => appendTrace(db, hold, 'delivery', now, { outcome: 'stopped', state }, state)),
  ].map((query) => prepared(env, query))
  const answers = await env.DB.batch<{ state: SendState; reason: string | null }>([
    ...statements,
    sendEventStatement(env, hold, 'message.failed', ['blocked'], now),
    ...(send.attempt > 0 ? [sendEventStatement(env, hold, 'message.sent', ['accepted'], now)] : []),
    prepared(
      env,
      db.select({ state: sends.state, reason: sends.reason }).from(sends).where(isLocked(locked)),
    ),
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

function goInFlight(locked: Locked, carrier: string, asked: string[], stoppedBy: SQL, now: Date) {
  const until = new Date(now.getTime() + LOCK_MS)
  return locked.db
    .update(sends)
    .set({
      state: 'in_flight',
      carrier,
      attempt: sql`${sends.attempt} + 1`,
      pinnedRecipients: asked,
      lockUntil: until,
      nextAt: until,
      updatedAt: now,
    })
    .where(and(isLocked(locked), inArray(sends.state, ['claimed', 'in_flight']), isNull(stoppedBy)))
}

/** In one batch after `goInFlight`, which the same fence stopped. */
function stop(locked: Locked, stoppedBy: SQL, now: Date) {
  return locked.db
    .update(sends)
    .set({
      state: sql`iif(${HAS_LEFT}, 'accepted', 'blocked')`,
      reason: stoppedBy,
      detail: 'refused at dispatch: the facts changed after the send was accepted',
      burnedKey: sql`iif(${HAS_LEFT}, ${sends.burnedKey}, NULL)`,
      nextAt: null,
      lockUntil: null,
      updatedAt: now,
    })
    .where(and(isLocked(locked), isNotNull(stoppedBy)))
}

function moveRecipients({ db, send, hold }: Locked, carrier: string, contacts: string, now: Date) {
  const isAsked = sql`${sendRecipients.contact} IN (SELECT value FROM json_each(${contacts}))`
  return db
    .update(sendRecipients)
    .set({
      state: sql`iif(s.state IN ('blocked', 'accepted'), 'void', iif(${isAsked}, 'in_flight', 'pending'))`,
      carrier: sql`iif(${isAsked}, ${carrier}, ${sendRecipients.carrier})`,
      updatedAt: now,
    })
    .from(sql`sends s`)
    .where(
      sql`s.tenant_id = ${send.tenantId} AND s.id = ${send.id} AND s.lock_token = ${hold.token}
        AND ${sendRecipients.tenantId} = s.tenant_id AND ${sendRecipients.sendId} = s.id
        AND ${inArray(sendRecipients.contact, contactsOf(send))}
        AND ${fragment(isOpen('send_recipients'))}`,
    )
}
