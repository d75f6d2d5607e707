import { claimPage } from '../../core/accounts/claims/link.ts'
import { type Registered, register } from '../../core/accounts/registration.ts'
import { firstTrustScore } from '../../core/signals/trust-score.ts'
import { createRoute, type HttpContext, json, publishedBody, router, z } from '../http.ts'
import { AgentView, agentView } from './agents.ts'

const Registration = z
  .object({
    name: z.string().trim().min(3).max(64).openapi({ example: 'Research Bot' }),
    description: z.string().max(2000).optional(),
    owner_hint: z.string().max(320).optional(),
  })
  .openapi('Registration')

const RegisteredView = z
  .object({
    agent: AgentView,
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
      'No authentication. Creates a tenant with one agent, one mailbox and one key. The key is shown once.',
    request: publishedBody(Registration),
    responses: { 201: json(RegisteredView, 'Created') },
  }),
  async (c) => {
    const { name, description, owner_hint } = c.req.valid('json')
    const registered = await register(c.env, c.get('now'), {
      name,
      description: description ?? null,
      ownerHint: owner_hint ?? null,
      clientAddress: c.req.header('cf-connecting-ip') ?? null,
    })
    return c.json(view(c, registered), 201)
  },
)

function view(c: HttpContext, registered: Registered): z.infer<typeof RegisteredView> {
  const { agent, mailbox, level, secret, keyPrefix, claimToken, owner } = registered
  return {
    agent: agentView({
      agent,
      address: mailbox.address,
      keyPrefix,
      level,
      plan: 'free',
      trustScore: firstTrustScore({ isClaimed: owner !== null }),
      owner: owner && { email: owner.email, isVerified: true, xHandle: null },
    }),
    api_key: secret,
    claim_url: claimPage(c.env, claimToken),
    claim_token: claimToken,
    tenant_id: registered.tenantId,
    mailbox_id: mailbox.id,
  }
}
