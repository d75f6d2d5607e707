import { acquireLease, type Conflict } from '../../core/coordination/leases/acquire.ts'
import type { Lease } from '../../core/coordination/leases/lease.ts'
import { type LeaseEvent, leaseHistory, listLeases } from '../../core/coordination/leases/list.ts'
import { releaseLease } from '../../core/coordination/leases/release.ts'
import { createRoute, json, publishedBody, router, z } from '../http.ts'
import { agentNamed, Email, Id, listOf, Minutes, Page, page } from './words.ts'

const LeaseBody = z
  .object({
    tenantId: Id.optional(),
    agentId: Id.optional(),
    agentName: z.string().min(1).max(100).optional(),
    contactEmail: Email,
    intent: z.string().min(1).max(200).default('general').openapi({ example: 'outbound_sales' }),
    durationMinutes: Minutes.default(30),
  })
  .openapi('LeaseRequest')

const LeaseView = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    agentId: z.string(),
    contactEmail: z.string(),
    intent: z.string(),
    expiresAt: z.string(),
    createdAt: z.string(),
  })
  .openapi('Lease')

const ConflictView = z
  .object({
    conflict: z.literal(true),
    leaseHolder: z.object({ agentId: z.string(), agentName: z.string().nullable(), expiresAt: z.string() }),
  })
  .openapi('LeaseConflict')

const EventView = z
  .object({
    id: z.string(),
    kind: z.enum(['granted', 'renewed', 'released', 'expired', 'refused']),
    at: z.string(),
    leaseId: z.string(),
    epoch: z.number(),
    agentId: z.string(),
    agentName: z.string().nullable(),
    holderId: z.string(),
    holderName: z.string().nullable(),
    expiresAt: z.string(),
  })
  .openapi('LeaseEvent')

export const leases = router()

leases.openapi(
  createRoute({
    method: 'post',
    path: '/agent/coordination/lease',
    tags: ['coordination'],
    summary: 'Acquire a contact lease',
    description:
      'A repeated request renews the lease under the same id. A conflict is an answer with status 200, not an error.',
    security: [{ bearer: [] }],
    request: publishedBody(LeaseBody, {
      tenantId: 'tenant_abc123',
      agentName: 'outreach-agent',
      contactEmail: 'user@example.com',
      intent: 'outbound_sales',
      durationMinutes: 30,
    }),
    responses: { 200: json(LeaseView.or(ConflictView)) },
  }),
  async (c) => {
    const { agentId, agentName, contactEmail, intent, durationMinutes } = c.req.valid('json')
    const agent = agentNamed(c, agentId, agentName)
    const result = await acquireLease(c.var.ctx, { agent, contactEmail, intent, durationMinutes })
    return c.json(result.held ? view(result.lease) : conflict(result.by), 200)
  },
)

leases.openapi(
  createRoute({
    method: 'delete',
    path: '/agent/coordination/lease/{leaseId}',
    tags: ['coordination'],
    summary: 'Release a contact lease',
    description: '`released` is false if the lease had ended before.',
    security: [{ bearer: [] }],
    request: { params: z.object({ leaseId: Id }) },
    responses: { 200: json(z.object({ released: z.boolean() })) },
  }),
  async (c) => c.json({ released: await releaseLease(c.var.ctx, c.req.valid('param').leaseId) }, 200),
)

leases.openapi(
  createRoute({
    method: 'get',
    path: '/agent/coordination/leases',
    tags: ['coordination'],
    summary: 'List the live leases',
    description:
      'A bare array, in the order of the contacts. If more follow, the X-Next-Cursor header is the cursor of the next page.',
    security: [{ bearer: [] }],
    request: {
      query: Page.extend({
        limit: z.coerce.number().int().min(1).max(1000).default(1000),
        cursor: z.string().max(320).optional(),
      }),
    },
    responses: { 200: json(z.array(LeaseView)) },
  }),
  async (c) => {
    const { limit, cursor } = c.req.valid('query')
    const rows = await listLeases(c.var.ctx, { before: cursor, limit })
    const last = rows.length === limit ? rows.at(-1) : undefined
    if (last) c.header('X-Next-Cursor', last.contact)
    return c.json(rows.map(view), 200)
  },
)

leases.openapi(
  createRoute({
    method: 'get',
    path: '/agent/coordination/leases/history',
    tags: ['coordination'],
    summary: 'What happened to the leases of one contact, newest first',
    description:
      'Grants, renewals, releases, expiries and refusals with their epochs. An expiry is written when the next grant or heartbeat notices it.',
    security: [{ bearer: [] }],
    request: { query: Page.extend({ contactEmail: Email }) },
    responses: { 200: json(listOf(EventView)) },
  }),
  async (c) => {
    const { limit, cursor, contactEmail } = c.req.valid('query')
    const rows = await leaseHistory(c.var.ctx, contactEmail, { before: cursor, limit })
    return c.json(
      page(rows, limit, (row) => row.id, eventView),
      200,
    )
  },
)

function view({
  id,
  tenantId,
  agentId,
  contactEmail,
  intent,
  expiresAt,
  createdAt,
}: Lease): z.infer<typeof LeaseView> {
  return {
    id,
    tenantId,
    agentId,
    contactEmail,
    intent,
    expiresAt: expiresAt.toISOString(),
    createdAt: createdAt.toISOString(),
  }
}

function conflict({ agentId, agentName, expiresAt }: Conflict): z.infer<typeof ConflictView> {
  return { conflict: true, leaseHolder: { agentId, agentName, expiresAt: expiresAt.toISOString() } }
}

function eventView(event: LeaseEvent): z.infer<typeof EventView> {
  const { id, kind, at, leaseId, epoch, agentId, agentName, holderId, holderName, expiresAt } = event
  return {
    ...{ id, kind, at: at.toISOString(), leaseId, epoch, agentId, agentName, holderId, holderName },
    expiresAt: expiresAt.toISOString(),
  }
}
