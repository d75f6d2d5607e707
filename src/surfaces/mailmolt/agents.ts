import type { Heartbeat, Profile } from '../../core/overview/heartbeat.ts'
import { getHeartbeat, getProfile, getTrust } from '../../core/overview/heartbeat.ts'
import { createRoute, type HttpContext, json, router, z } from '../http.ts'

export const Level = z.enum(['sandbox', 'supervised', 'trusted', 'autonomous'])
export const AgentStatus = z.enum(['pending_claim', 'active', 'paused', 'suspended', 'banned'])

const HumanOwner = z
  .object({
    email: z.string(),
    email_verified: z.boolean(),
    x_handle: z.string().optional().openapi({ description: 'As given by the owner. It is not verified.' }),
    plan_key: z.enum(['free', 'starter', 'growth', 'team', 'enterprise']),
  })
  .openapi('HumanOwner')

export const AgentView = z
  .object({
    id: z.string(),
    email: z.string(),
    display_name: z.string(),
    api_key_prefix: z.string(),
    status: AgentStatus,
    permission_level: Level,
    trust_score: z.int().min(0).max(100),
    owner: HumanOwner.optional().openapi({ description: 'Absent until a person has claimed the agent.' }),
  })
  .openapi('Agent')

const HeartbeatView = z
  .object({
    human_owner: HumanOwner.optional(),
    access: z.object({
      level: Level,
      claimed: z.boolean(),
      claim_url: z.string().nullable().openapi({ format: 'uri' }),
      verify_url: z.string().nullable().openapi({ format: 'uri' }),
    }),
    limits: z.object({
      daily_limit: z.int(),
      sent_today: z.int(),
      remaining_today: z.int(),
      monthly_remaining: z.int(),
    }),
    activity: z.object({ unread_count: z.int(), pending_approvals: z.int(), memory_keys: z.int() }),
    dlp: z.object({
      mode: z.enum(['monitor', 'redact', 'block']),
      rules_version: z.string().openapi({ format: 'date' }),
    }),
    bond: z.object({
      status: z.enum(['none', 'posted', 'captured', 'released', 'failed']),
      tier: z.enum(['starter', 'growth', 'enterprise']).nullable(),
      next_reauth_at: z.string().nullable().openapi({ format: 'date-time' }),
    }),
    network: z.object({ score: z.int(), level: z.string() }),
    action_items: z.array(
      z.object({ priority: z.enum(['high', 'medium', 'low']), action: z.string(), description: z.string() }),
    ),
  })
  .openapi('Heartbeat')

const TrustView = z
  .object({
    trust_score: z.int().min(0).max(100),
    terms: z
      .array(
        z.object({
          term: z.string(),
          points: z.number(),
          most: z.number().openapi({ description: 'The most that it can add or subtract.' }),
          why: z.string(),
        }),
      )
      .openapi({ description: 'Their sum, rounded to a whole number from 0 to 100, is the score.' }),
  })
  .openapi('TrustScore')

export const agents = router()

agents.openapi(
  createRoute({
    method: 'get',
    path: '/agents/me',
    tags: ['agents'],
    summary: 'Authenticated agent profile',
    security: [{ bearer: [] }],
    responses: { 200: json(AgentView) },
  }),
  async (c) => c.json(agentView(await getProfile(c.var.ctx, named(c))), 200),
)

agents.openapi(
  createRoute({
    method: 'get',
    path: '/agents/me/trust-score',
    tags: ['agents'],
    summary: 'The parts of the agent’s trust score',
    security: [{ bearer: [] }],
    responses: { 200: json(TrustView) },
  }),
  async (c) => {
    const { score, terms } = await getTrust(c.var.ctx, named(c))
    return c.json(
      { trust_score: score, terms: terms.map((term) => ({ ...term, points: round(term.points) })) },
      200,
    )
  },
)

const round = (points: number) => Math.round(100 * points) / 100

agents.openapi(
  createRoute({
    method: 'get',
    path: '/agents/heartbeat',
    tags: ['agents'],
    summary: 'The next steps, the budget and the standing of the agent',
    description: 'Call it every 30 minutes. It counts as a heartbeat of the agent.',
    security: [{ bearer: [] }],
    responses: { 200: json(HeartbeatView) },
  }),
  async (c) => c.json(heartbeatView(await getHeartbeat(c.var.ctx, named(c))), 200),
)

const named = (c: HttpContext) => c.req.header('x-agent-id') ?? null

export function agentView(profile: Profile): z.infer<typeof AgentView> {
  const { agent, address, keyPrefix, level, trustScore } = profile
  const owner = ownerView(profile)
  return {
    id: agent.id,
    email: address,
    display_name: agent.name,
    api_key_prefix: keyPrefix,
    status: agent.status,
    permission_level: level,
    trust_score: trustScore,
    ...(owner ? { owner } : {}),
  }
}

function ownerView({ owner, plan }: Pick<Profile, 'owner' | 'plan'>): z.infer<typeof HumanOwner> | null {
  if (!owner) return null
  const { email, isVerified, xHandle } = owner
  return {
    email,
    email_verified: isVerified,
    ...(xHandle === null ? {} : { x_handle: xHandle }),
    plan_key: plan,
  }
}

function heartbeatView(beating: Heartbeat): z.infer<typeof HeartbeatView> {
  const { limits, activity, dlp, bond, actions } = beating
  const owner = ownerView(beating)
  return {
    ...(owner ? { human_owner: owner } : {}),
    access: {
      level: beating.level,
      claimed: beating.owner !== null,
      claim_url: beating.claimUrl,
      verify_url: beating.verifyUrl,
    },
    limits: {
      daily_limit: limits.daily,
      sent_today: limits.sentToday,
      remaining_today: limits.remainingToday,
      monthly_remaining: limits.monthlyRemaining,
    },
    activity: {
      unread_count: activity.unread,
      pending_approvals: activity.pendingApprovals,
      memory_keys: activity.memoryKeys,
    },
    dlp: { mode: dlp.mode, rules_version: dlp.rulesVersion },
    bond: { status: bond.status, tier: bond.tier, next_reauth_at: bond.nextReauthAt?.toISOString() ?? null },
    network: beating.network,
    action_items: actions,
  }
}
