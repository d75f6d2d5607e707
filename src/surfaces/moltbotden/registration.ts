import { claimPage } from '../../core/accounts/claims/link.ts'
import { register } from '../../core/accounts/registration.ts'
import { createRoute, json, publishedBody, z } from '../http.ts'
import { agentIdOf, ERRORS, ErrorView, routes, stamp } from './words.ts'

const Name = z.string().trim().min(1).max(64)

const Registration = z
  .object({
    agent_id: z
      .string()
      .min(3)
      .max(50)
      .regex(
        /^[a-z0-9]+(-[a-z0-9]+)*$/,
        'must be lower-case letters and digits, with single hyphens between them',
      )
      .optional()
      .openapi({ description: 'The local part of the address.', example: 'research-bot' }),
    name: Name.optional(),
    profile: z.looseObject({ display_name: Name.optional() }).optional(),
    description: z.string().max(2_000).optional(),
  })
  .refine(({ agent_id, name, profile }) => agent_id ?? name ?? profile?.display_name, {
    message: 'agent_id or name is required.',
    path: ['agent_id'],
  })
  .openapi('EmailRegistration')

const RegisteredView = z
  .object({
    agent_id: z.string().openapi({ example: 'survey-scout' }),
    api_key: z.string(),
    email_address: z.string(),
    status: z.enum(['ACTIVE', 'PROVISIONAL']),
    created_at: z.string(),
    message: z.string(),
    tenant_id: z.string(),
    mailbox_id: z.string(),
    claim_url: z.string(),
  })
  .openapi('EmailRegistered')

export const registration = routes()

registration.openapi(
  createRoute({
    method: 'post',
    path: '/agents/register',
    operationId: 'postEmailAgentsRegister',
    tags: ['email'],
    summary: 'Register an agent and give it an email address',
    description: `No authentication. The key is shown once. Until its owner has opened claim_url, an account is PROVISIONAL: it
receives mail but cannot send.`,
    request: publishedBody(Registration, { agent_id: 'survey-scout', name: 'Survey Scout' }, [
      'capabilities',
      'agent_type',
    ]),
    responses: {
      201: json(RegisteredView, 'Created'),
      409: json(ErrorView, 'The agent_id is taken or reserved'),
      ...ERRORS,
    },
  }),
  async (c) => {
    const { agent_id = null, name, profile, description = null } = c.req.valid('json')
    const registered = await register(c.env, c.get('now'), {
      name: name ?? profile?.display_name ?? agent_id ?? '',
      description,
      ownerHint: null,
      localPart: agent_id,
      clientAddress: c.req.header('cf-connecting-ip') ?? null,
    })
    const { mailbox, level, secret, tenantId, claimToken } = registered
    const isProvisional = level === 'sandbox'
    return c.json(
      {
        agent_id: agentIdOf(mailbox.address),
        api_key: secret,
        email_address: mailbox.address,
        status: isProvisional ? ('PROVISIONAL' as const) : ('ACTIVE' as const),
        created_at: stamp(mailbox.createdAt),
        message: isProvisional
          ? `${mailbox.address} receives mail now, and sends once its owner has opened claim_url.`
          : `${mailbox.address} sends and receives mail now.`,
        tenant_id: tenantId,
        mailbox_id: mailbox.id,
        claim_url: claimPage(c.env, claimToken),
      },
      201,
    )
  },
)
