import type { SendState } from '../../schema/sending.ts'
import { type Ctx, mustBeAllowed, reachOf } from '../ground/ctx.ts'
import { statement } from '../ground/sql.ts'
import type { DlpFacts } from '../reading/dlp/facts.ts'

/** What DLP found in an outgoing message, by kind and place. The text that was found is stored nowhere. */
export type Finding = {
  sendId: string
  at: Date
  recipient: string | null
  state: SendState
  reason: string | null
} & Pick<DlpFacts, 'mode' | 'found' | 'canaries'>

/** Sends that one call looks at. */
const SENDS_AT_ONCE = 500

type Row = {
  send_id: string
  at: number
  recipient: string | null
  state: SendState
  reason: string | null
  dlp: string
}

/**
 * The findings in the newest sends that the actor may see, newest first. One call looks at a limited number of sends. If there are older
 * sends, `next` is the value of `before` for the next call, even if this call found nothing.
 */
export async function listFindings(
  ctx: Ctx,
  page: { before: string | null; limit: number },
): Promise<{ findings: Finding[]; next: string | null }> {
  mustBeAllowed(ctx, 'read')
  const reach = reachOf(ctx)
  const sends = { tenant: ctx.tenantId, before: page.before, reach: reach && JSON.stringify(reach) }
  const [foundResult, lookedResult] = await ctx.env.DB.batch([
    findDecisions.bind(ctx.env, { ...sends, limit: page.limit + 1 }),
    countSends.bind(ctx.env, sends),
  ])
  const found = findDecisions.rows(foundResult)
  const findings = found.slice(0, page.limit).map(({ send_id, at, dlp, ...row }): Finding => {
    const { mode, found, canaries } = JSON.parse(dlp) as DlpFacts
    return { ...row, sendId: send_id, at: new Date(at), mode, found, canaries }
  })
  if (found.length > page.limit) return { findings, next: findings.at(-1)?.sendId ?? null }
  const [{ count, oldest } = { count: 0, oldest: null }] = countSends.rows(lookedResult)
  return { findings, next: count === SENDS_AT_ONCE ? oldest : null }
}

const NEWEST = `
  SELECT s.id, s.state, s.reason, s.recipients FROM sends s
  WHERE s.tenant_id = :tenant AND (:reach IS NULL OR s.mailbox_id IN (SELECT value FROM json_each(:reach)))
    AND (:before IS NULL OR s.id < :before) ORDER BY s.id DESC LIMIT ${SENDS_AT_ONCE}`

/** Of a send with several decisions, the last one counts. */
const findDecisions = statement<Row>(`
  WITH newest AS MATERIALIZED (${NEWEST})
  SELECT t.send_id, t.at, max(t.seq), t.body -> '$.facts.dlp' AS dlp, n.state, n.reason,
    n.recipients ->> '$[0].email' AS recipient
  FROM newest n CROSS JOIN traces t ON t.tenant_id = :tenant AND t.send_id = n.id
  WHERE t.kind = 'decision' AND (json_array_length(t.body, '$.facts.dlp.found') > 0
    OR json_array_length(t.body, '$.facts.dlp.canaries') > 0)
  GROUP BY t.send_id ORDER BY t.send_id DESC LIMIT :limit`)

const countSends = statement<{ count: number; oldest: string | null }>(
  `SELECT count(*) AS count, min(n.id) AS oldest FROM (${NEWEST}) n`,
)
