import type { EventType } from '../../schema/journal.ts'
import { agentOfKey, type Ctx } from '../ground/ctx.ts'
import { statement } from '../ground/sql.ts'
import { isOfAgent } from './event-agents.ts'
import type { Payload } from './payload.ts'
import { mailboxesToHear } from './stream.ts'

type EventFilter = {
  types?: EventType[] | undefined
  mailboxId?: string | undefined
  agentId?: string | undefined
  since?: Date | undefined
  /** The id of the last event of the page before. */
  before?: string | undefined
  limit: number
}

type EventPage = { items: Payload[]; hasMore: boolean }

/** The most that the payloads of one answer may weigh, in bytes. A page that would be larger ends early. */
const PAGE_AT_MOST = 4_000_000

const LIST = statement<{ payload: string; found: number }>(`
  SELECT payload, found FROM (
    SELECT seq, payload, octet_length(payload) AS weight, count(*) OVER () AS found,
      sum(octet_length(payload)) OVER (ORDER BY seq DESC) AS total
    FROM (
      SELECT e.seq, e.payload FROM events e
      WHERE e.tenant_id = :tenantId AND e.payload IS NOT NULL
        AND e.seq < coalesce((SELECT b.seq FROM events b WHERE b.tenant_id = :tenantId AND b.id = :before), iif(:before IS NULL, 9e18, 0))
        AND e.seq >= :since
        AND (:types IS NULL OR e.type IN (SELECT value FROM json_each(:types)))
        AND (:mailboxIds IS NULL OR e.mailbox_id IN (SELECT value FROM json_each(:mailboxIds)))
        AND (:agentId IS NULL OR e.agent_id = :agentId) AND ${isOfAgent('e')}
      ORDER BY e.seq DESC LIMIT :limit))
  WHERE total - weight < ${PAGE_AT_MOST} ORDER BY seq DESC`)

/**
 * The events of the last 30 days that the actor may read, newest first, as they were published: with an agent's key those of the
 * agent, with a key that is scoped to mailboxes those of these mailboxes. A page may have fewer events than `limit` although more follow.
 */
export async function listEvents(ctx: Ctx, filter: EventFilter): Promise<EventPage> {
  const { types, mailboxId, agentId, since, before, limit } = filter
  const shown = mailboxesToHear(ctx, mailboxId)
  const rows = await LIST.all(ctx.env, {
    tenantId: ctx.tenantId,
    before: before ?? null,
    since: since ? since.getTime() * 1000 : 0,
    types: types ? JSON.stringify(types) : null,
    mailboxIds: shown ? JSON.stringify(shown) : null,
    agentId: agentId ?? null,
    ofAgent: agentOfKey(ctx),
    limit: limit + 1,
  })
  const items = rows.slice(0, limit).map(({ payload }) => JSON.parse(payload) as Payload)
  return { items, hasMore: (rows[0]?.found ?? 0) > items.length }
}
