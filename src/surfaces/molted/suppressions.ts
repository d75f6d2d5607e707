import {
  findSuppression,
  liftSuppression,
  listSuppressions,
  REASON_CODES,
  type Suppression,
  suppress,
} from '../../core/contacts/suppressions.ts'
import { body, createRoute, json, router, z } from '../http.ts'
import { Email, Id, listOf, Page, page, Stamp } from './words.ts'

const Scope = z.enum(['global', 'tenant', 'campaign'])

const CampaignId = z.string().min(1).max(200)

const SuppressionBody = z
  .object({
    tenantId: Id.optional(),
    recipientEmail: Email,
    scope: Scope.default('tenant'),
    reasonCode: z.enum(REASON_CODES).default('manual_dnc'),
    source: z.string().min(1).max(200).nullable().default(null),
    campaignId: CampaignId.nullable()
      .default(null)
      .openapi({ description: 'Required with scope "campaign": the campaignId or templateId of the sends.' }),
    expiresAt: Stamp.nullable().default(null),
  })
  .openapi('SuppressionRequest')

const SuppressionView = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    recipientEmail: z.string(),
    scope: Scope,
    campaignId: z.string().nullable(),
    reasonCode: z.string(),
    source: z.string().nullable(),
    expiresAt: z.string().nullable(),
    createdAt: z.string(),
  })
  .openapi('Suppression')

const CheckView = z
  .object({
    recipientEmail: z.string(),
    suppressed: z.boolean(),
    id: z.string().optional(),
    scope: Scope.optional(),
    reasonCode: z.string().optional(),
    campaignId: z.string().optional(),
    expiresAt: z.string().nullable().optional(),
  })
  .openapi('SuppressionCheck')

export const suppressions = router()

suppressions.openapi(
  createRoute({
    method: 'post',
    path: '/suppressions',
    tags: ['suppressions'],
    summary: 'Put an address on a suppression list',
    description:
      'Safe to repeat: there is one row per address, scope and campaign. Without a person, or a key with "loosen", a row that applies gets no less grave reason and no earlier end. Scope "global" is 403: only bounces and complaints write it.',
    security: [{ bearer: [] }],
    request: body(SuppressionBody, { recipientEmail: 'bob@example.com', reasonCode: 'manual_dnc' }),
    responses: { 200: json(SuppressionView) },
  }),
  async (c) => {
    const { recipientEmail, scope, reasonCode, source, campaignId, expiresAt } = c.req.valid('json')
    const request = { email: recipientEmail, scope, reasonCode, source, campaignId, expiresAt }
    return c.json(view(await suppress(c.var.ctx, request)), 200)
  },
)

suppressions.openapi(
  createRoute({
    method: 'get',
    path: '/suppressions',
    tags: ['suppressions'],
    summary: 'List suppressions, newest first',
    security: [{ bearer: [] }],
    request: { query: Page.extend({ recipientEmail: Email.optional(), scope: Scope.optional() }) },
    responses: { 200: json(listOf(SuppressionView)) },
  }),
  async (c) => {
    const { limit, cursor, recipientEmail, scope } = c.req.valid('query')
    const rows = await listSuppressions(c.var.ctx, { email: recipientEmail, scope, before: cursor, limit })
    return c.json(
      page(rows, limit, (row) => row.id, view),
      200,
    )
  },
)

suppressions.openapi(
  createRoute({
    method: 'get',
    path: '/suppressions/check',
    tags: ['suppressions'],
    summary: 'Show whether an address is suppressed, and why',
    description:
      'Looks at the global list, then at the tenant’s list, then at the campaign’s list if a campaign is given.',
    security: [{ bearer: [] }],
    request: {
      query: z.object({ tenantId: Id.optional(), recipientEmail: Email, campaignId: CampaignId.optional() }),
    },
    responses: { 200: json(CheckView) },
  }),
  async (c) => {
    const { recipientEmail, campaignId = null } = c.req.valid('query')
    const found = await findSuppression(c.var.ctx, { email: recipientEmail, campaignId })
    if (!found) return c.json({ recipientEmail, suppressed: false }, 200)
    const { id, scope, reasonCode, expiresAt } = found
    const campaign = found.campaignId === '' ? {} : { campaignId: found.campaignId }
    const until = expiresAt?.toISOString() ?? null
    return c.json(
      { recipientEmail, suppressed: true, id, scope, reasonCode, ...campaign, expiresAt: until },
      200,
    )
  },
)

suppressions.openapi(
  createRoute({
    method: 'delete',
    path: '/suppressions/{suppressionId}',
    tags: ['suppressions'],
    summary: 'Remove an address from a suppression list',
    description:
      'A row that has not expired needs a person, or a key with "loosen": 403 human_decision_required.',
    security: [{ bearer: [] }],
    request: { params: z.object({ suppressionId: Id }) },
    responses: { 200: json(SuppressionView.extend({ deleted: z.literal(true) })) },
  }),
  async (c) => {
    const lifted = await liftSuppression(c.var.ctx, c.req.valid('param').suppressionId)
    return c.json({ ...view(lifted), deleted: true as const }, 200)
  },
)

function view(row: Suppression): z.infer<typeof SuppressionView> {
  const { id, tenantId, email, scope, campaignId, reasonCode, source, expiresAt, createdAt } = row
  return {
    id,
    tenantId,
    recipientEmail: email,
    scope,
    campaignId: campaignId === '' ? null : campaignId,
    reasonCode,
    source,
    expiresAt: expiresAt?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
  }
}
