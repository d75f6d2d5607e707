import type { SANCTION_KINDS } from '../../schema/governance.ts'
import { provedClaimants } from './owners.ts'
import { SUSPENDED_BELOW } from './plans.ts'

/** This much weight of sanctions suspends a tenant; less puts it in review. */
export const SUSPENDED_FROM = 2

/**
 * SQL: the tenant that this expression names, and the address of the person who claimed it and has proved that address. What
 * either of them holds counts for the tenant.
 */
const holders = (tenant: string) => `(SELECT ${tenant} UNION ALL ${provedClaimants(tenant)})`

/** SQL: the sanctions in force for this tenant, each once: a relation with the columns of the table. */
export const sanctionsOf = (tenant: string) => `(SELECT held.* FROM sanctions held
  WHERE held.holder IN ${holders(tenant)} AND held.cleared_at IS NULL GROUP BY held.id)`

/** SQL: the weight of the sanctions in force for this tenant. From 1 on it is in review, from 2 on it is suspended. */
export const sanctionWeight = (tenant: string) =>
  `(SELECT coalesce(sum(x.weight), 0) FROM ${sanctionsOf(tenant)} x)`

/**
 * SQL: the tenant `t`, its mailbox `m` and its agent `g` are in standing, so that they may send. `g` comes from a LEFT JOIN:
 * a mailbox may send for no agent.
 */
export const IN_STANDING = `(t.status = 'active' AND m.status = 'active' AND m.frozen_at IS NULL
  AND m.reputation >= ${SUSPENDED_BELOW} AND (g.id IS NULL OR g.status IN ('active', 'pending_claim'))
  AND ${sanctionWeight('t.id')} < ${SUSPENDED_FROM})`

/**
 * SQL: the tenant of the row `send` is in review, and no person has approved the send, which goes to others than its owner.
 * `contacts` is a relation with the column `contact`.
 */
export const awaitsReview = (send: string, contacts: string) => `(${sanctionWeight(`${send}.tenant_id`)} > 0
  AND NOT EXISTS (SELECT 1 FROM approvals p WHERE p.tenant_id = ${send}.tenant_id AND p.id = ${send}.approval_id
    AND p.status = 'approved')
  AND EXISTS (SELECT 1 FROM ${contacts} r WHERE r.contact NOT IN (
    ${provedClaimants(`${send}.tenant_id`)})))`

/** A sanction, as far as words tell it. `name` is null if it happened in another tenant of the same owner. */
export type Told = {
  kind: (typeof SANCTION_KINDS)[number]
  name: string | null
  reason: string | null
  at: number
}

/** What happened, for people and agents who read why a message is held or refused. */
export function sanctionInWords({ kind, name, reason, at }: Told): string {
  const day = new Date(at).toISOString().slice(0, 10)
  const who = name ?? 'a sender in another account of the same owner'
  const what = {
    mailbox_suspended: `${who} was suspended on ${day}: its reputation fell below ${SUSPENDED_BELOW / 1000}`,
    mailbox_frozen: `${who} was frozen on ${day}`,
    agent_stopped: `the agent ${who} was stopped on ${day}`,
    tenant_frozen: `the account was frozen on ${day}`,
    owner_frozen: `all accounts of its owner were frozen on ${day}`,
  }[kind]
  return reason ? `${what} (${reason})` : what
}
