import type { Env } from '../../env.ts'
import type { EventRefs, EventType } from '../../schema/journal.ts'
import { idFloor } from '../ground/ids.ts'
import { byteLength } from '../ground/slices.ts'
import { ringOutbox } from '../journal/bells.ts'
import { ringDeliveries } from '../journal/webhook-bells.ts'
import { announce } from './announce.ts'
import { followUp } from './follow-up.ts'
import { BODY_AT_MOST, type Payload, payloadOf } from './payload.ts'
import { subjectsOf } from './subjects.ts'
import { isFull } from './webhooks/waiting.ts'

/** Events that one turn publishes, and what their bodies may weigh together, in bytes. */
const AT_ONCE = 100
const BODIES_AT_MOST = 4_000_000
/** D1 takes at most 2 MB in one bound value. */
const SLICE_AT_MOST = 1_000_000

/**
 * As many as fit into one turn, oldest first; the first goes whatever it weighs. A body in R2 may weigh anything. What is
 * published already is not looked at, however long it is kept.
 */
const DUE = `
  SELECT * FROM (
    SELECT *, sum(weight) OVER (ORDER BY seq) - weight AS before, count(*) OVER () AS found FROM (
      SELECT e.seq, e.id, e.type, e.mailbox_id, e.agent_id, e.refs, e.created_at, coalesce(iif(m.body_key IS NULL,
          octet_length(coalesce(m.text, '')) + octet_length(coalesce(m.html, '')), ${2 * BODY_AT_MOST}), 0) AS weight
      FROM events e INDEXED BY events_waiting LEFT JOIN messages m ON m.tenant_id = e.tenant_id AND m.id = e.refs ->> 'messageId'
      WHERE e.tenant_id = ?1 AND e.next_at IS NOT NULL AND e.next_at <= ?2
      ORDER BY e.seq LIMIT ${AT_ONCE + 1}))
  WHERE before < ${BODIES_AT_MOST} ORDER BY seq LIMIT ${AT_ONCE}`

type DueRow = {
  seq: number
  id: string
  type: EventType
  mailbox_id: string | null
  agent_id: string | null
  refs: string
  created_at: number
  found: number
}

/**
 * For every webhook that wants an event and stood when it happened; where one is full, what is new for it waits from the
 * beginning. It goes by the events that are still due, so it comes before the statement that publishes them, and whoever
 * comes second finds none.
 */
const DELIVERIES = `
  INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, event_id, event_type, state, next_at, is_waiting, created_at, updated_at)
  SELECT e.tenant_id, ?4 || lower(hex(randomblob(13))), w.id, e.id, e.type, 'pending', iif(${isFull('?3')}, NULL, ?3),
    ${isFull('?3')}, ?3, ?3
  FROM json_each(?2) j
  CROSS JOIN events e ON e.tenant_id = ?1 AND e.seq = j.value ->> 'seq'
  CROSS JOIN webhooks w ON w.tenant_id = e.tenant_id
  WHERE e.next_at IS NOT NULL AND w.is_active = 1 AND w.created_at <= e.created_at
    AND (json_array_length(w.event_types) = 0 OR e.type IN (SELECT value FROM json_each(w.event_types)))
    AND (w.agent_id IS NULL OR w.agent_id = e.agent_id OR EXISTS (
      SELECT 1 FROM mailboxes b WHERE b.tenant_id = e.tenant_id AND b.id = e.mailbox_id AND b.agent_id = w.agent_id))
  ON CONFLICT (tenant_id, webhook_id, event_id) DO NOTHING
  RETURNING id, is_waiting`

/** The payload is taken as the text it is given as: what is stored is what is signed and sent, to the byte. */
const PUBLISH = `
  WITH j AS MATERIALIZED (SELECT value ->> 'seq' AS seq, value ->> 'payload' AS payload FROM json_each(?2))
  UPDATE events SET payload = j.payload, next_at = NULL FROM j
  WHERE events.tenant_id = ?1 AND events.seq = j.seq AND events.next_at IS NOT NULL
  RETURNING events.seq`

/**
 * Publishes the due events of a tenant, oldest first: makes each payload once, gives it to the webhooks that want it and
 * tells the stream. Run twice or by many at once, each event is published once. Rings again where more are due. Returns how
 * many events this run published.
 */
export async function publish(env: Env, now: Date, tenantId: string): Promise<number> {
  const { results: due } = await env.DB.prepare(DUE).bind(tenantId, now.getTime()).all<DueRow>()
  const [first] = due
  if (!first) return 0
  const events = due.map(
    ({ mailbox_id: mailboxId, agent_id: agentId, created_at: createdAt, refs, ...row }) => ({
      ...row,
      mailboxId,
      agentId,
      createdAt,
      refs: JSON.parse(refs) as EventRefs,
    }),
  )
  const [subjects] = await Promise.all([
    subjectsOf(env, tenantId, events),
    followUp(env, now, tenantId, events),
  ])
  const made = events.map((event) => {
    const payload = payloadOf(event, tenantId, subjects)
    return { seq: event.seq, payload, text: JSON.stringify(payload) }
  })
  const results = await env.DB.batch<{ id: string; is_waiting: number; seq: number }>(
    slicesOf(made).flatMap((slice) => {
      const rows = JSON.stringify(slice.map(({ seq, text }) => ({ seq, payload: text })))
      return [
        env.DB.prepare(DELIVERIES).bind(tenantId, rows, now.getTime(), idFloor('whd', now)),
        env.DB.prepare(PUBLISH).bind(tenantId, rows),
      ]
    }),
  )
  const rows = results.flatMap((result) => result.results)
  const isMine = new Set(rows.map(({ seq }) => seq))
  const published = made.filter(({ seq }) => isMine.has(seq)).map(({ payload }): Payload => payload)
  const deliveries = rows
    .filter((row) => row.is_waiting === 0)
    .map(({ id }) => ({ tenantId, deliveryId: id }))
  await Promise.all([
    ringDeliveries(env, deliveries),
    announce(env, now, tenantId, published),
    first.found > made.length ? ringOutbox(env, [tenantId]) : undefined,
  ])
  return published.length
}

/** In the order given, each as large as one bound value may be. */
function slicesOf<Item extends { seq: number; text: string }>(items: Item[]): Item[][] {
  const slices: Item[][] = []
  let room = 0
  for (const item of items) {
    const weight = byteLength(JSON.stringify(item.text)) + 64
    if (weight > room) {
      slices.push([])
      room = SLICE_AT_MOST
    }
    slices.at(-1)?.push(item)
    room -= weight
  }
  return slices
}
