import type { Env } from '../../env.ts'
import type { EventRefs, EventType } from '../../schema/journal.ts'
import { idFloor } from '../ground/ids.ts'
import { byteLength } from '../ground/slices.ts'
import { statement } from '../ground/sql.ts'
import { ringOutbox } from '../journal/bells.ts'
import type { Due } from '../journal/event-types.ts'
import { ringDeliveries } from '../journal/webhook-bells.ts'
import type { Hearers } from '../policy/listener.ts'
import { isLiveWebhook } from '../policy/live-key.ts'
import { announce } from './announce.ts'
import { agentsOf, hearersOf } from './event-agents.ts'
import { BODY_AT_MOST, type Payload, payloadOf } from './payload.ts'
import { subjectsOf } from './subjects.ts'
import { IS_FULL } from './webhooks/waiting.ts'

/** How many events one turn publishes, and the most that their bodies may weigh together, in bytes. */
const AT_ONCE = 100
const BODIES_AT_MOST = 4_000_000
/** D1 takes at most 2 MB in one bound value. */
const SLICE_AT_MOST = 1_000_000

/**
 * The due events that fit into one turn, oldest first, and always the first one. A body in R2 counts with the most that a
 * payload shows of it. The index leaves out published events, so that their number does not matter.
 */
const DUE = statement<DueRow>(`
  SELECT * FROM (
    SELECT *, sum(weight) OVER (ORDER BY seq) - weight AS before, count(*) OVER () AS found FROM (
      SELECT e.seq, e.id, e.type, e.mailbox_id, e.agent_id, e.refs, e.created_at, coalesce(iif(m.body_key IS NULL,
          octet_length(coalesce(m.text, '')) + octet_length(coalesce(m.html, '')), ${2 * BODY_AT_MOST}), 0) AS weight
      FROM events e INDEXED BY events_waiting LEFT JOIN messages m ON m.tenant_id = e.tenant_id AND m.id = e.refs ->> 'messageId'
      WHERE e.tenant_id = :tenantId AND e.next_at IS NOT NULL AND e.next_at <= :now
      ORDER BY e.seq LIMIT ${AT_ONCE + 1}))
  WHERE before < ${BODIES_AT_MOST} ORDER BY seq LIMIT ${AT_ONCE}`)

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
 * Adds a delivery for every active webhook that wants an event and is older than it. A delivery to a full webhook waits from
 * the start. Only events that are still due count. So this statement comes before the one that publishes them, and a second
 * run adds nothing.
 */
const ADD_DELIVERIES = statement<{ id: string; is_waiting: number }>(`
  INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, event_id, event_type, state, next_at, is_waiting, created_at, updated_at)
  SELECT e.tenant_id, :idFloor || lower(hex(randomblob(13))), w.id, e.id, e.type, 'pending', iif(${IS_FULL}, NULL, :now),
    ${IS_FULL}, :now, :now
  FROM json_each(:rows) j
  CROSS JOIN events e ON e.tenant_id = :tenantId AND e.seq = j.value ->> 'seq'
  CROSS JOIN webhooks w ON w.tenant_id = e.tenant_id
  WHERE e.next_at IS NOT NULL AND ${isLiveWebhook('w')} AND w.created_at <= e.created_at
    AND (json_array_length(w.event_types) = 0 OR e.type IN (SELECT value FROM json_each(w.event_types)))
    AND (w.agent_id IS NULL OR w.agent_id IN ${agentsOf('e')})
  ON CONFLICT (tenant_id, webhook_id, event_id) DO NOTHING
  RETURNING id, is_waiting`)

/** Stores the payload as the text that it is given as: the same bytes are signed and sent. Returns for whom each event exists. */
const PUBLISH = statement<{ seq: number; id: string; hearers: string | null }>(`
  WITH j AS MATERIALIZED (SELECT value ->> 'seq' AS seq, value ->> 'payload' AS payload FROM json_each(:rows))
  UPDATE events SET payload = j.payload, next_at = NULL FROM j
  WHERE events.tenant_id = :tenantId AND events.seq = j.seq AND events.next_at IS NOT NULL
  RETURNING seq, id, ${hearersOf('events')} AS hearers`)

/** What else follows from events before they are published. It is handed in, and must not throw. */
type FollowUp = (env: Env, now: Date, tenantId: string, events: Due[]) => Promise<void>

/**
 * Publishes the due events of a tenant, oldest first: makes each payload once, adds its deliveries to webhooks and sends it to
 * the stream. Of several runs at the same time, one publishes an event. Rings again if more are due. Returns how many events
 * this run published.
 */
export async function publish(env: Env, now: Date, tenantId: string, followUp: FollowUp): Promise<number> {
  const due = await DUE.all(env, { tenantId, now: now.getTime() })
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
  const results = await env.DB.batch(
    slicesOf(made).flatMap((slice) => {
      const rows = JSON.stringify(slice.map(({ seq, text }) => ({ seq, payload: text })))
      return [
        ADD_DELIVERIES.bind(env, { tenantId, rows, now: now.getTime(), idFloor: idFloor('whd', now) }),
        PUBLISH.bind(env, { tenantId, rows }),
      ]
    }),
  )
  // Each slice has two results, in the order of its statements.
  const mine = results.flatMap((result, place) => (place % 2 ? PUBLISH.rows(result) : []))
  const isMine = new Set(mine.map(({ seq }) => seq))
  const hearers: Hearers = Object.fromEntries(
    mine.flatMap(({ id, hearers }) => (hearers === null ? [] : [[id, JSON.parse(hearers) as string[]]])),
  )
  const published = made.filter(({ seq }) => isMine.has(seq)).map(({ payload }): Payload => payload)
  const deliveries = results
    .flatMap((result, place) => (place % 2 ? [] : ADD_DELIVERIES.rows(result)))
    .filter((row) => row.is_waiting === 0)
    .map(({ id }) => ({ tenantId, deliveryId: id }))
  await Promise.all([
    ringDeliveries(env, deliveries),
    announce(env, now, tenantId, published, hearers),
    first.found > made.length ? ringOutbox(env, [tenantId]) : undefined,
  ])
  return published.length
}

/** The items in their order, in slices that each fit into one bound value. */
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
