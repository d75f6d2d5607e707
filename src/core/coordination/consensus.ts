import { and, desc, eq, gt, lte, or, type SQL, sql } from 'drizzle-orm'
import { consensusRequests, consensusVotes } from '../../schema/coordination.ts'
import { actingAgent } from '../accounts/agents/acting.ts'
import type { Agent, AgentName } from '../accounts/agents/agent.ts'
import { beat, electorsAt } from '../accounts/agents/heartbeat.ts'
import { mustBeAddress } from '../ground/address.ts'
import { agentOfKey, type Ctx, mustHoldSomewhere } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { ringOutbox } from '../journal/bells.ts'
import { emit } from '../journal/events.ts'
import type { Ballot, CastVote, ConsensusStatus, Vote } from '../policy/tally.ts'

export type ConsensusRow = typeof consensusRequests.$inferSelect
export type Consensus = ConsensusRow & { votes: CastVote[] }

/** Opens a vote on a shared decision. It counts as a heartbeat of the agent, but not as its vote. */
export async function createConsensus(
  ctx: Ctx,
  request: { agent: AgentName; action: string; contactEmail: string; reason: string; timeoutMinutes: number },
): Promise<Consensus> {
  mustHoldSomewhere(ctx, 'send')
  const address = mustBeAddress(request.contactEmail, 'contactEmail')
  const agent = await actingAgent(ctx, request.agent)
  const timeoutAt = new Date(ctx.now.getTime() + Math.round(request.timeoutMinutes * 60_000))
  const row = {
    tenantId: ctx.tenantId,
    id: crypto.randomUUID(),
    requestingAgentId: agent.id,
    action: request.action,
    contact: address.contact,
    contactEmail: address.email,
    reason: request.reason,
    status: 'pending' as const,
    timeoutAt,
    createdAt: ctx.now,
    decidedAt: null,
  }
  await ctx.db.batch([
    ctx.db.insert(consensusRequests).values(row),
    ...beat(ctx, agent.id),
    emit(ctx.db, ctx.now, happened(ctx, row, sql`'consensus.created'`, sql`1`)),
  ])
  await consensusObject(ctx, row.id).open(timeoutAt.getTime())
  await ringOutbox(ctx.env, [ctx.tenantId])
  return { ...row, votes: [] }
}

/** One request with its votes and its status now. */
export async function getConsensus(ctx: Ctx, id: string): Promise<Consensus> {
  mustHoldSomewhere(ctx, 'read')
  return await evaluate(ctx, await rowOf(ctx, id))
}

/**
 * Counts the votes of a request among the agents that are active now or, once its time is over, were active at its timeout: others
 * may have become inactive since the last vote, and left a majority.
 */
async function evaluate(ctx: Ctx, row: ConsensusRow): Promise<Consensus> {
  const now = ctx.now.getTime()
  const active = await electorsAt(ctx, Math.min(now, row.timeoutAt.getTime()))
  const ballot = await consensusObject(ctx, row.id).look(now, active)
  return ballot ? await mirror(ctx, row, ballot) : { ...row, status: statusAt(row, ctx.now), votes: [] }
}

/** How many requests whose time is over are evaluated together. */
const OVERDUE_AT_ONCE = 20

/** Evaluates the requests whose time is over, so that none is listed as expired and found to be decided later. */
async function evaluateOverdue(ctx: Ctx): Promise<void> {
  const { tenantId, status, timeoutAt } = consensusRequests
  const isOverdue = and(eq(tenantId, ctx.tenantId), eq(status, 'pending'), lte(timeoutAt, ctx.now))
  for (;;) {
    const overdue = await ctx.db.select().from(consensusRequests).where(isOverdue).limit(OVERDUE_AT_ONCE)
    const evaluated = await Promise.all(overdue.map((row) => evaluate(ctx, row)))
    if (overdue.length < OVERDUE_AT_ONCE) return
    // A request without an object stays pending in the table; its status follows from its timeout.
    if (evaluated.every((each, at) => each.decidedAt === overdue[at]?.decidedAt)) return
  }
}

/** The tenant's requests, newest first. `before` is the last one of the page before. */
export async function listConsensus(
  ctx: Ctx,
  page: { status: ConsensusStatus | null; before: { createdAt: Date; id: string } | null; limit: number },
): Promise<ConsensusRow[]> {
  mustHoldSomewhere(ctx, 'read')
  await evaluateOverdue(ctx)
  const { createdAt, id, status, timeoutAt } = consensusRequests
  const isOpen = and(eq(status, 'pending'), gt(timeoutAt, ctx.now))
  const isExpired = or(eq(status, 'expired'), and(eq(status, 'pending'), lte(timeoutAt, ctx.now)))
  const wanted =
    page.status === 'pending'
      ? isOpen
      : page.status === 'expired'
        ? isExpired
        : page.status && eq(status, page.status)
  const rows = await ctx.db
    .select()
    .from(consensusRequests)
    .where(
      and(
        eq(consensusRequests.tenantId, ctx.tenantId),
        wanted ?? undefined,
        page.before
          ? sql`(${createdAt}, ${id}) < (${page.before.createdAt.getTime()}, ${page.before.id})`
          : undefined,
      ),
    )
    .orderBy(desc(createdAt), desc(id))
    .limit(page.limit)
  return rows.map((row) => ({ ...row, status: statusAt(row, ctx.now) }))
}

type VoteResult = { vote: CastVote; status: ConsensusStatus }

/**
 * Casts an agent's vote. An identical repeat returns the first vote. Throws `already_voted` for a different one,
 * `consensus_closed` on a decided or expired request and `agent_inactive` for an agent without a heartbeat in the last five minutes.
 */
export async function voteOn(
  ctx: Ctx,
  id: string,
  request: { agent: AgentName; vote: Vote; reason: string | null },
): Promise<VoteResult> {
  mustHoldSomewhere(ctx, 'send')
  const row = await rowOf(ctx, id)
  const [agent, active] = await Promise.all([voter(ctx, request.agent), electorsAt(ctx, ctx.now.getTime())])
  if (row.timeoutAt <= ctx.now) await evaluate(ctx, row)
  const vote: CastVote = {
    id: crypto.randomUUID(),
    agentId: agent.id,
    vote: request.vote,
    reason: request.reason,
    at: ctx.now.getTime(),
  }
  const object = consensusObject(ctx, id)
  let answer = await object.vote(vote, active)
  if (!answer) {
    await object.open(row.timeoutAt.getTime())
    answer = await object.vote(vote, active)
  }
  if (!answer) throw new Error('a ballot that was opened cannot be found')
  const { status } = await mirror(ctx, row, answer.ballot)
  switch (answer.outcome) {
    case 'already_voted':
      throw new Fault('already_voted', 'This agent has voted already, and a vote cannot be changed.')
    case 'closed':
      throw new Fault('consensus_closed', `Voting is over: the request is ${answer.ballot.status}.`, {
        consensusStatus: answer.ballot.status,
      })
    case 'inactive':
      throw new Fault(
        'agent_inactive',
        'This agent has not sent a heartbeat for five minutes. Send one, then vote.',
      )
    default:
      return {
        vote: answer.vote,
        status:
          status === 'pending' && answer.outcome === 'repeated' ? (await evaluate(ctx, row)).status : status,
      }
  }
}

/** The agent that votes. A key of the whole tenant must name it: a vote is never cast for an agent that nobody named. */
async function voter(ctx: Ctx, name: AgentName): Promise<Agent> {
  if (agentOfKey(ctx) === null && name.id === null && name.name === null) {
    const message =
      'agentId is required: it names the agent that votes, because this key belongs to no agent.'
    throw new Fault('invalid', message, { field: 'agentId' })
  }
  const agent = await actingAgent(ctx, name)
  if (agent.registeredBy === null) return agent
  throw new Fault('no_vote', "This agent has no vote, because another agent's key registered it.")
}

/** Brings D1 up to date with the object, including what an earlier, interrupted attempt did not write. */
async function mirror(ctx: Ctx, row: ConsensusRow, ballot: Ballot): Promise<Consensus> {
  const decidedAt = ballot.decidedAt === null ? null : new Date(ballot.decidedAt)
  const votes = ballot.votes.map(({ at, ...vote }) => ({
    ...vote,
    tenantId: ctx.tenantId,
    requestId: row.id,
    createdAt: new Date(at),
  }))
  const known = await ctx.db
    .select({ agentId: consensusVotes.agentId })
    .from(consensusVotes)
    .where(and(eq(consensusVotes.tenantId, ctx.tenantId), eq(consensusVotes.requestId, row.id)))
  const knownIds = new Set(known.map((vote) => vote.agentId))
  const missing = votes.filter((vote) => !knownIds.has(vote.agentId))
  if (missing.length > 0 || row.status !== ballot.status) {
    const isOver = ballot.status !== 'pending'
    const type = ballot.status === 'expired' ? sql`'consensus.expired'` : sql`'consensus.decided'`
    const isNews = sql`${isOver ? 1 : 0} AND c.status = 'pending'`
    const [told] = await ctx.db.batch([
      emit(ctx.db, ctx.now, happened(ctx, row, type, isNews)),
      ctx.db
        .update(consensusRequests)
        .set({ status: ballot.status, decidedAt })
        .where(
          and(
            eq(consensusRequests.tenantId, ctx.tenantId),
            eq(consensusRequests.id, row.id),
            eq(consensusRequests.status, 'pending'),
          ),
        ),
      ...slicesOf(missing, 10).map((some) =>
        ctx.db.insert(consensusVotes).values(some).onConflictDoNothing(),
      ),
    ])
    if (told.meta.changes > 0) await ringOutbox(ctx.env, [ctx.tenantId])
  }
  return { ...row, status: ballot.status, decidedAt, votes: ballot.votes }
}

/** The relation of one event of a request; empty unless `isNews` holds for its row. */
function happened(ctx: Ctx, row: ConsensusRow, type: SQL, isNews: SQL) {
  return sql`SELECT c.tenant_id, ${type} AS type, NULL AS mailbox_id, c.requesting_agent_id AS agent_id, 0 AS position,
      json_object('consensusId', c.id, 'contact', c.contact) AS refs
    FROM consensus_requests c WHERE c.tenant_id = ${ctx.tenantId} AND c.id = ${row.id} AND ${isNews}`
}

function statusAt(row: ConsensusRow, now: Date): ConsensusStatus {
  return row.status === 'pending' && row.timeoutAt <= now ? 'expired' : row.status
}

async function rowOf(ctx: Ctx, id: string): Promise<ConsensusRow> {
  const [row] = await ctx.db
    .select()
    .from(consensusRequests)
    .where(and(eq(consensusRequests.tenantId, ctx.tenantId), eq(consensusRequests.id, id)))
  if (!row) throw new Fault('not_found', 'No such consensus request.')
  return row
}

/** The object that counts the votes of one request. */
export function consensusObject(ctx: Pick<Ctx, 'env' | 'tenantId'>, id: string) {
  return ctx.env.CONSENSUS_REQUEST.get(ctx.env.CONSENSUS_REQUEST.idFromName(`${ctx.tenantId}:${id}`))
}

function slicesOf<Item>(items: Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  )
}
