import {
  type Attempt,
  DELIVERY_STATES,
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
  EVENT_TYPES,
  getWebhook,
  listWebhooks,
  rotateSecret,
  updateWebhook,
  type Webhook,
} from '../../core/publishing/webhooks/webhooks.ts'
import { body, createRoute, json, router, showsSecret, z } from '../http.ts'
import { ErrorView } from './refusals.ts'

/** As many as any tenant has. */
const ALL = 1_000

const Fields = {
  url: z.string().min(1).openapi({ format: 'uri', example: 'https://hooks.example.com/moltpost' }),
  event_types: z.array(z.enum(EVENT_TYPES)).min(1).max(100),
  is_active: z.boolean(),
  description: z.string().max(500).nullable(),
}

const WebhookBody = z
  .object({
    url: Fields.url,
    event_types: Fields.event_types,
    is_active: Fields.is_active.default(true),
    description: Fields.description.default(null),
  })
  .openapi('WebhookRequest')

const WebhookChange = z.object(Fields).partial().openapi('WebhookChange')

const WebhookView = z
  .object({
    id: z.string(),
    agent_id: z.string().nullable(),
    url: z.string(),
    event_types: z.array(z.string()),
    description: z.string().nullable(),
    is_active: z.boolean(),
    disabled_reason: z.string().nullable(),
    failing_since: z.string().nullable(),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .openapi('Webhook')

const DeliveryView = z
  .object({
    id: z.string(),
    event: z.string(),
    event_id: z.string(),
    state: z.enum(DELIVERY_STATES),
    ok: z.boolean(),
    status_code: z.number().nullable(),
    error: z.string().nullable(),
    attempts: z.number(),
    attempted_at: z.string().nullable(),
    next_attempt_at: z.string().nullable().openapi({
      description: 'Null where it has ended, or waits for other attempts of the webhook to end.',
    }),
    created_at: z.string(),
  })
  .openapi('WebhookDelivery')

const AttemptView = z
  .object({
    attempt: z.number(),
    attempted_at: z.string(),
    duration_ms: z.number(),
    status_code: z.number().nullable(),
    error: z.string().nullable(),
    request: z.string(),
    response: z.string().nullable(),
  })
  .openapi('WebhookAttempt')

const listOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ data: z.array(item), has_more: z.boolean(), next_cursor: z.string().nullable() })

const Id = z.string().min(1).max(100)
const Params = z.object({ id: Id })
const DeliveryParams = z.object({ id: Id, deliveryId: Id })

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
      'Signed by the Standard Webhooks scheme with the `secret` of this answer, which is shown once. URLs that are not public HTTPS are refused.',
    request: body(WebhookBody),
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
    const changed = await updateWebhook(c.var.ctx, c.req.valid('param').id, {
      ...(url === undefined ? {} : { url }),
      ...(event_types === undefined ? {} : { eventTypes: event_types }),
      ...(is_active === undefined ? {} : { isActive: is_active }),
      ...(description === undefined ? {} : { description }),
    })
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
    description: 'One attempt, made before this is answered; 200 also where the target fails.',
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
    description: 'The new `secret` is shown once. For 24 hours the old one signs beside it.',
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
      query: z.object({
        state: z.enum(DELIVERY_STATES).optional(),
        limit: z.coerce.number().int().min(1).max(100).default(20),
        cursor: Id.optional(),
      }),
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
    description: 'Of what was sent and what came back, the beginning is kept.',
    request: { params: DeliveryParams },
    responses: { 200: json(DeliveryView.extend({ attempt_log: z.array(AttemptView) })) },
  }),
  async (c) => {
    const { id, deliveryId } = c.req.valid('param')
    const { delivery, attempts } = await getDelivery(c.var.ctx, id, deliveryId)
    return c.json({ ...deliveryView(delivery), attempt_log: attempts.map(attemptView) }, 200)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/webhooks/{id}/deliveries/{deliveryId}/replay',
    summary: 'Send an event to a webhook once more, under the same id',
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
    summary: 'Send all that was given up since a time once more',
    request: {
      params: Params,
      ...body(
        z.object({
          since: z.iso
            .datetime({ offset: true })
            .openapi({ format: 'date-time', example: '2026-04-17T14:32:00Z' }),
          state: z.literal('dead').default('dead'),
        }),
      ),
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
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  }
}

function deliveryView(row: Delivery): z.infer<typeof DeliveryView> {
  return {
    id: row.id,
    event: row.eventType,
    event_id: row.eventId,
    state: row.state,
    ok: row.state === 'delivered',
    status_code: row.statusCode,
    error: row.error,
    attempts: row.attempts,
    attempted_at: row.attempts > 0 ? row.updatedAt.toISOString() : null,
    next_attempt_at: row.nextAt?.toISOString() ?? null,
    created_at: row.createdAt.toISOString(),
  }
}

function attemptView(row: Attempt): z.infer<typeof AttemptView> {
  return {
    attempt: row.attempt,
    attempted_at: row.at.toISOString(),
    duration_ms: row.durationMs,
    status_code: row.statusCode,
    error: row.error,
    request: row.request,
    response: row.response,
  }
}
