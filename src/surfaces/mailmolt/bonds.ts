import type { Bond } from '../../core/payments/bonds/bond.ts'
import { listBonds, postBond } from '../../core/payments/bonds/bonds.ts'
import { body, createRoute, json, router, showsSecret, z } from '../http.ts'
import { ErrorView } from './refusals.ts'

const Tier = z.enum(['starter', 'growth', 'enterprise'])

const BondView = z
  .object({
    id: z.string(),
    tier: Tier,
    amount_usd_cents: z.int(),
    status: z.enum(['posted', 'captured', 'released', 'failed']).optional().openapi({
      description: 'Absent while `pending`.',
    }),
    pending: z.boolean().openapi({ description: 'No card is verified yet, or no money is held yet.' }),
    provider: z.enum(['stripe', 'local']).openapi({
      description: '`local` under local development: a ledger without money.',
    }),
    next_reauth_at: z.string().nullable().openapi({ format: 'date-time' }),
    reason: z.string().nullable().openapi({ description: 'Why the bond ended.' }),
    posted_at: z.string().nullable(),
    ended_at: z.string().nullable(),
    created_at: z.string(),
  })
  .openapi('Bond')

const common = { tags: ['bonds'], security: [{ bearer: [] }] }

export const bonds = router()

bonds.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/bonds',
    summary: 'List bonds',
    request: {
      query: z.object({
        limit: z.coerce.number().int().min(1).max(100).default(20),
        cursor: z.string().max(100).optional(),
      }),
    },
    responses: {
      200: json(
        z.object({
          data: z.array(BondView),
          total: z.int(),
          has_more: z.boolean(),
          next_cursor: z.string().nullable(),
        }),
      ),
    },
  }),
  async (c) => {
    const { limit, cursor } = c.req.valid('query')
    const { bonds: found, total, hasMore } = await listBonds(c.var.ctx, { limit, after: cursor || null })
    const next_cursor = hasMore ? (found.at(-1)?.id ?? null) : null
    return c.json({ data: found.map(view), total, has_more: hasMore, next_cursor }, 200)
  },
)

bonds.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/bonds',
    summary: 'Post a Verified Sender bond',
    description:
      'The owner verifies a card with `client_secret` of a Stripe SetupIntent. The bond is posted once the money is held. The hold is renewed every seven days, captured only for abuse, and released in good standing. An owner has one bond at a time.',
    request: body(z.object({ tier: Tier })),
    responses: {
      201: json(BondView.extend({ client_secret: z.string() }), 'Created'),
      409: json(ErrorView, 'A bond is posted, or waits for a card'),
    },
  }),
  async (c) => {
    const { bond, clientSecret } = await postBond(c.var.ctx, c.req.valid('json').tier)
    showsSecret(c)
    return c.json({ ...view(bond), client_secret: clientSecret }, 201)
  },
)

function view(bond: Bond): z.infer<typeof BondView> {
  const { status } = bond
  return {
    id: bond.id,
    tier: bond.tier,
    amount_usd_cents: bond.amountUsdCents,
    ...(status === 'pending' ? {} : { status }),
    pending: status === 'pending',
    provider: bond.provider,
    next_reauth_at: bond.nextReauthAt?.toISOString() ?? null,
    reason: bond.reason,
    posted_at: bond.postedAt?.toISOString() ?? null,
    ended_at: bond.endedAt?.toISOString() ?? null,
    created_at: bond.createdAt.toISOString(),
  }
}
