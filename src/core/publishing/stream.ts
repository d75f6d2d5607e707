import type { EventType } from '../../schema/journal.ts'
import { RIGHT_STANDS, rightOf, standingRights } from '../accounts/streams.ts'
import { agentOfKey, type Ctx, mailboxesToShow, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { statement } from '../ground/sql.ts'
import type { Listener } from '../policy/listener.ts'
import { isOfAgent } from './event-agents.ts'
import type { Payload } from './payload.ts'

type Wish = {
  types: EventType[] | null
  mailboxId: string | undefined
  agentId: string | null
  /** The last event that the listener received. The events after it are sent first. */
  lastEventId: string | null
}

/** How long a stream that a key opened stays open, in ms. The listener then connects again. */
const STREAM_MS = 3_600_000
/** The same for a person, whose session is checked when the browser connects again. */
const PERSON_MS = 300_000
/** The most that one query for missed events returns, in number and in bytes. More are fetched while these are read. */
const MISSED_AT_ONCE = 200
const MISSED_BYTES_AT_ONCE = 4_000_000

/**
 * The events that a listener gets: those it asks for, if the actor may read them. Throws `insufficient_scope` otherwise, and
 * `unauthorized` if the actor's key or session is no longer what it was. `sessionId` is the session of a person.
 */
export async function listenerFor(
  ctx: Ctx,
  { types, mailboxId, agentId }: Wish,
  sessionId: string | null = null,
): Promise<Listener> {
  const { actor } = ctx
  if (actor.kind !== 'key' && actor.kind !== 'human')
    throw new Fault('insufficient_scope', 'Only a key or a person can listen to the stream.')
  if (actor.kind === 'human') mustBeAllowed(ctx, 'read')
  const mailboxIds = actor.kind === 'human' ? null : mailboxesToHear(ctx, mailboxId)
  const { endsAt, ...right } = await rightOf(ctx, sessionId)
  const checkedFor = actor.kind === 'human' ? PERSON_MS : STREAM_MS
  const until = Math.min(ctx.now.getTime() + checkedFor, endsAt ?? Number.POSITIVE_INFINITY)
  const ofAgent = agentOfKey(ctx)
  return { right, until, types, mailboxIds, agentId, ofAgent }
}

/**
 * The mailboxes whose events the actor may read, or null for every event that exists for it: an agent also has events without a
 * mailbox, and `isOfAgent` decides which are its own.
 */
export function mailboxesToHear(ctx: Ctx, mailboxId: string | undefined): string[] | null {
  const { actor } = ctx
  const shown = mailboxesToShow(ctx, mailboxId)
  return mailboxId === undefined && actor.kind === 'key' && actor.scopes === null ? null : shown
}

const LAST = statement<{ seq: number }>('SELECT seq FROM events WHERE tenant_id = :tenantId AND id = :id')

const MISSED = statement<{ seq: number; payload: string }>(`
  SELECT seq, payload FROM (
    SELECT seq, payload, sum(octet_length(payload)) OVER (ORDER BY seq) - octet_length(payload) AS before FROM (
      SELECT e.seq, e.payload FROM events e
      WHERE e.tenant_id = :tenantId AND e.payload IS NOT NULL AND e.seq > :from
        AND (:types IS NULL OR e.type IN (SELECT value FROM json_each(:types)))
        AND (:mailboxIds IS NULL OR e.mailbox_id IN (SELECT value FROM json_each(:mailboxIds)))
        AND (:agentId IS NULL OR e.agent_id = :agentId) AND ${isOfAgent('e')} AND ${RIGHT_STANDS}
      ORDER BY e.seq LIMIT ${MISSED_AT_ONCE}))
  WHERE before < ${MISSED_BYTES_AT_ONCE} ORDER BY seq`)

/**
 * The published events after `lastEventId`, oldest first, a page at a time, while the listener's right exists. Throws `not_found` if
 * that event is unknown.
 */
export async function* missed(
  { env, tenantId }: Ctx,
  listener: Listener,
  lastEventId: string | null,
): AsyncGenerator<Payload[]> {
  if (lastEventId === null) return
  const last = await LAST.first(env, { tenantId, id: lastEventId })
  if (!last) {
    throw new Fault(
      'not_found',
      'The last event id is unknown or older than 30 days. Read the history first.',
      {
        field: 'Last-Event-ID',
      },
    )
  }
  const json = (list: string[] | null) => (list === null ? null : JSON.stringify(list))
  for (let from = last.seq; ; ) {
    const rows = await MISSED.all(env, {
      tenantId,
      from,
      types: json(listener.types),
      mailboxIds: json(listener.mailboxIds),
      agentId: listener.agentId,
      ofAgent: listener.ofAgent,
      rightId: listener.right.id,
      stamp: listener.right.stamp,
      now: Date.now(),
    })
    const end = rows.at(-1)
    if (!end) return
    yield rows.map(({ payload }) => JSON.parse(payload) as Payload)
    from = end.seq
  }
}

/** Whether the right that a stream rests on exists as it was when the stream was opened. */
export async function stillStands(
  { env, tenantId }: Ctx,
  { right, until }: Listener,
  now: Date,
): Promise<boolean> {
  if (now.getTime() >= until) return false
  return (await standingRights({ env, tenantId, now }, [right])).length > 0
}
