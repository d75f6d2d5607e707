import { type Registered, register } from '../../core/registration.ts'
import { settings } from '../../env.ts'
import { body, createRoute, type HttpContext, json, router, z } from '../http.ts'

const Registration = z
  .object({
    name: z.string().trim().min(3).max(64).openapi({ example: 'Research Bot' }),
    description: z.string().max(2000).optional(),
    owner_hint: z.string().max(320).optional(),
  })
  .openapi('Registration')

const Owner = z.object({}).loose().nullable()

const Agent = z
  .object({
    id: z.string(),
    email: z.string(),
    display_name: z.string(),
    api_key_prefix: z.string(),
    status: z.enum(['pending_claim', 'active', 'paused', 'suspended', 'banned']),
    permission_level: z.enum(['sandbox', 'supervised', 'trusted', 'autonomous']),
    trust_score: z.number().int().min(0).max(100),
    owner: Owner.optional(),
  })
  .openapi('Agent')

const RegisteredView = z
  .object({
    agent: Agent,
    api_key: z.string(),
    claim_url: z.string(),
    claim_token: z.string(),
    tenant_id: z.string(),
    mailbox_id: z.string(),
  })
  .openapi('Registered')

export const registration = router()

registration.openapi(
  createRoute({
    method: 'post',
    path: '/agents/register',
    tags: ['agents'],
    summary: 'Register a new agent',
    description:
      'No auth required. Opens a tenant with one agent, one mailbox and one key, which is shown once.',
    request: body(Registration),
    responses: { 201: json(RegisteredView, 'Created') },
  }),
  async (c) => {
    const { name, description, owner_hint } = c.req.valid('json')
    const registered = await register(c.env, c.get('now'), {
      name,
      description: description ?? null,
      ownerHint: owner_hint ?? null,
    })
    return c.json(view(c, registered), 201)
  },
)

function view(
  c: HttpContext,
  { agent, mailbox, level, ...registered }: Registered,
): z.infer<typeof RegisteredView> {
  return {
    agent: {
      id: agent.id,
      email: mailbox.address,
      display_name: agent.name,
      api_key_prefix: registered.keyPrefix,
      status: agent.status,
      permission_level: level,
      trust_score: Math.round(mailbox.reputation / 10),
    },
    api_key: registered.secret,
    claim_url: `${settings(c.env).publicUrl}/claim/${registered.claimToken}`,
    claim_token: registered.claimToken,
    tenant_id: registered.tenantId,
    mailbox_id: mailbox.id,
  }
}
