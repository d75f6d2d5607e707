import type { EventType } from '../../schema/journal.ts'
import { type Ctx, mailboxesToShow } from '../ground/ctx.ts'
import type { Payload } from './payload.ts'

export type EventFilter = {
  types?: EventType[] | undefined
  mailboxId?: string | undefined
  agentId?: string | undefined
  since?: Date | undefined
  /** The id of the last event of the page before. */
  before?: string | undefined
  limit: number
}

export type EventPage = { items: Payload[]; hasMore: boolean }

/** Payloads of one answer, in bytes; a page ends early where they would be more. */
const PAGE_AT_MOST = 4_000_000

const LIST = `
  SELECT payload, found FROM (
    SELECT seq, payload, octet_length(payload) AS weight, count(*) OVER () AS found,
      sum(octet_length(payload)) OVER (ORDER BY seq DESC) AS total
    FROM (
      SELECT e.seq, e.payload FROM events e
      WHERE e.tenant_id = ?1 AND e.payload IS NOT NULL
        AND e.seq < coalesce((SELECT b.seq FROM events b WHERE b.tenant_id = ?1 AND b.id = ?2), iif(?2 IS NULL, 9e18, 0))
        AND e.seq >= ?3
        AND (?4 IS NULL OR e.type IN (SELECT value FROM json_each(?4)))
        AND (?5 IS NULL OR e.mailbox_id IN (SELECT value FROM json_each(?5)))
        AND (?6 IS NULL OR e.agent_id = ?6)
      ORDER BY e.seq DESC LIMIT ?7))
  WHERE total - weight < ${PAGE_AT_MOST} ORDER BY seq DESC`

/**
 * The events of the last 30 days that the actor may read, newest first, as they were published. A key of some mailboxes
 * sees those of its mailboxes. Fewer than `limit` may come though more follow.
 */
export async function listEvents(ctx: Ctx, filter: EventFilter): Promise<EventPage> {
  const { types, mailboxId, agentId, since, before, limit } = filter
  const shown = mailboxesToShow(ctx, mailboxId)
  const { results } = await ctx.env.DB.prepare(LIST)
    .bind(
      ctx.tenantId,
      before ?? null,
      since ? since.getTime() * 1000 : 0,
      types ? JSON.stringify(types) : null,
      shown ? JSON.stringify(shown) : null,
      agentId ?? null,
      limit + 1,
    )
    .all<{ payload: string; found: number }>()
  const items = results.slice(0, limit).map(({ payload }) => JSON.parse(payload) as Payload)
  return { items, hasMore: (results[0]?.found ?? 0) > items.length }
}
