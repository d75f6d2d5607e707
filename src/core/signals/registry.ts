import { type Env, settings } from '../../env.ts'
import { mailboxContact } from '../accounts/domains/sending-domain.ts'
import { parseAddress } from '../ground/address.ts'
import { Fault } from '../ground/fault.ts'
import { isLoopback, networkOf } from '../ground/network.ts'
import { statement } from '../ground/sql.ts'
import { throttle } from '../limits/throttle.ts'
import { type BondRow, type BondTier, bondStatement, bondStateOf } from '../payments/bonds/bond.ts'
import { type RecordRow, ratesOf, readRecord, recordStatement, trustScore } from './trust-score.ts'

// The caller has no key and belongs to no tenant, so these queries name none. Only the operator's verbs do the same.

/** What anybody may know of an agent. It says nothing about the agent's owner. */
export type Reputation = {
  agentId: string
  address: string | null
  name: string
  trustScore: number
  level: 'sandbox' | 'supervised' | 'trusted' | 'autonomous'
  bondTier: BondTier | null
  isClaimed: boolean
  memberSince: Date
  sent: number
  /** Null if too little was sent for a rate to mean anything. */
  bounceRate: number | null
  complaintRate: number | null
}

/** Lookups from one network, in a UTC hour and day. */
const LOOKUPS = { hour: 300, day: 3_000 }

const AGENT = statement<AgentRow>(`
  SELECT a.tenant_id, a.id, a.name, t.level, m.id AS mailbox_id, m.address
  FROM agents a JOIN tenants t ON t.id = a.tenant_id
  LEFT JOIN mailboxes m ON m.tenant_id = a.tenant_id AND m.id = coalesce(:mailboxId, (
    SELECT x.id FROM mailboxes x WHERE x.tenant_id = a.tenant_id AND x.agent_id = a.id
    ORDER BY x.id = t.default_mailbox_id DESC, x.id LIMIT 1))
  WHERE a.tenant_id = :tenantId AND a.id = :agentId AND a.status <> 'banned'`)

type AgentRow = {
  tenant_id: string
  id: string
  name: string
  level: Reputation['level']
  mailbox_id: string | null
  address: string | null
}

/**
 * The reputation of an agent, by its id or by an address of its mailbox. Throws `not_found` for an unknown or banned agent,
 * and `rate_limited` if the caller's network has asked too often.
 */
export async function lookUpReputation(
  at: { env: Env; now: Date },
  named: string,
  clientAddress: string | null,
): Promise<Reputation> {
  await countLookup(at, clientAddress)
  const { DB } = at.env
  const agent = await findAgent(at.env, named)
  if (!agent) throw new Fault('not_found', 'No such agent.', { field: 'agent_id' })
  const { tenant_id: tenantId, id: agentId, mailbox_id, address, name, level } = agent
  const [recorded, bond] = (await DB.batch([
    recordStatement(at, { tenantId, agentId, mailboxId: mailbox_id ?? '' }),
    bondStatement(at.env, tenantId),
  ])) as [D1Result<RecordRow>, D1Result<BondRow>]
  const [row] = recorded.results
  if (!row) throw new Fault('not_found', 'No such agent.', { field: 'agent_id' })
  const record = readRecord(row, at.now)
  const { status, tier } = bondStateOf(bond.results[0])
  return {
    ...{ agentId, address, name, level },
    trustScore: trustScore(record),
    bondTier: status === 'posted' && record.hasBond ? tier : null,
    isClaimed: record.isClaimed,
    memberSince: new Date(row.registered_at),
    sent: record.sent,
    ...ratesOf(record),
  }
}

async function findAgent(env: Env, named: string): Promise<AgentRow | null> {
  const contact = parseAddress(named)?.contact ?? null
  const found =
    contact === null ? await OF_ID.first(env, { id: named }) : await OF_ADDRESS.first(env, { contact })
  if (!found) return null
  const { tenant_id: tenantId, agent_id: agentId, mailbox_id: mailboxId } = found
  return await AGENT.first(env, { tenantId, agentId, mailboxId })
}

type Owned = { tenant_id: string; agent_id: string; mailbox_id: string | null }

const OF_ID = statement<Owned>(
  'SELECT tenant_id, id AS agent_id, NULL AS mailbox_id FROM agents WHERE id = :id',
)

const OF_ADDRESS = statement<Owned>(`
  SELECT m.tenant_id, m.agent_id, m.id AS mailbox_id FROM mailboxes m
  WHERE m.contact = ${mailboxContact(':contact')} AND m.agent_id IS NOT NULL`)

/** Callers without a known address count together. In local development, calls from this machine do not count. */
async function countLookup(at: { env: Env; now: Date }, address: string | null): Promise<void> {
  if (settings(at.env).isLocal && (address === null || isLoopback(address))) return
  const network = (address === null ? null : networkOf(address)) ?? 'unknown'
  const counted = await throttle(at, `reputation:${network}`, LOOKUPS)
  if (counted.isAllowed) return
  const retryAfter = Math.ceil((counted.retryAt.getTime() - at.now.getTime()) / 1000)
  const message = `Your network has looked up too many agents. Try again in ${retryAfter} seconds.`
  throw new Fault('rate_limited', message, { retryAfter })
}
