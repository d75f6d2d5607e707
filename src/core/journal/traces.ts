import { sql } from 'drizzle-orm'
import { traces } from '../../schema/journal.ts'
import type { SendState } from '../../schema/sending.ts'
import type { Db } from '../ground/ctx.ts'

/** The steps of a send that its trace keeps. */
export type TraceKind = 'decision' | 'render' | 'approval' | 'routing' | 'delivery' | 'cancel'

/** A send that one consumer has claimed: changes count only while the row still bears this token. */
export type Hold = { tenantId: string; sendId: string; token: string }

/**
 * Adds a step to a send's trace where the send still bears the token, and is in `state` where one is given: batched behind
 * a change, it is written only if the change was.
 */
export function appendTrace(
  db: Db,
  hold: Hold,
  kind: TraceKind,
  now: Date,
  body: Record<string, unknown>,
  state: SendState | null = null,
) {
  return db.insert(traces).select(sql`
    SELECT s.tenant_id, s.id,
      (SELECT coalesce(max(t.seq) + 1, 0) FROM traces t WHERE t.tenant_id = s.tenant_id AND t.send_id = s.id),
      ${kind}, ${now.getTime()}, ${JSON.stringify(body)}
    FROM sends s WHERE s.tenant_id = ${hold.tenantId} AND s.id = ${hold.sendId} AND s.lock_token = ${hold.token}
      AND ${state === null ? sql`1` : sql`s.state = ${state}`}`)
}
