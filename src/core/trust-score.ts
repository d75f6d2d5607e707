import type { Env } from '../env.ts'
import { hasBond } from './bonds/bond.ts'
import { idFloor } from './ids.ts'

/** What an agent's trust score is made of; counts are those of its newest sends and approvals of the last 30 days. */
export type TrustRecord = {
  isClaimed: boolean
  isVerified: boolean
  hasBond: boolean
  ageDays: number
  approved: number
  rejected: number
  sent: number
  delivered: number
  bounced: number
  complained: number
}

const DAY_MS = 86_400_000
/** Below so many sends a rate says nothing. */
const SENDS_FOR_A_RATE = 20
/** How many of the tenant's sends are looked at; the reward for deliveries is full at half of it. */
const SENDS_AT_MOST = 1_000

/**
 * How far an agent may be trusted, 0 to 100: 20 for a new one, 55 once its owner's address is verified, the rest by bond,
 * age and clean sending. One bounce in ten takes 40 of it away, one complaint in a hundred 60.
 */
export function trustScore(record: TrustRecord): number {
  const { ageDays, approved, rejected, sent, delivered, bounced, complained } = record
  const decided = approved + rejected
  const rate = (count: number) => (sent < SENDS_FOR_A_RATE ? 0 : count / sent)
  const score =
    20 +
    (record.isClaimed ? 20 : 0) +
    (record.isVerified ? 15 : 0) +
    (record.hasBond ? 15 : 0) +
    Math.min(10, Math.max(0, ageDays) / 3) +
    (decided === 0 ? 0 : (10 * approved) / decided) +
    Math.min(10, delivered / 50) -
    Math.min(40, 400 * rate(bounced)) -
    Math.min(60, 6_000 * rate(complained))
  return Math.round(Math.min(100, Math.max(0, score)))
}

/** An agent's score at the moment of its registration. */
export function firstTrustScore({ isClaimed }: { isClaimed: boolean }): number {
  const none = { approved: 0, rejected: 0, sent: 0, delivered: 0, bounced: 0, complained: 0 }
  return trustScore({ isClaimed, isVerified: isClaimed, hasBond: false, ageDays: 0, ...none })
}

export type RecordRow = {
  registered_at: number
  claimed_at: number | null
  verified_at: number | null
  has_bond: number
  approved: number
  rejected: number
  sent: number
  delivered: number
  bounced: number
  complained: number
}

/** The one statement that gathers a record. */
export function recordStatement(
  { env, now }: { env: Env; now: Date },
  { tenantId, agentId, mailboxId }: { tenantId: string; agentId: string; mailboxId: string },
): D1PreparedStatement {
  const since = new Date(now.getTime() - 30 * DAY_MS)
  return env.DB.prepare(RECORD).bind(
    tenantId,
    agentId,
    mailboxId,
    idFloor('req', since),
    idFloor('apq', since),
  )
}

export function readRecord(row: RecordRow, now: Date): TrustRecord {
  const { registered_at, claimed_at, verified_at, has_bond, ...counts } = row
  return {
    ...counts,
    isClaimed: claimed_at !== null,
    isVerified: verified_at !== null,
    hasBond: has_bond === 1,
    ageDays: (now.getTime() - registered_at) / DAY_MS,
  }
}

const RECORD = `
  WITH recent AS MATERIALIZED (
    SELECT state, mailbox_id FROM sends WHERE tenant_id = ?1 AND id >= ?4 ORDER BY id DESC LIMIT ${SENDS_AT_MOST}),
  outcome AS (
    SELECT count(*) AS sent, count(*) FILTER (WHERE state IN ('delivered', 'complained')) AS delivered,
      count(*) FILTER (WHERE state = 'bounced') AS bounced, count(*) FILTER (WHERE state = 'complained') AS complained
    FROM recent WHERE mailbox_id = ?3 AND state IN ('accepted', 'delivered', 'bounced', 'complained')),
  decision AS (
    SELECT count(*) FILTER (WHERE status = 'approved') AS approved, count(*) FILTER (WHERE status = 'rejected') AS rejected
    FROM approvals WHERE tenant_id = ?1 AND id >= ?5 AND mailbox_id = ?3)
  SELECT a.registered_at, o.claimed_at, o.verified_at, ${hasBond('a.tenant_id')} AS has_bond, decision.*, outcome.*
  FROM agents a CROSS JOIN outcome CROSS JOIN decision
  LEFT JOIN owners o ON o.tenant_id = a.tenant_id AND o.claimed_at IS NOT NULL
  WHERE a.tenant_id = ?1 AND a.id = ?2 LIMIT 1`
