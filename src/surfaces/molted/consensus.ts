import {
  type Consensus,
  type ConsensusRow,
  createConsensus,
  getConsensus,
  listConsensus,
  voteOn,
} from '../../core/coordination/consensus.ts'
import { createRoute, json, publishedBody, router, z } from '../http.ts'
import { agentNamed, Email, Id, listOf, Minutes, Page, page } from './words.ts'

const Status = z.enum(['pending', 'approved', 'rejected', 'expired'])

const ConsensusBody = z
  .object({
    tenantId: Id.optional(),
    requestingAgentId: Id.optional(),
    proposerAgent: z.string().min(1).max(100).optional(),
    action: z.string().min(1).max(500).openapi({ example: 'pause outreach' }),
    contactEmail: Email,
    reason: z.string().min(1).max(2000).openapi({ example: 'Fatigue scores are high' }),
    timeoutMinutes: Minutes.default(5),
  })
  .openapi('ConsensusProposal')

const ConsensusView = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    requestingAgentId: z.string(),
    action: z.string(),
    contactEmail: z.string(),
    reason: z.string(),
    status: Status,
    timeoutAt: z.string(),
    createdAt: z.string(),
  })
  .openapi('Consensus')

const VoteWord = z.enum(['approve', 'reject'])

const CastView = z.object({
  id: z.string(),
  agentId: z.string(),
  vote: VoteWord,
  reason: z.string().nullable(),
  createdAt: z.string(),
})

const VoteBody = z
  .object({
    tenantId: Id.optional(),
    agentId: Id.optional(),
    agentName: z.string().min(1).max(100).optional(),
    vote: VoteWord,
    reason: z.string().max(2000).nullable().default(null),
  })
  .openapi('Ballot')

const VoteView = CastView.extend({ consensusRequestId: z.string(), consensusStatus: Status }).openapi('Vote')

const Params = z.object({ consensusId: Id })

/** Creation time and id of a page's last request: several requests may be created in one millisecond. */
const Cursor = z
  .string()
  .regex(/^\d{1,15}~[0-9a-f-]{36}$/, 'is not a cursor of this list')
  .transform((text) => {
    const [createdAt = '', id = ''] = text.split('~')
    return { createdAt: new Date(Number(createdAt)), id }
  })

export const consensus = router()

consensus.openapi(
  createRoute({
    method: 'post',
    path: '/agent/coordination/consensus',
    tags: ['coordination'],
    summary: 'Start a vote on a shared decision',
    description:
      'Decided when more than half of the active agents vote the same way; a tie waits for the timeout.',
    security: [{ bearer: [] }],
    request: publishedBody(ConsensusBody, {
      tenantId: 'tenant_abc123',
      proposerAgent: 'outreach-agent',
      action: 'pause outreach',
      contactEmail: 'ceo@bigcorp.com',
      reason: 'Fatigue scores are high',
      timeoutMinutes: 5,
    }),
    responses: { 200: json(ConsensusView) },
  }),
  async (c) => {
    const { requestingAgentId, proposerAgent, ...proposal } = c.req.valid('json')
    const agent = agentNamed(c, requestingAgentId, proposerAgent)
    return c.json(view(await createConsensus(c.var.ctx, { agent, ...proposal })), 200)
  },
)

consensus.openapi(
  createRoute({
    method: 'get',
    path: '/agent/coordination/consensus',
    tags: ['coordination'],
    summary: 'List consensus requests, newest first',
    security: [{ bearer: [] }],
    request: { query: Page.extend({ cursor: Cursor.optional(), status: Status.optional() }) },
    responses: { 200: json(listOf(ConsensusView)) },
  }),
  async (c) => {
    const { limit, cursor, status } = c.req.valid('query')
    const rows = await listConsensus(c.var.ctx, { status: status ?? null, before: cursor ?? null, limit })
    return c.json(
      page(rows, limit, ({ createdAt, id }) => `${createdAt.getTime()}~${id}`, view),
      200,
    )
  },
)

consensus.openapi(
  createRoute({
    method: 'get',
    path: '/agent/coordination/consensus/{consensusId}',
    tags: ['coordination'],
    summary: 'One consensus request with its votes',
    security: [{ bearer: [] }],
    request: { params: Params },
    responses: { 200: json(ConsensusView.extend({ votes: z.array(CastView) })) },
  }),
  async (c) => {
    const found = await getConsensus(c.var.ctx, c.req.valid('param').consensusId)
    return c.json({ ...view(found), votes: found.votes.map(castView) }, 200)
  },
)

consensus.openapi(
  createRoute({
    method: 'post',
    path: '/agent/coordination/consensus/{consensusId}/vote',
    tags: ['coordination'],
    summary: 'Cast a vote',
    description: 'An identical repeat returns the first vote; a vote cannot be changed.',
    security: [{ bearer: [] }],
    request: {
      params: Params,
      ...publishedBody(VoteBody, {
        agentId: 'agent_a1b2c3d4e5f6',
        vote: 'approve',
        reason: 'Agreed, signals look bad',
      }),
    },
    responses: { 200: json(VoteView) },
  }),
  async (c) => {
    const { consensusId } = c.req.valid('param')
    const { agentId, agentName, vote, reason } = c.req.valid('json')
    const cast = await voteOn(c.var.ctx, consensusId, {
      agent: agentNamed(c, agentId, agentName),
      vote,
      reason,
    })
    return c.json(
      { ...castView(cast.vote), consensusRequestId: consensusId, consensusStatus: cast.status },
      200,
    )
  },
)

function view(row: ConsensusRow): z.infer<typeof ConsensusView> {
  const { id, tenantId, requestingAgentId, action, contactEmail, reason, status, timeoutAt, createdAt } = row
  return {
    ...{ id, tenantId, requestingAgentId, action, contactEmail, reason, status },
    timeoutAt: timeoutAt.toISOString(),
    createdAt: createdAt.toISOString(),
  }
}

function castView({ id, agentId, vote, reason, at }: Consensus['votes'][number]): z.infer<typeof CastView> {
  return { id, agentId, vote, reason, createdAt: new Date(at).toISOString() }
}
