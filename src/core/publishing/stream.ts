import type { EventType } from '../../schema/journal.ts'
import { actorName, type Ctx, mailboxesToShow, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import type { Listener } from '../policy/listener.ts'
import type { Payload } from './payload.ts'

export type Wish = {
  types: EventType[] | null
  mailboxId: string | undefined
  agentId: string | null
  /** The last event that the listener has had; what came since is told first. */
  lastEventId: string | null
}

/** How long a stream lives on a key that was valid when it was opened, in ms; a listener then connects again. */
const STREAM_MS = 3_600_000
/** The same for a person: whether the session still stands is asked when it connects again. */
const PERSON_MS = 300_000
/** What one look-up of missed events brings at most, in number and in bytes; more are fetched as these are read. */
const MISSED_AT_ONCE = 200
const MISSED_BYTES_AT_ONCE = 4_000_000

/** What the actor may hear of what it wishes to hear. Throws 403 where that is none of its business. */
export function listenerFor(ctx: Ctx, { types, mailboxId, agentId }: Wish): Listener {
  const { actor } = ctx
  if (actor.kind === 'human') {
    mustBeAllowed(ctx, 'read')
    const until = ctx.now.getTime() + PERSON_MS
    return { keyId: actorName(actor), until, types, mailboxIds: null, agentId }
  }
  if (actor.kind !== 'key')
    throw new Fault('insufficient_scope', 'Only a key or a person can listen to the stream.')
  const mailboxIds = mailboxesToShow(ctx, mailboxId)
  return { keyId: actor.keyId, until: ctx.now.getTime() + STREAM_MS, types, mailboxIds, agentId }
}

const MISSED = `
  SELECT seq, payload FROM (
    SELECT seq, payload, sum(octet_length(payload)) OVER (ORDER BY seq) - octet_length(payload) AS before FROM (
      SELECT e.seq, e.payload FROM events e
      WHERE e.tenant_id = ?1 AND e.payload IS NOT NULL AND e.seq > ?2
        AND (?3 IS NULL OR e.type IN (SELECT value FROM json_each(?3)))
        AND (?4 IS NULL OR e.mailbox_id IN (SELECT value FROM json_each(?4)))
        AND (?5 IS NULL OR e.agent_id = ?5)
      ORDER BY e.seq LIMIT ${MISSED_AT_ONCE}))
  WHERE before < ${MISSED_BYTES_AT_ONCE} ORDER BY seq`

type MissedRow = { seq: number; payload: string }

/** Published events that the listener has missed, oldest first, a page at a time. Throws 404 where the last is unknown. */
export async function* missed(
  { env, tenantId }: Ctx,
  listener: Listener,
  lastEventId: string | null,
): AsyncGenerator<Payload[]> {
  if (lastEventId === null) return
  const last = await env.DB.prepare('SELECT seq FROM events WHERE tenant_id = ?1 AND id = ?2')
    .bind(tenantId, lastEventId)
    .first<{ seq: number }>()
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
    const { results } = await env.DB.prepare(MISSED)
      .bind(tenantId, from, json(listener.types), json(listener.mailboxIds), listener.agentId)
      .all<MissedRow>()
    const end = results.at(-1)
    if (!end) return
    yield results.map(({ payload }) => JSON.parse(payload) as Payload)
    from = end.seq
  }
}

/** Whether the key that a stream was opened with still lives. */
export async function stillLives({ env, tenantId }: Ctx, { keyId }: Listener, now: Date): Promise<boolean> {
  const row = await env.DB.prepare(
    `SELECT 1 FROM keys WHERE id = ?1 AND tenant_id = ?2 AND revoked_at IS NULL
       AND (expires_at IS NULL OR expires_at > ?3)`,
  )
    .bind(keyId, tenantId, now.getTime())
    .first()
  return row !== null
}
