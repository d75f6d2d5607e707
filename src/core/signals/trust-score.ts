import { type Env, settings } from '../../env.ts'
import { idFloor } from '../ground/ids.ts'
import { statement } from '../ground/sql.ts'
import { hasBond } from '../policy/bond.ts'
import { claimantOf } from '../policy/claim.ts'
import { statesIn } from '../policy/states.ts'

/** The facts behind an agent's trust score. The counts are of its newest sends and of approvals in the last 30 days. */
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
/** With fewer sends a rate means nothing. */
const SENDS_FOR_A_RATE = 20
/** How many of the tenant's newest sends are counted. The deliveries term is full at half of it. */
const SENDS_AT_MOST = 1_000

/** One term of a score: what it counts, the points it gives or takes, and the most it could. */
export type TrustTerm = { term: string; points: number; most: number; why: string }

/**
 * How far an agent may be trusted, 0 to 100: 20 for a new one, 55 once its owner's address is verified, the rest for a bond,
 * age and clean sending. One bounce in ten sends takes away 40, one complaint in a hundred 60.
 */
export function trustScore(record: TrustRecord): number {
  const sum = trustTerms(record).reduce((total, { points }) => total + points, 0)
  return Math.round(Math.min(100, Math.max(0, sum)))
}

/** All terms of a score. Their sum, limited to 0 to 100 and rounded, is the score. */
export function trustTerms(record: TrustRecord): TrustTerm[] {
  const { ageDays, approved, rejected, delivered } = record
  const decided = approved + rejected
  const { bounceRate, complaintRate } = ratesOf(record)
  const gives = (term: string, most: number, isSo: boolean, why: string) =>
    ({ term, points: isSo ? most : 0, most, why }) satisfies TrustTerm
  const age = Math.min(10, Math.max(0, ageDays) / 3)
  const rate = (value: number | null) =>
    value === null ? `fewer than ${SENDS_FOR_A_RATE} sends` : percent(value)
  return [
    gives('base', 20, true, 'what every agent starts with'),
    gives('claimed', 20, record.isClaimed, 'once a person has claimed the agent'),
    gives('email_verified', 15, record.isVerified, "once the owner's address is verified"),
    gives('bond_posted', 15, record.hasBond, 'while the owner has a bond posted'),
    {
      term: 'age',
      points: age,
      most: 10,
      why: `${Math.floor(Math.max(0, ageDays))} days since registration`,
    },
    {
      term: 'approvals',
      points: decided === 0 ? 0 : (10 * approved) / decided,
      most: 10,
      why: `${approved} of ${decided} held messages were approved in 30 days`,
    },
    {
      term: 'deliveries',
      points: Math.min(10, delivered / 50),
      most: 10,
      why: `${delivered} delivered in 30 days`,
    },
    {
      term: 'bounces',
      points: -Math.min(40, 400 * (bounceRate ?? 0)) || 0,
      most: -40,
      why: `bounce rate in 30 days: ${rate(bounceRate)}`,
    },
    {
      term: 'complaints',
      points: -Math.min(60, 6_000 * (complaintRate ?? 0)) || 0,
      most: -60,
      why: `complaint rate in 30 days: ${rate(complaintRate)}`,
    },
  ]
}

/** Bounces and complaints per send; null if too little was sent for a rate to mean anything. */
export function ratesOf({ sent, bounced, complained }: Pick<TrustRecord, 'sent' | 'bounced' | 'complained'>) {
  const rate = (count: number) => (sent < SENDS_FOR_A_RATE ? null : count / sent)
  return { bounceRate: rate(bounced), complaintRate: rate(complained) }
}

const percent = (value: number) => `${(100 * value).toFixed(2)} %`

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

/** The statement that reads the record of an agent: the one named, or else the one that the mailbox belongs to. */
export function recordStatement(
  { env, now }: { env: Env; now: Date },
  { tenantId, agentId, mailboxId }: { tenantId: string; agentId: string | null; mailboxId: string },
): D1PreparedStatement {
  const since = new Date(now.getTime() - 30 * DAY_MS)
  return RECORD.bind(env, {
    ...{ tenantId, agentId, mailboxId, isLocal: settings(env).isLocal ? 1 : 0 },
    sendsFrom: idFloor('req', since),
    approvalsFrom: idFloor('apq', since),
  })
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

const RECORD = statement<RecordRow>(`
  WITH recent AS MATERIALIZED (
    SELECT state, mailbox_id, coalesce(recipients ->> '$[0].contact', id) AS contact, carrier IS NOT 'internal' AS is_external
    FROM sends WHERE tenant_id = :tenantId AND id >= :sendsFrom ORDER BY id DESC LIMIT ${SENDS_AT_MOST}),
  outcome AS (
    SELECT count(*) AS sent,
      count(*) FILTER (WHERE state IN ('delivered', 'complained') AND is_external) AS delivered,
      count(DISTINCT contact) FILTER (WHERE state = 'bounced') AS bounced,
      count(DISTINCT contact) FILTER (WHERE state = 'complained') AS complained
    FROM recent WHERE (is_external OR state IN ('bounced', 'complained')) AND mailbox_id = :mailboxId AND state IN ${statesIn(({ isOut }) => isOut)}),
  decision AS (
    SELECT count(*) FILTER (WHERE status = 'approved') AS approved, count(*) FILTER (WHERE status = 'rejected') AS rejected
    FROM approvals WHERE tenant_id = :tenantId AND id >= :approvalsFrom AND mailbox_id = :mailboxId)
  SELECT a.registered_at, o.claimed_at, o.verified_at, ${hasBond('a.tenant_id')} AS has_bond, decision.*, outcome.*
  FROM agents a CROSS JOIN outcome CROSS JOIN decision
  LEFT JOIN owners o ON o.tenant_id = a.tenant_id AND o.id = ${claimantOf('a.tenant_id')}
  WHERE a.tenant_id = :tenantId
    AND a.id = coalesce(:agentId, (SELECT m.agent_id FROM mailboxes m WHERE m.tenant_id = :tenantId AND m.id = :mailboxId)) LIMIT 1`)
