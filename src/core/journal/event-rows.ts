import type { Env } from '../../env.ts'
import type { EventRefs, EventType } from '../../schema/journal.ts'
import type { SendState } from '../../schema/sending.ts'

/** Something that happened to a tenant, as consumers of its events will learn it. */
export type Happening = {
  type: EventType
  mailboxId?: string | null
  agentId?: string | null
  refs: EventRefs
}

/**
 * SQL that writes events from a relation of `tenant_id, type, mailbox_id, agent_id, refs, position`, in that order of
 * position, each after all that the tenant had. `now` is the parameter that holds the time in ms. It belongs in the batch of
 * the change it tells of.
 */
export function eventsFrom(happened: string, now: string): string {
  return `
  INSERT INTO events (tenant_id, seq, id, type, mailbox_id, agent_id, refs, next_at, created_at)
  SELECT h.tenant_id,
    max(${now} * 1000, 1 + coalesce((SELECT max(e.seq) FROM events e WHERE e.tenant_id = h.tenant_id), 0))
      + row_number() OVER (PARTITION BY h.tenant_id ORDER BY h.position) - 1,
    'evt_' || lower(hex(randomblob(16))), h.type, h.mailbox_id, h.agent_id, h.refs, ${now}, ${now}
  FROM (${happened}) h`
}

const GIVEN = `
  SELECT ?1 AS tenant_id, value ->> 'type' AS type, value ->> 'mailboxId' AS mailbox_id,
    value ->> 'agentId' AS agent_id, value -> 'refs' AS refs, key AS position FROM json_each(?2)`

/** The statements that write what happened to one tenant, for the batch of the change itself. */
export function eventStatements(
  { DB }: Pick<Env, 'DB'>,
  tenantId: string,
  happenings: Happening[],
  now: Date,
): D1PreparedStatement[] {
  if (happenings.length === 0) return []
  return [DB.prepare(eventsFrom(GIVEN, '?3')).bind(tenantId, JSON.stringify(happenings), now.getTime())]
}

const OF_SEND = eventsFrom(
  `SELECT s.tenant_id, ?4 AS type, s.mailbox_id, s.agent_id, 0 AS position,
      json_object('messageId', 'msg_' || substr(s.id, 5), 'sendId', s.id, 'reason', s.reason) AS refs
    FROM sends s WHERE s.tenant_id = ?1 AND s.id = ?2 AND s.lock_token = ?3
      AND s.state IN (SELECT value FROM json_each(?5))`,
  '?6',
)

/**
 * The statement that writes an event of a send, where the batch it ends has brought the send, as claimed under this token,
 * into one of the states.
 */
export function sendEventStatement(
  { DB }: Pick<Env, 'DB'>,
  { tenantId, sendId, token }: { tenantId: string; sendId: string; token: string },
  type: EventType,
  states: SendState[],
  now: Date,
): D1PreparedStatement {
  return DB.prepare(OF_SEND).bind(tenantId, sendId, token, type, JSON.stringify(states), now.getTime())
}
