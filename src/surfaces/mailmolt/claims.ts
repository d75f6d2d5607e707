import { verifyOwner } from '../../core/accounts/claims/verification.ts'
import { claimByMail } from '../../core/notices/people.ts'
import { body, createRoute, type HttpContext, json, router, z } from '../http.ts'
import { AgentStatus, Level } from './agents.ts'
import { ErrorView } from './refusals.ts'

const ClaimBody = z
  .object({
    email: z.string().max(320).openapi({ example: 'ann@example.com' }),
    x_handle: z.string().max(50).nullish(),
  })
  .openapi('Claim')

const ClaimedView = z
  .object({
    agent_id: z.string(),
    status: AgentStatus,
    permission_level: Level,
    human_owner: z.object({
      email: z.string(),
      email_verified: z.boolean(),
      x_handle: z.string().optional(),
    }),
    verification: z.object({
      sent: z.boolean(),
      detail: z.string().nullable(),
      retry_at: z.string().nullable(),
    }),
  })
  .openapi('Claimed')

const VerifiedView = z
  .object({ email: z.string(), email_verified: z.literal(true), permission_level: Level })
  .openapi('Verified')

/** For programs: the same steps as the pages behind claim_url and the mailed link. */
export const claims = router()

claims.openapi(
  createRoute({
    method: 'post',
    path: '/claim/verify-email',
    tags: ['agents'],
    summary: 'Verify the email address of an owner with the token of the mailed link',
    description: '404 if the token is unknown, 409 if it was used, 410 if it is older than 24 hours.',
    request: body(z.object({ token: z.string().max(200) })),
    responses: {
      200: json(VerifiedView),
      404: json(ErrorView, 'The token is unknown'),
      409: json(ErrorView, 'The token was used before'),
      410: json(ErrorView, 'The token is older than 24 hours'),
    },
  }),
  async (c) => {
    const { email, level } = await verifyOwner(at(c), c.req.valid('json').token)
    return c.json({ email, email_verified: true as const, permission_level: level }, 200)
  },
)

claims.openapi(
  createRoute({
    method: 'post',
    path: '/claim/{token}',
    tags: ['agents'],
    summary: 'Claim an agent with the token of its claim_url',
    description: `Mails a link to the address; opening it verifies the address. Until then every send of the agent is held,
and others may claim it with this token, too. 404 if the token is unknown, 409 if an owner has verified their address, 410 if the
token is older than 30 days.`,
    request: { params: z.object({ token: z.string() }), ...body(ClaimBody) },
    responses: { 200: json(ClaimedView) },
  }),
  async (c) => {
    const { email, x_handle = null } = c.req.valid('json')
    const clientAddress = c.req.header('cf-connecting-ip') ?? null
    const { token } = c.req.valid('param')
    const claim = await claimByMail(at(c), token, { email, xHandle: x_handle, clientAddress })
    const { agent, owner, level, mailed } = claim
    return c.json(
      {
        agent_id: agent.id,
        status: agent.status,
        permission_level: level,
        human_owner: {
          email: owner.email,
          email_verified: owner.verifiedAt !== null,
          ...(owner.xHandle === null ? {} : { x_handle: owner.xHandle }),
        },
        verification: mailed.isSent
          ? { sent: true, detail: null, retry_at: null }
          : { sent: false, detail: mailed.detail, retry_at: mailed.retryAt?.toISOString() ?? null },
      },
      200,
    )
  },
)

const at = (c: HttpContext) => ({ env: c.env, now: c.get('now') })
