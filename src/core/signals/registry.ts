import { type Env, settings } from '../../env.ts'
import { mailboxContact } from '../accounts/domains/sending-domain.ts'
import { parseAddress } from '../ground/address.ts'
import { Fault } from '../ground/fault.ts'
import { isLoopback, networkOf } from '../ground/network.ts'
import { throttle } from '../limits/throttle.ts'
import { type BondRow, type BondTier, bondStatement, bondStateOf } from '../payments/bonds/bond.ts'
import { type RecordRow, ratesOf, readRecord, recordStatement, trustScore } from './trust-score.ts'

// Whoever asks has no key and belongs to no tenant: alone among the verbs, with the operator's, these name none on purpose.

/** What everybody may know of an agent: nothing of the person behind it. */
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
  /** Null where too little was sent for a rate to say anything. */
  bounceRate: number | null
  complaintRate: number | null
}

/** From one network, in a UTC hour and day. */
const LOOKUPS = { hour: 300, day: 3_000 }

const AGENT = `
  SELECT a.tenant_id, a.id, a.name, t.level, m.id AS mailbox_id, m.address
  FROM agents a JOIN tenants t ON t.id = a.tenant_id
  LEFT JOIN mailboxes m ON m.tenant_id = a.tenant_id AND m.id = coalesce(?3, (
    SELECT x.id FROM mailboxes x WHERE x.tenant_id = a.tenant_id AND x.agent_id = a.id
    ORDER BY x.id = t.default_mailbox_id DESC, x.id LIMIT 1))
  WHERE a.tenant_id = ?1 AND a.id = ?2 AND a.status <> 'banned'`

type AgentRow = {
  tenant_id: string
  id: string
  name: string
  level: Reputation['level']
  mailbox_id: string | null
  address: string | null
}

/**
 * The reputation of an agent, by its id or by an address of its mailbox. An unknown one, and one that is banned, is
 * `not_found`. Each network asks only so often.
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
    bondTier: status === 'posted' ? tier : null,
    isClaimed: record.isClaimed,
    memberSince: new Date(row.registered_at),
    sent: record.sent,
    ...ratesOf(record),
  }
}

async function findAgent(env: Env, named: string): Promise<AgentRow | null> {
  const contact = parseAddress(named)?.contact ?? null
  const found =
    contact === null
      ? await env.DB.prepare('SELECT tenant_id, id AS agent_id, NULL AS mailbox_id FROM agents WHERE id = ?1')
          .bind(named)
          .first<Owned>()
      : await env.DB.prepare(OF_ADDRESS).bind(contact).first<Owned>()
  if (!found) return null
  return await env.DB.prepare(AGENT).bind(found.tenant_id, found.agent_id, found.mailbox_id).first<AgentRow>()
}

type Owned = { tenant_id: string; agent_id: string; mailbox_id: string | null }

const OF_ADDRESS = `
  SELECT m.tenant_id, m.agent_id, m.id AS mailbox_id FROM mailboxes m
  WHERE m.contact = ${mailboxContact('?1')} AND m.agent_id IS NOT NULL`

/** Where no address is told, all count together; calls from this machine itself do not count in local development. */
async function countLookup(at: { env: Env; now: Date }, address: string | null): Promise<void> {
  if (settings(at.env).isLocal && (address === null || isLoopback(address))) return
  const network = (address === null ? null : networkOf(address)) ?? 'unknown'
  const counted = await throttle(at, `reputation:${network}`, LOOKUPS)
  if (counted.isLet) return
  const retryAfter = Math.ceil((counted.retryAt.getTime() - at.now.getTime()) / 1000)
  const message = `Your network has looked up too many agents. Try again in ${retryAfter} seconds.`
  throw new Fault('rate_limited', message, { retryAfter })
}
