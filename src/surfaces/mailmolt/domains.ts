import { oursIn } from '../../core/accounts/domains/check.ts'
import {
  addDomain,
  attachDomain,
  type DomainWithAliases,
  deleteDomain,
  getDomain,
  listDomains,
} from '../../core/accounts/domains/domains.ts'
import { dnsRecords, nsRecords } from '../../core/accounts/domains/records.ts'
import { verifyDomain } from '../../core/accounts/domains/verify.ts'
import { body, createRoute, type HttpContext, json, router, z } from '../http.ts'
import { ERRORS, stamp } from './words.ts'

const DomainBody = z
  .object({
    domain: z.string().min(1).max(300).openapi({ format: 'hostname', example: 'agents.example.com' }),
    mode: z.enum(['managed', 'byoc']).default('managed').openapi({
      description:
        '`managed`: the domain is delegated to our name servers. `byoc`: its owner sets `dns_records`.',
    }),
  })
  .openapi('CustomDomainRequest')

const NsRecord = z.object({ type: z.literal('NS'), name: z.string(), value: z.string() })
const Purpose = z.enum(['delegation', 'ownership', 'spf', 'dkim', 'dmarc', 'bounce'])
const Type = z.enum(['NS', 'TXT', 'CNAME'])

const DomainView = z
  .object({
    id: z.string(),
    domain: z.string(),
    mode: z.enum(['managed', 'byoc']),
    status: z.enum(['pending', 'verified', 'failed']),
    ns_records: z.array(NsRecord).optional().openapi({
      description: 'In mode `managed`: set these name servers at the registrar, and no other records.',
    }),
    dns_records: z
      .array(z.object({ type: Type, name: z.string(), value: z.string(), purpose: Purpose }))
      .openapi({
        description:
          'The records that the owner must set; in mode `managed`, the records that our name servers answer.',
      }),
    agent_id: z
      .string()
      .nullable()
      .openapi({ description: 'The agent that the domain was attached to last.' }),
    addresses: z.array(z.object({ agent_id: z.string().nullable(), address: z.string() })),
    verified_at: z.string().nullable(),
    checked_at: z.string().nullable(),
    created_at: z.string(),
  })
  .openapi('CustomDomain')

const VerifiedView = z
  .object({
    verified: z.boolean(),
    missing: z.array(
      z.object({
        purpose: Purpose,
        type: Type,
        name: z.string(),
        expected: z.string(),
        found: z.array(z.string()),
        problem: z
          .enum(['not_found', 'wrong_value', 'several_records', 'lookup_failed', 'held_by_another'])
          .openapi({
            description: `\`lookup_failed\`: the resolver gave no clear answer; try again. \`held_by_another\`: another account
has verified this domain, and its record is still in DNS; remove that record.`,
          }),
      }),
    ),
    domain: DomainView,
  })
  .openapi('DomainVerification')

const DomainsView = z
  .object({
    data: z.array(DomainView),
    total: z.int(),
    has_more: z.boolean(),
    next_cursor: z.string().nullable(),
  })
  .openapi('CustomDomains')

const DomainParams = z.object({ id: z.string().min(1).max(200) })
const common = { tags: ['custom-domains'], security: [{ bearer: [] }] }

export const domains = router()

domains.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/custom-domains',
    summary: 'Register a sending domain',
    request: body(DomainBody),
    responses: { 201: json(DomainView, 'Created'), ...ERRORS },
  }),
  async (c) => c.json(view(c, await addDomain(c.var.ctx, c.req.valid('json'))), 201),
)

domains.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/custom-domains',
    summary: 'List domains',
    description: 'Newest first.',
    request: {
      query: z.object({
        limit: z.coerce.number().int().min(1).max(100).default(20),
        cursor: z
          .string()
          .regex(/^\w{0,200}$/, 'must be the next_cursor of an earlier answer')
          .optional(),
      }),
    },
    responses: { 200: json(DomainsView), ...ERRORS },
  }),
  async (c) => {
    const { limit, cursor } = c.req.valid('query')
    const page = await listDomains(c.var.ctx, { limit, before: cursor || null })
    return c.json(
      {
        data: page.domains.map((domain) => view(c, domain)),
        total: page.total,
        has_more: page.hasMore,
        next_cursor: page.hasMore ? (page.domains.at(-1)?.id ?? null) : null,
      },
      200,
    )
  },
)

domains.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/custom-domains/{id}',
    summary: 'One domain, with its records and addresses',
    request: { params: DomainParams },
    responses: { 200: json(DomainView), ...ERRORS },
  }),
  async (c) => c.json(view(c, await getDomain(c.var.ctx, c.req.valid('param').id)), 200),
)

domains.openapi(
  createRoute({
    ...common,
    method: 'delete',
    path: '/custom-domains/{id}',
    summary: 'Remove a domain',
    description:
      'The addresses in the domain stop working at once. Its agents write from their own addresses again.',
    request: { params: DomainParams },
    responses: { 204: { description: 'Deleted' }, ...ERRORS },
  }),
  async (c) => {
    await deleteDomain(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  },
)

domains.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/custom-domains/{id}/verify',
    summary: 'Verify the delegation or the records of a domain',
    description: `Looks up the records now, and names each record that is missing or wrong. A domain belongs to at most one
account: if another account has verified it, that account's record must be removed from DNS first.`,
    request: { params: DomainParams },
    responses: { 200: json(VerifiedView, 'Verified, or what is missing'), ...ERRORS },
  }),
  async (c) => {
    const { domain, missing } = await verifyDomain(c.var.ctx, c.req.valid('param').id)
    return c.json(
      {
        verified: missing.length === 0,
        missing: missing.map(({ purpose, type, name, value, found, problem }) => ({
          ...{ purpose, type, name, expected: value, found, problem },
        })),
        domain: view(c, domain),
      },
      200,
    )
  },
)

domains.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/custom-domains/{id}/attach',
    summary: 'Attach a domain to an agent',
    description: `The agent's mailbox gains its local part at the domain and writes from there. The domain must be verified.`,
    request: { params: DomainParams, ...body(z.object({ agent_id: z.string().min(1).max(200) })) },
    responses: { 200: json(DomainView), ...ERRORS },
  }),
  async (c) => {
    const { agent_id } = c.req.valid('json')
    return c.json(view(c, await attachDomain(c.var.ctx, c.req.valid('param').id, agent_id)), 200)
  },
)

function view(c: HttpContext, domain: DomainWithAliases): z.infer<typeof DomainView> {
  const ours = oursIn(c.env)
  return {
    id: domain.id,
    domain: domain.domain,
    mode: domain.mode,
    status: domain.status,
    ...(domain.mode === 'managed'
      ? {
          ns_records: nsRecords(domain, ours).map(({ name, value }) => ({
            type: 'NS' as const,
            name,
            value,
          })),
        }
      : {}),
    dns_records: dnsRecords(domain, ours).map(({ type, name, value, purpose }) => ({
      type,
      name,
      value,
      purpose,
    })),
    agent_id: domain.agentId,
    addresses: domain.aliases.map(({ agentId, address }) => ({ agent_id: agentId, address })),
    verified_at: domain.verifiedAt && stamp(domain.verifiedAt),
    checked_at: domain.checkedAt && stamp(domain.checkedAt),
    created_at: stamp(domain.createdAt),
  }
}
