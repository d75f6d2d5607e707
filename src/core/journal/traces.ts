import { traces } from '../../schema/journal.ts'
import type { SendState } from '../../schema/sending.ts'
import type { Db } from '../ground/ctx.ts'
import { fragment } from '../ground/sql.ts'

/** The steps of a send that its trace keeps. */
type TraceKind = 'decision' | 'render' | 'approval' | 'routing' | 'delivery' | 'cancel'

/** A send that a worker has locked. Changes count only while the row still has this token. */
export type Hold = { tenantId: string; sendId: string; token: string }

/** Trace rows from a relation of `tenant_id, send_id, kind, body, position`, numbered after the steps that each send has. */
const rowsFrom = (steps: string) => `
  SELECT x.tenant_id, x.send_id,
    (SELECT coalesce(max(t.seq) + 1, 0) FROM traces t WHERE t.tenant_id = x.tenant_id AND t.send_id = x.send_id)
      + row_number() OVER (PARTITION BY x.tenant_id, x.send_id ORDER BY x.position) - 1,
    x.kind, :now, x.body
  FROM (${steps}) x`

/**
 * SQL that adds steps to traces from a relation of `tenant_id, send_id, kind, body, position`. The steps of a send are
 * numbered in the order of their positions. The SQL belongs in the batch of the change it records. `:now` is the time in ms.
 */
export const tracesFrom = (steps: string) =>
  `INSERT INTO traces (tenant_id, send_id, seq, kind, at, body) ${rowsFrom(steps)}`

const STEP_OF_SEND = rowsFrom(
  `SELECT s.tenant_id, s.id AS send_id, :kind AS kind, :body AS body, 0 AS position
    FROM sends s WHERE s.tenant_id = :tenantId AND s.id = :sendId AND s.lock_token = :token
      AND (:state IS NULL OR s.state = :state)`,
)

/**
 * Adds a step to the trace of a send if the send still has the token, and is in `state` if one is given. In a batch after a
 * change that needs the token, it is written only if the change was.
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
