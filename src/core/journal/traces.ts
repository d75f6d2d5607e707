import { traces } from '../../schema/journal.ts'
import type { SendState } from '../../schema/sending.ts'
import type { Db } from '../ground/ctx.ts'
import { fragment } from '../ground/sql.ts'

/** The steps of a send that its trace keeps. */
type TraceKind = 'decision' | 'render' | 'approval' | 'routing' | 'delivery' | 'cancel'

/** A send that a worker has locked: changes count only while the row still bears this token. */
export type Hold = { tenantId: string; sendId: string; token: string }

/** Trace rows from a relation of `tenant_id, send_id, kind, body, position`, each after all that its send has. */
const rowsFrom = (steps: string, now: string) => `
  SELECT x.tenant_id, x.send_id,
    (SELECT coalesce(max(t.seq) + 1, 0) FROM traces t WHERE t.tenant_id = x.tenant_id AND t.send_id = x.send_id)
      + row_number() OVER (PARTITION BY x.tenant_id, x.send_id ORDER BY x.position) - 1,
    x.kind, ${now}, x.body
  FROM (${steps}) x`

/**
 * SQL that adds steps to traces from a relation of `tenant_id, send_id, kind, body, position`. Steps of one send follow each
 * other in the order of their positions. It belongs in the batch of the change it records. `now` is the parameter that holds
 * the time in ms.
 */
export const tracesFrom = (steps: string, now = ':now') =>
  `INSERT INTO traces (tenant_id, send_id, seq, kind, at, body) ${rowsFrom(steps, now)}`

const STEP_OF_SEND = rowsFrom(
  `SELECT s.tenant_id, s.id AS send_id, :kind AS kind, :body AS body, 0 AS position
    FROM sends s WHERE s.tenant_id = :tenantId AND s.id = :sendId AND s.lock_token = :token
      AND (:state IS NULL OR s.state = :state)`,
  ':now',
)

/**
 * Adds a step to the trace of a send if the send still bears the token, and is in `state` if one is given. Batched behind a
 * change, it is written only if the change was.
 */
export function appendTrace(
  db: Db,
  { tenantId, sendId, token }: Hold,
  kind: TraceKind,
  now: Date,
  body: Record<string, unknown>,
  state: SendState | null = null,
) {
  const values = { tenantId, sendId, token, kind, now: now.getTime(), body: JSON.stringify(body), state }
  return db.insert(traces).select(fragment(STEP_OF_SEND, values))
}
