import { and, desc, eq, getTableColumns, gt, lt, sql } from 'drizzle-orm'
import { agents } from '../../../schema/accounts.ts'
import { leaseEvents, leases } from '../../../schema/coordination.ts'
import { sendRecipients, sends } from '../../../schema/sending.ts'
import {
  type Agent,
  type AgentName,
  beat,
  isActive,
  mayActFor,
  mayCoordinate,
  mayLook,
  ringIfLost,
} from '../../accounts/agents/agents.ts'
import { type Address, parseAddress } from '../../ground/address.ts'
import type { Ctx } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { newId } from '../../ground/ids.ts'
import { fragment } from '../../ground/sql.ts'
import { ringOutbox } from '../../journal/bells.ts'
import { emit } from '../../journal/events.ts'
import type { Hold, Known, Wanted } from '../../policy/lease-hold.ts'
import { ACTIVE_FOR_MS, isHolderActive, isLive } from '../../policy/live-lease.ts'

export type Lease = typeof leases.$inferSelect
export type LeaseEvent = typeof leaseEvents.$inferSelect & {
  agentName: string | null
  holderName: string | null
}

/** Who stands in the way, and until when at most. */
export type Conflict = { agentId: string; agentName: string | null; expiresAt: Date }

export type Acquired = { held: true; lease: Lease } | { held: false; by: Conflict }

/** The longest that a conflict with mail on its way out can last, in ms. */
const IN_FLIGHT_MS = 60_000

/**
 * Acquire a contact for one agent, or renew its hold under the same id. The object decides; the grant counts once D1
 * has it, which D1 refuses while another agent's mail to the contact is leaving. A conflict is a result, not a fault.
 */
export async function acquireLease(
  ctx: Ctx,
  request: { agent: AgentName; contactEmail: string; intent: string; durationMinutes: number },
): Promise<Acquired> {
  mayCoordinate(ctx)
  const address = addressOf(request.contactEmail)
  const agent = await mayActFor(ctx, request.agent)
  for (let attempt = 0; attempt < 3; attempt++) {
    const acquired = await acquireOnce(ctx, agent, address, request)
    if (acquired !== 'again') return acquired
  }
  throw new Fault('conflict', 'The lease changed hands while it was being asked for. Ask again.')
}

/**
 * Release a lease. False where it is already over; an id that never was, or is another tenant's, is `not_found`.
 */
export async function releaseLease(ctx: Ctx, id: string): Promise<boolean> {
  mayCoordinate(ctx)
  const [lease] = await ctx.db
    .select()
    .from(leases)
    .where(and(eq(leases.tenantId, ctx.tenantId), eq(leases.id, id)))
  if (!lease) {
    const [past] = await ctx.db
      .select({ id: leaseEvents.id })
      .from(leaseEvents)
      .where(and(eq(leaseEvents.tenantId, ctx.tenantId), eq(leaseEvents.leaseId, id)))
      .limit(1)
    if (past) return false
    throw new Fault('not_found', 'No such lease.')
  }
  await mayActFor(ctx, { id: lease.agentId, name: null })
  const isReleasable = and(
    eq(leases.tenantId, ctx.tenantId),
    eq(leases.contact, lease.contact),
    eq(leases.id, id),
    fragment(isLive('leases'), { now: ctx.now.getTime() }),
  )
  // A renewal may have come in later and been written before.
  const endedAt = sql`(SELECT max(${ctx.now.getTime()}, max(e.at)) FROM lease_events e
    WHERE e.tenant_id = ${ctx.tenantId} AND e.lease_id = ${id} AND e.kind <> 'refused')`
  const ended = newId('lev', ctx.now)
  const [, released] = await ctx.db.batch([
    ctx.db.insert(leaseEvents).select(sql`
      SELECT tenant_id, contact, ${ended}, 'released', ${endedAt}, id, epoch, agent_id, agent_id,
        expires_at FROM ${leases} WHERE ${isReleasable}`),
    ctx.db.update(leases).set({ endedAt }).where(isReleasable).returning({ epoch: leases.epoch }),
    emitted(ctx, lease.contact, [ended]),
  ])
  const [over] = released
  if (!over) return false
  await leaseObject(ctx, lease.contact).end(over.epoch)
  await ringOutbox(ctx.env, [ctx.tenantId])
  return true
}

/** The leases that stand now: not released, not run out, and their holders still beating. */
export async function listLeases(
  ctx: Ctx,
  page: { before?: string | undefined; limit: number },
): Promise<Lease[]> {
  mayLook(ctx)
  return await ctx.db
    .select()
    .from(leases)
    .where(
      and(
        eq(leases.tenantId, ctx.tenantId),
        fragment(isLive('leases'), { now: ctx.now.getTime() }),
        page.before ? gt(leases.contact, page.before) : undefined,
      ),
    )
    .orderBy(leases.contact)
    .limit(page.limit)
}

/** What happened to the leases of one contact, newest first. */
export async function leaseHistory(
  ctx: Ctx,
  contactEmail: string,
  page: { before?: string | undefined; limit: number },
): Promise<LeaseEvent[]> {
  mayLook(ctx)
  const { contact } = addressOf(contactEmail)
  const nameOf = (id: typeof leaseEvents.agentId | typeof leaseEvents.holderId) =>
    sql<
      string | null
    >`(SELECT a.name FROM agents a WHERE a.tenant_id = ${leaseEvents.tenantId} AND a.id = ${id})`
  const rows = await ctx.db
    .select({
      event: leaseEvents,
      agentName: nameOf(leaseEvents.agentId),
      holderName: nameOf(leaseEvents.holderId),
    })
    .from(leaseEvents)
    .where(
      and(
        eq(leaseEvents.tenantId, ctx.tenantId),
        eq(leaseEvents.contact, contact),
        page.before ? lt(leaseEvents.id, page.before) : undefined,
      ),
    )
    .orderBy(desc(leaseEvents.id))
    .limit(page.limit)
  return rows.map(({ event: row, agentName, holderName }) => ({ ...row, agentName, holderName }))
}

async function acquireOnce(
  ctx: Ctx,
  agent: Agent,
  address: Address,
  { intent, durationMinutes }: { intent: string; durationMinutes: number },
): Promise<Acquired | 'again'> {
  const { contact } = address
  const known = await standing(ctx, agent, contact)
  const wanted: Wanted = {
    id: crypto.randomUUID(),
    agentId: agent.id,
    intent,
    createdAt: ctx.now.getTime(),
    expiresAt: ctx.now.getTime() + durationMinutes * 60_000,
  }
  const answer = await leaseObject(ctx, contact).acquire(wanted, known, ctx.now.getTime())
  if (!answer.granted) {
    const by = await refuse(ctx, agent, contact, answer.hold)
    return by ? { held: false, by } : 'again'
  }
  const mirrored = await mirror(ctx, agent, address, answer.hold)
  if (mirrored) return { held: true, lease: mirrored }

  await leaseObject(ctx, contact).end(answer.hold.epoch)
  const leaving = await inFlight(ctx, agent.id, contact)
  return leaving ? { held: false, by: leaving } : 'again'
}

/**
 * Writes a grant to D1 and its history, unless another lease stands there, a newer grant does, this one is over
 * already, or another agent's mail to the contact is leaving. What it follows ends in the history at the same stroke,
 * and not later than it begins.
 */
async function mirror(
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
      WHERE ${of} AND NOT (${isSame}) AND (l.epoch >= ${hold.epoch} OR ${fragment(isLive('l'), { now })}))`
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
          // Renewals of one agent at once may arrive here in another order than they were granted in.
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

/**
 * Writes the refusal down and names the holder. Null where the holder has stopped beating without D1 knowing of its
 * hold (a grant that was never mirrored): that hold is ended, and the caller asks again.
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

/** The other agent whose mail to the contact is leaving at this moment, if any. */
async function inFlight(ctx: Ctx, agentId: string, contact: string): Promise<Conflict | null> {
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
 * The last grant that D1 knows. Asking for a lease is a heartbeat, and it is written first: whoever meets the object's
 * grant from now on, before D1 has it, finds its holder alive.
 */
async function standing(ctx: Ctx, agent: Agent, contact: string): Promise<Known | null> {
  const results = await ctx.db.batch([
    ...beat(ctx, agent.id),
    ctx.db
      .select({
        ...getTableColumns(leases),
        isLive: sql<number>`${fragment(isHolderActive('leases'), { now: ctx.now.getTime() })}`,
      })
      .from(leases)
      .where(and(eq(leases.tenantId, ctx.tenantId), eq(leases.contact, contact))),
  ])
  await ringIfLost(ctx, results)
  const [row] = results[4]
  if (!row) return null
  const { id, agentId, intent, epoch, createdAt, expiresAt, endedAt, isLive } = row
  const isOver = endedAt !== null || isLive === 0
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

/** The statement that tells of what the batch before it has written into a contact's history under these ids. */
function emitted(ctx: Ctx, contact: string, ids: string[]) {
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

function addressOf(contactEmail: string): Address {
  const address = parseAddress(contactEmail)
  if (address) return address
  throw new Fault('invalid', `"${contactEmail.slice(0, 100)}" is not an email address.`, {
    field: 'contactEmail',
  })
}

/** The object of one contact. Its name joins tenant and contact so that no two pairs meet. */
export function leaseObject(ctx: Pick<Ctx, 'env' | 'tenantId'>, contact: string) {
  const namespace = ctx.env.CONTACT_LEASE
  return namespace.get(namespace.idFromName(`${ctx.tenantId.length}:${ctx.tenantId}:${contact}`))
}
