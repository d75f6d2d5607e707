import type { SendState } from '../../schema/sending.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import type { DlpFacts } from '../reading/dlp/facts.ts'

/** What was found in a message that was to leave, by kind and place. What it said is kept nowhere. */
export type Finding = {
  sendId: string
  at: Date
  recipient: string | null
  state: SendState
  reason: string | null
} & Pick<DlpFacts, 'mode' | 'found' | 'canaries'>

/** Sends whose decisions one look goes through. */
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
 * The finds in the tenant's newest sends, newest first. Only so many sends are looked at: `next`, where there are older
 * ones, is what to give as `before` to go on, whether or not anything was found.
 */
export async function listFindings(
  ctx: Ctx,
  page: { before: string | null; limit: number },
): Promise<{ findings: Finding[]; next: string | null }> {
  mustBeAllowed(ctx, 'read')
  const { DB } = ctx.env
  const binds = [ctx.tenantId, page.before, page.limit + 1] as const
  const [found, looked] = (await DB.batch([
    DB.prepare(FOUND).bind(...binds),
    DB.prepare(LOOKED).bind(ctx.tenantId, page.before),
  ])) as [D1Result<Row>, D1Result<{ sends: number; last: string | null }>]
  const findings = found.results.slice(0, page.limit).map(({ send_id, at, dlp, ...row }): Finding => {
    const { mode, found, canaries } = JSON.parse(dlp) as DlpFacts
    return { ...row, sendId: send_id, at: new Date(at), mode, found, canaries }
  })
  if (found.results.length > page.limit) return { findings, next: findings.at(-1)?.sendId ?? null }
  const [{ sends, last } = { sends: 0, last: null }] = looked.results
  return { findings, next: sends === SENDS_AT_ONCE ? last : null }
}

const NEWEST = `
  SELECT s.id, s.state, s.reason, s.recipients FROM sends s
  WHERE s.tenant_id = ?1 AND (?2 IS NULL OR s.id < ?2) ORDER BY s.id DESC LIMIT ${SENDS_AT_ONCE}`

/** A send that was decided more than once is told of as it was decided last. */
const FOUND = `
  WITH newest AS MATERIALIZED (${NEWEST})
  SELECT t.send_id, t.at, max(t.seq), t.body -> '$.facts.dlp' AS dlp, n.state, n.reason,
    n.recipients ->> '$[0].email' AS recipient
  FROM newest n CROSS JOIN traces t ON t.tenant_id = ?1 AND t.send_id = n.id
  WHERE t.kind = 'decision' AND (json_array_length(t.body, '$.facts.dlp.found') > 0
    OR json_array_length(t.body, '$.facts.dlp.canaries') > 0)
  GROUP BY t.send_id ORDER BY t.send_id DESC LIMIT ?3`

const LOOKED = `SELECT count(*) AS sends, min(n.id) AS last FROM (${NEWEST}) n`
