import { and, eq, sql } from 'drizzle-orm'
import { leaseEvents, leases } from '../../../schema/coordination.ts'
import type { Agent } from '../../accounts/agents/agent.ts'
import type { Address } from '../../ground/address.ts'
import type { Ctx } from '../../ground/ctx.ts'
import { newId } from '../../ground/ids.ts'
import { fragment } from '../../ground/sql.ts'
import { ringOutbox } from '../../journal/bells.ts'
import { emit } from '../../journal/events.ts'
import type { Hold } from '../../policy/lease-hold.ts'
import { ACTIVE_FOR_MS, isLive } from '../../policy/live-lease.ts'
import type { Lease } from './lease.ts'

/**
 * Writes a grant to D1, with its history and events. Returns null, and writes nothing, if the contact's row has a newer
 * grant, if another agent's live lease is there, if this lease is over already, or if another agent's mail to the contact is
 * leaving. In the history the lease before ends in the same batch, no later than this one begins.
 */
export async function mirror(
  ctx: Ctx,
  agent: Agent,
  { contact, email }: Address,
  hold: Hold,
): Promise<Lease | null> {
  const now = ctx.now.getTime()
  const of = sql`l.tenant_id = ${ctx.tenantId} AND l.contact = ${contact}`
  const isSame = sql`l.id = ${hold.id} AND l.ended_at IS NULL`
  const isGranted = sql`NOT EXISTS (
      SELECT 1 FROM send_recipients r JOIN sends s ON s.tenant_id = r.tenant_id AND s.id = r.send_id
      WHERE r.tenant_id = ${ctx.tenantId} AND r.contact = ${contact} AND r.state = 'in_flight'
        AND s.state = 'in_flight' AND s.lock_until > ${now} AND r.agent_id IS NOT ${agent.id})
    AND NOT EXISTS (SELECT 1 FROM leases l
      WHERE ${of} AND NOT (${isSame}) AND (l.epoch >= ${hold.epoch}
        OR ${fragment(isLive('l'), { now })}))`
  const isExtended = sql`EXISTS (SELECT 1 FROM leases l WHERE ${of} AND ${isSame})`
  const [ended, begun] = [newId('lev', ctx.now), newId('lev', ctx.now)]
  const results = await ctx.db.batch([
    ctx.db.insert(leaseEvents).select(sql`
      SELECT l.tenant_id, l.contact, ${ended}, 'expired', min(${now}, l.expires_at, coalesce((
          SELECT a.last_heartbeat_at + ${ACTIVE_FOR_MS + 1} FROM agents a
          WHERE a.tenant_id = l.tenant_id AND a.id = l.agent_id), l.expires_at)),
        l.id, l.epoch, l.agent_id, l.agent_id, l.expires_at
      FROM leases l WHERE ${of} AND l.ended_at IS NULL AND l.id <> ${hold.id} AND ${isGranted}`),
    ctx.db.insert(leaseEvents).select(sql`
      SELECT ${ctx.tenantId}, ${contact}, ${begun}, iif(${isExtended}, 'renewed', 'granted'),
        max(${now}, coalesce((SELECT l.ended_at FROM leases l WHERE ${of}), 0)),
        ${hold.id}, ${hold.epoch}, ${agent.id}, ${agent.id}, ${hold.expiresAt} WHERE ${isGranted}`),
    ctx.db
      .insert(leases)
      .select(
        sql`SELECT ${ctx.tenantId}, ${contact}, ${hold.id}, ${agent.id}, ${email}, ${hold.intent}, ${hold.epoch},
          ${hold.createdAt}, ${hold.expiresAt}, NULL WHERE ${isGranted}`,
      )
      .onConflictDoUpdate({
        target: [leases.tenantId, leases.contact],
        set: {
          id: sql`excluded.id`,
          agentId: sql`excluded.agent_id`,
          contactEmail: sql`excluded.contact_email`,
          intent: sql`excluded.intent`,
          epoch: sql`excluded.epoch`,
          createdAt: sql`excluded.created_at`,
          // Renewals of one agent at the same time may arrive here in another order than they were granted in.
          expiresAt: sql`iif(excluded.id = ${leases.id}, max(excluded.expires_at, ${leases.expiresAt}),
            excluded.expires_at)`,
          endedAt: null,
        },
      }),
    ctx.db
      .select()
      .from(leases)
      .where(and(eq(leases.tenantId, ctx.tenantId), eq(leases.contact, contact), eq(leases.id, hold.id))),
    emitted(ctx, contact, [ended, begun]),
  ])
  if (results[4].meta.changes > 0) await ringOutbox(ctx.env, [ctx.tenantId])
  const [lease] = results[3]
  return lease && lease.endedAt === null && lease.expiresAt.getTime() >= hold.expiresAt ? lease : null
}

/** The statement that writes the events of those rows of a contact's history that its batch has written under these ids. */
export function emitted(ctx: Ctx, contact: string, ids: string[]) {
  return emit(
    ctx.db,
    ctx.now,
    sql`SELECT h.tenant_id, CASE h.kind WHEN 'granted' THEN 'lease.acquired' ELSE 'lease.' || h.kind END AS type,
        NULL AS mailbox_id, h.agent_id, json_object('leaseId', h.lease_id, 'contact', h.contact) AS refs, j.key AS position
      FROM json_each(${JSON.stringify(ids)}) j
      CROSS JOIN lease_events h ON h.tenant_id = ${ctx.tenantId} AND h.contact = ${contact} AND h.id = j.value
      WHERE h.kind <> 'renewed'`,
  )
}
