import type { Env } from '../../env.ts'
import type { EventRefs, EventType } from '../../schema/journal.ts'
import type { SendState } from '../../schema/sending.ts'
import { statement } from '../ground/sql.ts'

/** Something that happened to a tenant, to be written as an event. */
export type Happening = {
  type: EventType
  mailboxId?: string | null
  agentId?: string | null
  refs: EventRefs
}

/** The number of a tenant's next event: the time in microseconds, or the newest number plus 1 if that is larger. */
const nextSeq = (tenantId: string) =>
  `max(:now * 1000, 1 + coalesce((SELECT max(e.seq) FROM events e WHERE e.tenant_id = ${tenantId}), 0))`

/** SQL that selects the columns of an event row, in the order of the table, from the relation `h` at `:now`. */
export const EVENT_COLUMNS = `
  SELECT h.tenant_id,
    ${nextSeq('h.tenant_id')} + row_number() OVER (PARTITION BY h.tenant_id ORDER BY h.position) - 1,
    'evt_' || lower(hex(randomblob(16))), h.type, h.mailbox_id, h.agent_id, h.refs, NULL, :now, :now`

/**
 * SQL that writes events from a relation of `tenant_id, type, mailbox_id, agent_id, refs, position`. The new events
 * are numbered in the order of their positions, after all events that the tenant already has. The SQL belongs in the
 * batch of the change it reports. `:now` is the time in ms.
 */
export function eventsFrom(happened: string): string {
  return `
  INSERT INTO events (tenant_id, seq, id, type, mailbox_id, agent_id, refs, payload, next_at, created_at)
  ${EVENT_COLUMNS} FROM (${happened}) h`
}

const GIVEN = statement(
  eventsFrom(`
  SELECT :tenantId AS tenant_id, value ->> 'type' AS type, value ->> 'mailboxId' AS mailbox_id,
    value ->> 'agentId' AS agent_id, value -> 'refs' AS refs, key AS position FROM json_each(:happenings)`),
)

/** The statements that write what happened to one tenant, for the batch of the change itself. */
export function eventStatements(
  env: Pick<Env, 'DB'>,
  tenantId: string,
  happenings: Happening[],
  now: Date,
): D1PreparedStatement[] {
  if (happenings.length === 0) return []
  return [GIVEN.bind(env, { tenantId, happenings: JSON.stringify(happenings), now: now.getTime() })]
}

const OF_SEND = statement(
  eventsFrom(`SELECT s.tenant_id, :type AS type, s.mailbox_id, s.agent_id, 0 AS position,
      json_object('messageId', 'msg_' || substr(s.id, 5), 'sendId', s.id, 'reason', s.reason) AS refs
    FROM sends s WHERE s.tenant_id = :tenantId AND s.id = :sendId AND s.lock_token = :token
      AND s.state IN (SELECT value FROM json_each(:states))`),
)

/** The statement that writes an event of a locked send, if the batch before it has moved the send to one of the states. */
export function sendEventStatement(
  env: Pick<Env, 'DB'>,
  { tenantId, sendId, token }: { tenantId: string; sendId: string; token: string },
  type: EventType,
  states: SendState[],
  now: Date,
): D1PreparedStatement {
  const values = { tenantId, sendId, token, type, states: JSON.stringify(states), now: now.getTime() }
  return OF_SEND.bind(env, values)
}

const PUBLISHED = statement(`
  INSERT INTO events (tenant_id, seq, id, type, agent_id, refs, payload, created_at)
  SELECT :tenantId, ${nextSeq(':tenantId')}, :id, :type, :agentId, :refs, :payload, :now`)

/** Writes an event that the caller itself publishes at once. Its payload is set here, so nobody else publishes it. */
export function publishedEvent(
  env: Pick<Env, 'DB'>,
  event: { tenantId: string; id: string; type: EventType; agentId: string | null },
  { refs, payload, now }: { refs: EventRefs; payload: string; now: Date },
): D1PreparedStatement {
  return PUBLISHED.bind(env, { ...event, refs: JSON.stringify(refs), payload, now: now.getTime() })
}
