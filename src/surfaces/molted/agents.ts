import type { Agent } from '../../core/accounts/agents/agent.ts'
import {
  agentConfig,
  listAgents,
  registerAgent,
  storeAgentConfig,
} from '../../core/accounts/agents/agents.ts'
import { heartbeat, isActive } from '../../core/accounts/agents/heartbeat.ts'
import { HUMANIZER_STYLES } from '../../core/letters/humanizer/style.ts'
import { createRoute, json, openBody, publishedBody, router, z } from '../http.ts'
import { agentNamed, Id, listOf, Page, page } from './words.ts'

const AgentView = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    agentName: z.string(),
    agentRole: z.string(),
    lastHeartbeat: z.string(),
    registeredAt: z.string(),
  })
  .openapi('TenantAgent')

const RegisterBody = z
  .object({
    tenantId: Id.optional(),
    agentName: z.string().trim().min(1).max(100).openapi({ example: 'outreach-agent' }),
    agentRole: z.string().trim().min(1).max(100).optional().openapi({
      description: 'Without it a new agent is "general", and a known one keeps its role.',
      example: 'outbound',
    }),
  })
  .openapi('AgentRegistration')

const HeartbeatBody = z
  .object({
    tenantId: Id.optional(),
    agentId: Id.optional(),
    agentName: z.string().min(1).max(100).optional(),
  })
  .openapi('HeartbeatRequest')

const Config = z
  .object({
    humanizer_enabled: z.boolean().optional(),
    humanizer_style: z
      .enum(HUMANIZER_STYLES, { error: `must be one of: ${HUMANIZER_STYLES.join(', ')}` })
      .optional()
      .openapi({ example: 'professional' }),
    humanizer_provider: z.string().max(100).optional(),
  })
  .openapi('AgentConfig', { description: 'Unknown keys are ignored.' })

const Params = z.object({ agentId: Id })

export const agents = router()

agents.openapi(
  createRoute({
    method: 'post',
    path: '/agent/register',
    tags: ['agents'],
    summary: 'Register an agent with the tenant',
    description:
      'If an agent of this name exists, whatever its case, it is updated. Counts as a heartbeat. An agent that is registered with the key of another agent has no vote.',
    security: [{ bearer: [] }],
    request: publishedBody(RegisterBody, {
      tenantId: 'tenant_abc123',
      agentName: 'outreach-agent',
      agentRole: 'outbound',
    }),
    responses: { 200: json(AgentView) },
  }),
  async (c) => {
    const { agentName: name, agentRole: role = null } = c.req.valid('json')
    return c.json(view(await registerAgent(c.var.ctx, { name, role })), 200)
  },
)

agents.openapi(
  createRoute({
    method: 'post',
    path: '/agent/coordination/heartbeat',
    tags: ['agents'],
    summary: 'Send a heartbeat of an agent',
    description:
      'Send one at least every five minutes. An agent without a heartbeat for longer is inactive and loses its leases.',
    security: [{ bearer: [] }],
    request: publishedBody(HeartbeatBody, { tenantId: 'tenant_abc123', agentName: 'outreach-agent' }),
    responses: { 200: json(z.object({ ok: z.literal(true) })) },
  }),
  async (c) => {
    const { agentId, agentName } = c.req.valid('json')
    await heartbeat(c.var.ctx, agentNamed(c, agentId, agentName))
    return c.json({ ok: true as const }, 200)
  },
)

agents.openapi(
  createRoute({
    method: 'get',
    path: '/agent/agents',
    tags: ['agents'],
    summary: 'List the agents of the tenant, newest first',
    security: [{ bearer: [] }],
    request: { query: Page.extend({ active: z.enum(['true', 'false']).optional() }) },
    responses: { 200: json(listOf(AgentView.extend({ active: z.boolean() }))) },
  }),
  async (c) => {
    const { limit, cursor, active } = c.req.valid('query')
    const wanted = active === undefined ? null : active === 'true'
    const rows = await listAgents(c.var.ctx, { isActive: wanted, before: cursor, limit })
    const withActive = (agent: Agent) => ({ ...view(agent), active: isActive(agent, c.var.now) })
    return c.json(
      page(rows, limit, (agent) => agent.id, withActive),
      200,
    )
  },
)

agents.openapi(
  createRoute({
    method: 'get',
    path: '/agent/agents/{agentId}/config',
    tags: ['agents'],
    summary: 'Read the configuration of an agent',
    security: [{ bearer: [] }],
    request: { params: Params },
    responses: { 200: json(Config) },
  }),
  async (c) => c.json(await agentConfig(c.var.ctx, c.req.valid('param').agentId), 200),
)

agents.openapi(
  createRoute({
    method: 'put',
    path: '/agent/agents/{agentId}/config',
    tags: ['agents'],
    summary: 'Change the configuration of an agent',
    description: 'Settings that are left out stay as they are.',
    security: [{ bearer: [] }],
    request: {
      params: Params,
      ...openBody(Config, { humanizer_enabled: true, humanizer_style: 'professional' }),
    },
    responses: { 200: json(Config) },
  }),
  async (c) =>
    c.json(await storeAgentConfig(c.var.ctx, c.req.valid('param').agentId, c.req.valid('json')), 200),
)

function view({ id, tenantId, name, role, lastHeartbeatAt, registeredAt }: Agent): z.infer<typeof AgentView> {
  return {
    id,
    tenantId,
    agentName: name,
    agentRole: role,
    lastHeartbeat: lastHeartbeatAt.toISOString(),
    registeredAt: registeredAt.toISOString(),
  }
}
