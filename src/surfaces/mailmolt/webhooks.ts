import {
  type Delivery,
  getDelivery,
  listDeliveries,
  replayDead,
  replayDelivery,
  testWebhook,
} from '../../core/publishing/webhooks/deliveries.ts'
import {
  createWebhook,
  deleteWebhook,
  getWebhook,
  listWebhooks,
  rotateSecret,
  updateWebhook,
  type Webhook,
} from '../../core/publishing/webhooks/webhooks.ts'
import { body, createRoute, json, router, showsSecret, z } from '../http.ts'
import { attemptOf, changeOf, deliveryOf, progressOf, snakeCase } from '../webhooks.ts'
import { ErrorView } from './refusals.ts'
import {
  AttemptView,
  DeliveriesQuery,
  DeliveryParams,
  DeliveryView,
  listOf,
  Params,
  ReplayBody,
  WebhookBody,
  WebhookChange,
  WebhookView,
} from './webhook-schemas.ts'

/** More webhooks than a tenant can have, so that one page lists all. */
const ALL = 1_000

const common = { tags: ['webhooks'], security: [{ bearer: [] }] }

export const webhooks = router()

webhooks.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/webhooks',
    summary: 'List webhooks',
    responses: { 200: json(listOf(WebhookView).extend({ total: z.number() })) },
  }),
  async (c) => {
    const rows = await listWebhooks(c.var.ctx, { limit: ALL })
    return c.json({ data: rows.map(view), total: rows.length, has_more: false, next_cursor: null }, 200)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/webhooks',
    summary: 'Register a webhook (egress-guarded)',
    description:
      'Requests are signed by the Standard Webhooks scheme with the `secret` of this answer, which is shown once. A URL that is not public HTTPS is refused.',
    // The published schema has both, as read-only.
    request: body(WebhookBody, undefined, ['id', 'secret']),
    responses: {
      201: json(WebhookView.extend({ secret: z.string() }), 'Created'),
      422: json(ErrorView, 'The body does not fit, or the egress guard refused the URL'),
    },
  }),
  async (c) => {
    const { url, event_types, is_active, description } = c.req.valid('json')
    const created = await createWebhook(c.var.ctx, {
      url,
      eventTypes: event_types,
      isActive: is_active,
      description,
      agentId: null,
    })
    showsSecret(c)
    return c.json({ ...view(created), secret: created.secret }, 201)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/webhooks/{id}',
    summary: 'Fetch webhook + last delivery',
    request: { params: Params },
    responses: { 200: json(WebhookView.extend({ last_delivery: DeliveryView.nullable() })) },
  }),
  async (c) => {
    const { webhook, lastDelivery } = await getWebhook(c.var.ctx, c.req.valid('param').id)
    return c.json({ ...view(webhook), last_delivery: lastDelivery && deliveryView(lastDelivery) }, 200)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'patch',
    path: '/webhooks/{id}',
    summary: 'Update webhook',
    request: { params: Params, ...body(WebhookChange) },
    responses: { 200: json(WebhookView) },
  }),
  async (c) => {
    const { url, event_types, is_active, description } = c.req.valid('json')
    const change = changeOf({ url, eventTypes: event_types, description, isActive: is_active })
    const changed = await updateWebhook(c.var.ctx, c.req.valid('param').id, change)
    return c.json(view(changed), 200)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'delete',
    path: '/webhooks/{id}',
    summary: 'Delete',
    request: { params: Params },
    responses: { 204: { description: 'Deleted' } },
  }),
  async (c) => {
    await deleteWebhook(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/webhooks/{id}/test',
    summary: 'Fire a synthetic ping event',
    description: 'Makes one attempt before it answers. The status is 200 even if the target fails.',
    request: { params: Params },
    responses: {
      200: json(
        z.object({
          delivered: z.boolean(),
          status_code: z.number().nullable(),
          error: z.string().nullable(),
        }),
      ),
    },
  }),
  async (c) => {
    const { delivered, statusCode, error } = await testWebhook(c.var.ctx, c.req.valid('param').id)
    return c.json({ delivered, status_code: statusCode, error }, 200)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/webhooks/{id}/rotate-secret',
    summary: 'Rotate the HMAC secret',
    description: 'The new `secret` is shown once. For 24 hours requests are signed with the old secret, too.',
    request: { params: Params },
    responses: { 200: json(z.object({ id: z.string(), secret: z.string() }), 'New secret returned') },
  }),
  async (c) => {
    const { id, secret } = await rotateSecret(c.var.ctx, c.req.valid('param').id)
    showsSecret(c)
    return c.json({ id, secret }, 200)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/webhooks/{id}/deliveries',
    summary: 'List the deliveries of a webhook, newest first',
    request: {
      params: Params,
      query: DeliveriesQuery,
    },
    responses: { 200: json(listOf(DeliveryView)) },
  }),
  async (c) => {
    const { state, limit, cursor } = c.req.valid('query')
    const found = await listDeliveries(c.var.ctx, c.req.valid('param').id, {
      state,
      before: cursor,
      limit: limit + 1,
    })
    const rows = found.slice(0, limit)
    const hasMore = found.length > limit
    return c.json(
      {
        data: rows.map(deliveryView),
        has_more: hasMore,
        next_cursor: hasMore ? (rows.at(-1)?.id ?? null) : null,
      },
      200,
    )
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/webhooks/{id}/deliveries/{deliveryId}',
    summary: 'One delivery with its attempts',
    description: 'Only the beginning of each request and response is kept.',
    request: { params: DeliveryParams },
    responses: { 200: json(DeliveryView.extend({ attempt_log: z.array(AttemptView) })) },
  }),
  async (c) => {
    const { id, deliveryId } = c.req.valid('param')
    const { delivery, attempts } = await getDelivery(c.var.ctx, id, deliveryId)
    return c.json(
      { ...deliveryView(delivery), attempt_log: attempts.map((row) => snakeCase(attemptOf(row))) },
      200,
    )
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/webhooks/{id}/deliveries/{deliveryId}/replay',
    summary: 'Send an event to a webhook again, with the same event id',
    request: { params: DeliveryParams },
    responses: { 200: json(DeliveryView) },
  }),
  async (c) => {
    const { id, deliveryId } = c.req.valid('param')
    return c.json(deliveryView(await replayDelivery(c.var.ctx, id, deliveryId)), 200)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/webhooks/{id}/replay',
    summary: 'Send all dead deliveries again that were created since a time',
    request: {
      params: Params,
      ...body(ReplayBody),
    },
    responses: { 200: json(z.object({ replayed: z.number() })) },
  }),
  async (c) => {
    const since = new Date(c.req.valid('json').since)
    return c.json({ replayed: await replayDead(c.var.ctx, c.req.valid('param').id, since) }, 200)
  },
)

function view(row: Webhook): z.infer<typeof WebhookView> {
  return {
    id: row.id,
    agent_id: row.agentId,
    url: row.url,
    event_types: row.eventTypes,
    description: row.description,
    is_active: row.isActive,
    disabled_reason: row.disabledReason,
    failing_since: row.failingSince?.toISOString() ?? null,
    created_by: row.createdBy,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  }
}

function deliveryView(row: Delivery): z.infer<typeof DeliveryView> {
  const ok = row.state === 'delivered'
  return { ...snakeCase(deliveryOf(row)), ok, ...snakeCase(progressOf(row)) }
}
