import type { MiddlewareHandler } from 'hono'
import { mustBeOperator } from '../../core/governance/operator.ts'
import {
  clearOwner,
  clearTenant,
  freezeOwner,
  freezeTenant,
  listSanctions,
  type Sanction,
} from '../../core/governance/sanctions.ts'
import type { Bond } from '../../core/payments/bonds/bond.ts'
import { closeBond, listAllBonds } from '../../core/payments/bonds/bonds.ts'
import {
  type App,
  body,
  createRoute,
  type HttpContext,
  json,
  limitBody,
  noSuchRoute,
  OWN_ERROR,
  presentedKey,
  surface,
  z,
} from '../http.ts'
import { STATUS } from '../status.ts'

const Status = z.enum(['pending', 'posted', 'captured', 'released', 'failed'])

const OperatorBond = z
  .object({
    id: z.string(),
    tenant_id: z.string(),
    tier: z.enum(['starter', 'growth', 'enterprise']),
    amount_usd_cents: z.int(),
    status: Status,
    closing: z.enum(['captured', 'released']).nullable().openapi({
      description:
        'An end that was ordered and that the payment provider has not confirmed yet. It is retried until then.',
    }),
    provider: z.enum(['stripe', 'local']),
    reason: z.string().nullable(),
    next_reauth_at: z.string().nullable(),
    posted_at: z.string().nullable(),
    ended_at: z.string().nullable(),
    created_at: z.string(),
  })
  .openapi('OperatorBond')

const Sanctions = z
  .object({
    data: z.array(
      z.object({
        id: z.string().openapi({ example: 'san_abc123' }),
        kind: z.enum([
          'mailbox_suspended',
          'mailbox_frozen',
          'agent_stopped',
          'tenant_frozen',
          'owner_frozen',
        ]),
        tenant_id: z.string().nullable().openapi({ description: 'Where it happened; null for a person.' }),
        why: z.string(),
        at: z.string(),
        cleared_at: z.string().nullable(),
        cleared_by: z.string().nullable(),
      }),
    ),
  })
  .openapi('Sanctions', {
    description:
      'One suspension or freeze in force puts an account in review. A second one, or a freeze of the account or its owner, suspends it.',
  })

/** Who may be suspended as a whole. Both hold what happens to the senders of an account. */
const HOLDERS = [
  { path: 'tenants', name: 'a tenant', example: 'tenant_abc123', freeze: freezeTenant, clear: clearTenant },
  {
    path: 'owners',
    name: 'an owner, in all tenants that they have claimed or will claim',
    example: 'owner@example.com',
    freeze: freezeOwner,
    clear: clearOwner,
  },
] as const

const common = { tags: ['operator'], security: [{ operator: [] }] }
const Closing = {
  params: z.object({ id: z.string().min(1).max(100) }),
  ...body(z.object({ reason: z.string().trim().min(1).max(500) })),
}
const refused = (description: string) =>
  json(z.object({ error: z.string(), message: z.string() }), description)
const CLOSED = {
  200: json(OperatorBond),
  404: refused('No such bond'),
  409: refused('The bond has ended otherwise'),
}

/** Only the operator's key opens these routes. */
const operatorOnly: MiddlewareHandler<App> = async (c, next) => {
  mustBeOperator(c.env, presentedKey(c))
  await next()
}

/** The operator's decisions on bonds, tenants and owners. */
export const operator = surface({
  status: STATUS,
  error: OWN_ERROR,
  body: ({ code, message, details }) => ({ error: code, message, ...details }),
})

for (const path of ['/bonds/*', '/tenants/*', '/owners/*']) operator.use(path, limitBody, operatorOnly)

operator.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/bonds',
    summary: 'List the bonds of all tenants, newest first',
    request: {
      query: z.object({
        status: Status.optional().openapi({ param: { example: 'posted' } }),
        limit: z.coerce.number().int().min(1).max(100).default(50),
        cursor: z.string().max(100).optional(),
      }),
    },
    responses: {
      200: json(
        z.object({
          data: z.array(OperatorBond),
          has_more: z.boolean(),
          next_cursor: z.string().nullable(),
        }),
      ),
    },
  }),
  async (c) => {
    const { status = null, limit, cursor } = c.req.valid('query')
    const { bonds, hasMore } = await listAllBonds(c.env, { status, limit, after: cursor || null })
    const next_cursor = hasMore ? (bonds.at(-1)?.id ?? null) : null
    return c.json({ data: bonds.map(view), has_more: hasMore, next_cursor }, 200)
  },
)

operator.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/bonds/{id}/capture',
    summary: 'Capture the money of a bond, for abuse',
    request: Closing,
    responses: CLOSED,
  }),
  async (c) => {
    const { reason } = c.req.valid('json')
    return c.json(view(await closeBond(at(c), c.req.valid('param').id, 'captured', reason)), 200)
  },
)

operator.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/bonds/{id}/release',
    summary: 'Release a bond',
    request: Closing,
    responses: CLOSED,
  }),
  async (c) => {
    const { reason } = c.req.valid('json')
    return c.json(view(await closeBond(at(c), c.req.valid('param').id, 'released', reason)), 200)
  },
)

for (const { path, name, example, freeze, clear } of HOLDERS) {
  const params = z.object({ id: z.string().min(1).max(320).openapi({ example }) })
  operator.openapi(
    createRoute({
      ...common,
      method: 'get',
      path: `/${path}/{id}/sanctions`,
      summary: `List the suspensions and freezes of ${name}, newest first`,
      request: { params },
      responses: { 200: json(Sanctions) },
    }),
    async (c) =>
      c.json({ data: (await listSanctions(c.env, c.req.valid('param').id.toLowerCase())).map(shown) }, 200),
  )
  operator.openapi(
    createRoute({
      ...common,
      method: 'post',
      path: `/${path}/{id}/freeze`,
      summary: `Suspend ${name}`,
      request: { params, ...body(z.object({ reason: z.string().trim().min(1).max(500) })) },
      responses: { 200: json(Sanctions), 404: refused('No such tenant') },
    }),
    async (c) => {
      const { reason } = c.req.valid('json')
      return c.json({ data: (await freeze(at(c), c.req.valid('param').id, reason)).map(shown) }, 200)
    },
  )
  operator.openapi(
    createRoute({
      ...common,
      method: 'post',
      path: `/${path}/{id}/clear`,
      summary: `End all suspensions, freezes and reviews of ${name}`,
      request: { params },
      responses: { 200: json(Sanctions), 404: refused('No such tenant') },
    }),
    async (c) => c.json({ data: (await clear(at(c), c.req.valid('param').id)).map(shown) }, 200),
  )
}

for (const path of ['/bonds/*', '/tenants/*', '/owners/*']) operator.all(path, noSuchRoute)

const at = (c: HttpContext) => ({ env: c.env, now: c.get('now') })

function shown({ id, kind, tenantId, why, at, clearedAt, clearedBy }: Sanction) {
  return {
    ...{ id, kind, tenant_id: tenantId, why, at: at.toISOString() },
    cleared_at: clearedAt?.toISOString() ?? null,
    cleared_by: clearedBy,
  }
}

function view(bond: Bond): z.infer<typeof OperatorBond> {
  return {
    id: bond.id,
    tenant_id: bond.tenantId,
    tier: bond.tier,
    amount_usd_cents: bond.amountUsdCents,
    status: bond.status,
    closing: bond.closing,
    provider: bond.provider,
    reason: bond.reason,
    next_reauth_at: bond.nextReauthAt?.toISOString() ?? null,
    posted_at: bond.postedAt?.toISOString() ?? null,
    ended_at: bond.endedAt?.toISOString() ?? null,
    created_at: bond.createdAt.toISOString(),
  }
}
