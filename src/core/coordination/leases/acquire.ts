import { and, eq, getTableColumns, gt, sql } from 'drizzle-orm'
import { agents } from '../../../schema/accounts.ts'
import { leaseEvents, leases } from '../../../schema/coordination.ts'
import { sendRecipients, sends } from '../../../schema/sending.ts'
import { speakingAgent } from '../../accounts/agents/acting.ts'
import type { Agent, AgentName } from '../../accounts/agents/agent.ts'
import { beat, isActive, ringForLostLeases } from '../../accounts/agents/heartbeat.ts'
import { type Address, mustBeAddress } from '../../ground/address.ts'
import { type Ctx, mustHoldSomewhere } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { newId } from '../../ground/ids.ts'
import { fragment } from '../../ground/sql.ts'
import type { Hold, Known, Wanted } from '../../policy/lease-hold.ts'
import { isHolderActive } from '../../policy/live-lease.ts'
import { type Lease, leaseObject } from './lease.ts'
import { mirror } from './mirror.ts'

/** The agent that keeps the lease from being granted, and the time at which that ends at the latest. */
export type Conflict = { agentId: string; agentName: string | null; expiresAt: Date }

type Acquired = { held: true; lease: Lease } | { held: false; by: Conflict }

/** How long a conflict with mail that is leaving can last, in ms. */
const IN_FLIGHT_MS = 60_000

/**
 * Acquires the lease on a contact for one agent. An agent that holds it already renews it under the same id. The contact's
 * object decides, and the grant counts once D1 has it: D1 refuses it while another agent's mail to the contact is leaving.
 * A conflict is a result, not a fault. Throws `conflict` if the lease keeps changing hands.
 */
export async function acquireLease(
  ctx: Ctx,
  request: { agent: AgentName; contactEmail: string; intent: string; durationMinutes: number },
): Promise<Acquired> {
  mustHoldSomewhere(ctx, 'send')
  const address = mustBeAddress(request.contactEmail, 'contactEmail')
  const agent = await speakingAgent(ctx, request.agent)
  for (let attempt = 0; attempt < 3; attempt++) {
    const acquired = await acquireOnce(ctx, agent, address, request)
    if (acquired !== 'again') return acquired
  }
  throw new Fault('conflict', 'The lease changed hands during this request. Send the request again.')
}

async function acquireOnce(
  ctx: Ctx,
  agent: Agent,
  address: Address,
  { intent, durationMinutes }: { intent: string; durationMinutes: number },
): Promise<Acquired | 'again'> {
  const { contact } = address
  const known = await lastGrant(ctx, agent, contact)
  const wanted: Wanted = {
    id: crypto.randomUUID(),
    agentId: agent.id,
    intent,
    createdAt: ctx.now.getTime(),
    expiresAt: ctx.now.getTime() + Math.round(durationMinutes * 60_000),
  }
  const answer = await leaseObject(ctx, contact).acquire(wanted, known, ctx.now.getTime())
  if (!answer.granted) {
    const by = await refuse(ctx, agent, contact, answer.hold)
    return by ? { held: false, by } : 'again'
  }
  const mirrored = await mirror(ctx, agent, address, answer.hold)
  if (mirrored) return { held: true, lease: mirrored }

  await leaseObject(ctx, contact).end(answer.hold.epoch)
  const leaving = await senderInFlight(ctx, agent.id, contact)
  return leaving ? { held: false, by: leaving } : 'again'
}

/**
 * Records the refusal and returns the holder. Null if the holder is no longer active, which D1 cannot know of a grant that
 * was never mirrored: that hold is ended, and the caller asks again.
 */
async function refuse(ctx: Ctx, agent: Agent, contact: string, hold: Hold): Promise<Conflict | null> {
  const [holder] = await ctx.db
    .select()
    .from(agents)
    .where(and(eq(agents.tenantId, ctx.tenantId), eq(agents.id, hold.agentId)))
  if (!holder || !isActive(holder, ctx.now)) {
    await leaseObject(ctx, contact).end(hold.epoch)
    return null
  }
  const expiresAt = new Date(hold.expiresAt)
  await ctx.db.insert(leaseEvents).values({
    tenantId: ctx.tenantId,
    contact,
    id: newId('lev', ctx.now),
    kind: 'refused',
    at: ctx.now,
    leaseId: hold.id,
    epoch: hold.epoch,
    agentId: agent.id,
    holderId: hold.agentId,
    expiresAt,
  })
  return { agentId: holder.id, agentName: holder.name, expiresAt }
}

/** The other agent whose mail to the contact is leaving now, or null. */
async function senderInFlight(ctx: Ctx, agentId: string, contact: string): Promise<Conflict | null> {
  const [row] = await ctx.db
    .select({ agentId: sendRecipients.agentId, agentName: agents.name, until: sends.lockUntil })
    .from(sendRecipients)
    .innerJoin(sends, and(eq(sends.tenantId, sendRecipients.tenantId), eq(sends.id, sendRecipients.sendId)))
    .leftJoin(
      agents,
      and(eq(agents.tenantId, sendRecipients.tenantId), eq(agents.id, sendRecipients.agentId)),
    )
    .where(
      and(
        eq(sendRecipients.tenantId, ctx.tenantId),
        eq(sendRecipients.contact, contact),
        eq(sendRecipients.state, 'in_flight'),
        eq(sends.state, 'in_flight'),
        gt(sends.lockUntil, ctx.now),
        sql`${sendRecipients.agentId} IS NOT ${agentId}`,
      ),
    )
  if (!row) return null
  const until = Math.min((row.until ?? ctx.now).getTime(), ctx.now.getTime() + IN_FLIGHT_MS)
  return { agentId: row.agentId ?? '', agentName: row.agentName, expiresAt: new Date(until) }
}

/**
 * The last grant that D1 knows. Asking for a lease is a heartbeat. It is written before the object is asked, so that
 * another caller who meets the object's new grant before D1 has it finds its holder active.
 */
async function lastGrant(ctx: Ctx, agent: Agent, contact: string): Promise<Known | null> {
  const results = await ctx.db.batch([
    ...beat(ctx, agent.id),
    ctx.db
      .select({
        ...getTableColumns(leases),
        isHolderActive: sql<number>`${fragment(isHolderActive('leases'), { now: ctx.now.getTime() })}`,
      })
      .from(leases)
      .where(and(eq(leases.tenantId, ctx.tenantId), eq(leases.contact, contact))),
  ])
  await ringForLostLeases(ctx, results)
  const [row] = results[4]
  if (!row) return null
  const { id, agentId, intent, epoch, createdAt, expiresAt, endedAt, isHolderActive: isActive } = row
  const isOver = endedAt !== null || isActive === 0
  return {
    id,
    agentId,
    intent,
    epoch,
    createdAt: createdAt.getTime(),
    expiresAt: expiresAt.getTime(),
    isOver,
  }
}
