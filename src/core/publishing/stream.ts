import type { EventType } from '../../schema/journal.ts'
import { actorName, type Ctx, mailboxesToShow, mustBeAllowed } from '../ground/ctx.ts'
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

/** The events that a listener gets: those it asks for, if the actor may read them. Throws `insufficient_scope` otherwise. */
export function listenerFor(ctx: Ctx, { types, mailboxId, agentId }: Wish): Listener {
  const { actor } = ctx
  if (actor.kind === 'human') {
    mustBeAllowed(ctx, 'read')
    const until = ctx.now.getTime() + PERSON_MS
    return { keyId: actorName(actor), until, types, mailboxIds: null, agentId, ofAgent: null }
  }
  if (actor.kind !== 'key')
    throw new Fault('insufficient_scope', 'Only a key or a person can listen to the stream.')
  const until = ctx.now.getTime() + STREAM_MS
  const mailboxIds = mailboxesToHear(ctx, mailboxId)
  return { keyId: actor.keyId, until, types, mailboxIds, agentId, ofAgent: actor.agentId }
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
        AND (:agentId IS NULL OR e.agent_id = :agentId) AND ${isOfAgent('e')}
      ORDER BY e.seq LIMIT ${MISSED_AT_ONCE}))
  WHERE before < ${MISSED_BYTES_AT_ONCE} ORDER BY seq`)

const LIVING_KEY = statement(`
  SELECT 1 FROM keys WHERE id = :id AND tenant_id = :tenantId AND revoked_at IS NULL
    AND (expires_at IS NULL OR expires_at > :now)`)

/** The published events after `lastEventId`, oldest first, a page at a time. Throws `not_found` if that event is unknown. */
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
    })
    const end = rows.at(-1)
    if (!end) return
    yield rows.map(({ payload }) => JSON.parse(payload) as Payload)
    from = end.seq
  }
}

/** Whether the key that opened a stream is neither revoked nor expired. */
export async function stillLives({ env, tenantId }: Ctx, { keyId }: Listener, now: Date): Promise<boolean> {
  const row = await LIVING_KEY.first(env, { id: keyId, tenantId, now: now.getTime() })
  return row !== null
}
