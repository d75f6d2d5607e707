import {
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
import {
  attemptFields,
  attemptOf,
  changeOf,
  deliveryFields,
  deliveryOf,
  progressFields,
  progressOf,
  webhookDescription,
  webhookUrl,
} from '../webhooks.ts'
import { Id, listOf, Page, page, Stamp } from './words.ts'

/** Characters of a secret that are shown, so that an owner can tell it from others. */
const PREFIX = 16

const Fields = {
  url: webhookUrl,
  events: z.array(z.enum(EVENT_TYPES)).max(100),
  description: webhookDescription,
  enabled: z.boolean(),
}

const WebhookBody = z
  .object({
    tenantId: Id.optional(),
    agentId: Id.nullable().default(null),
    url: Fields.url,
    events: Fields.events.default([]),
    description: Fields.description.default(null),
    enabled: Fields.enabled.default(true),
  })
  .openapi('AgentWebhookRequest')

const WebhookChange = z
  .object({ tenantId: Id.optional(), ...z.object(Fields).partial().shape })
  .openapi('AgentWebhookChange')

const WebhookView = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    agentId: z.string().nullable(),
    url: z.string(),
    events: z.array(z.string()),
    description: z.string().nullable(),
    enabled: z.boolean(),
    disabledReason: z.string().nullable(),
    failingSince: z.string().nullable(),
    secretPrefix: z.string(),
    createdBy: z.string().openapi({ example: 'key:key_abc123' }),
    createdAt: z.string(),
    updatedAt: z.string(),
  })
  .openapi('AgentWebhook')

const WithSecret = WebhookView.extend({ secret: z.string() })

const DeliveryView = z.object({ ...deliveryFields, ...progressFields }).openapi('AgentWebhookDelivery')

const AttemptView = z.object(attemptFields).openapi('AgentWebhookAttempt')

const Params = z.object({ webhookId: Id })
const DeliveryParams = z.object({ webhookId: Id, deliveryId: Id })

const common = { tags: ['webhooks'], security: [{ bearer: [] }] }

export const webhooks = router()

webhooks.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/agent/webhooks',
    summary: 'Register a webhook',
    description:
      'Without `events` the webhook receives all events. Requests are signed by the Standard Webhooks scheme with `secret`, which is shown once.',
    request: body(WebhookBody),
    responses: { 200: json(WithSecret, 'The webhook, with its secret') },
  }),
  async (c) => {
    const { url, events, description, enabled, agentId } = c.req.valid('json')
    const created = await createWebhook(c.var.ctx, {
      ...{ url, eventTypes: events, description, isActive: enabled, agentId },
    })
    showsSecret(c)
    return c.json({ ...view(created), secret: created.secret }, 200)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/agent/webhooks',
    summary: 'List webhooks, newest first',
    request: { query: Page },
    responses: { 200: json(listOf(WebhookView)) },
  }),
  async (c) => {
    const { limit, cursor } = c.req.valid('query')
    const rows = await listWebhooks(c.var.ctx, { before: cursor, limit })
    return c.json(
      page(rows, limit, (row) => row.id, view),
      200,
    )
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/agent/webhooks/{webhookId}',
    summary: 'One webhook, with its last delivery',
    request: { params: Params },
    responses: { 200: json(WebhookView.extend({ lastDelivery: DeliveryView.nullable() })) },
  }),
  async (c) => {
    const { webhook, lastDelivery } = await getWebhook(c.var.ctx, c.req.valid('param').webhookId)
    return c.json({ ...view(webhook), lastDelivery: lastDelivery && deliveryView(lastDelivery) }, 200)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'patch',
    path: '/agent/webhooks/{webhookId}',
    summary: 'Change a webhook; enabling it clears its failures',
    request: { params: Params, ...body(WebhookChange) },
    responses: { 200: json(WebhookView) },
  }),
  async (c) => {
    const { url, events, description, enabled } = c.req.valid('json')
    const change = changeOf({ url, eventTypes: events, description, isActive: enabled })
    const changed = await updateWebhook(c.var.ctx, c.req.valid('param').webhookId, change)
    return c.json(view(changed), 200)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'delete',
    path: '/agent/webhooks/{webhookId}',
    summary: 'Delete a webhook and its deliveries',
    request: { params: Params },
    responses: { 200: json(z.object({ deleted: z.literal(true) })) },
  }),
  async (c) => {
    await deleteWebhook(c.var.ctx, c.req.valid('param').webhookId)
    return c.json({ deleted: true as const }, 200)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/agent/webhooks/{webhookId}/test',
    summary: 'Send a ping now and answer with its result',
    request: { params: Params },
    responses: {
      200: json(
        z.object({
          delivered: z.boolean(),
          statusCode: z.number().nullable(),
          error: z.string().nullable(),
        }),
      ),
    },
  }),
  async (c) => c.json(await testWebhook(c.var.ctx, c.req.valid('param').webhookId), 200),
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/agent/webhooks/{webhookId}/rotate-secret',
    summary: 'Rotate the signing secret',
    description: 'The new `secret` is shown once. For 24 hours requests are signed with the old secret, too.',
    request: { params: Params },
    responses: { 200: json(WithSecret, 'The webhook, with its new secret') },
  }),
  async (c) => {
    const rotated = await rotateSecret(c.var.ctx, c.req.valid('param').webhookId)
    showsSecret(c)
    return c.json({ ...view(rotated), secret: rotated.secret }, 200)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/agent/webhooks/{webhookId}/deliveries',
    summary: 'List the deliveries of a webhook, newest first',
    request: { params: Params, query: Page.extend({ state: z.enum(DELIVERY_STATES).optional() }) },
    responses: { 200: json(listOf(DeliveryView)) },
  }),
  async (c) => {
    const { limit, cursor, state } = c.req.valid('query')
    const { webhookId } = c.req.valid('param')
    const rows = await listDeliveries(c.var.ctx, webhookId, { state, before: cursor, limit })
    return c.json(
      page(rows, limit, (row) => row.id, deliveryView),
      200,
    )
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/agent/webhooks/{webhookId}/deliveries/{deliveryId}',
    summary: 'One delivery with its attempts',
    description: 'Only the beginning of each request and response is kept.',
    request: { params: DeliveryParams },
    responses: { 200: json(DeliveryView.extend({ attemptLog: z.array(AttemptView) })) },
  }),
  async (c) => {
    const { webhookId, deliveryId } = c.req.valid('param')
    const { delivery, attempts } = await getDelivery(c.var.ctx, webhookId, deliveryId)
    return c.json({ ...deliveryView(delivery), attemptLog: attempts.map(attemptOf) }, 200)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/agent/webhooks/{webhookId}/deliveries/{deliveryId}/replay',
    summary: 'Send an event to a webhook again, with the same event id',
    request: { params: DeliveryParams },
    responses: { 200: json(DeliveryView) },
  }),
  async (c) => {
    const { webhookId, deliveryId } = c.req.valid('param')
    return c.json(deliveryView(await replayDelivery(c.var.ctx, webhookId, deliveryId)), 200)
  },
)

webhooks.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/agent/webhooks/{webhookId}/replay',
    summary: 'Send all dead deliveries again that were created since a time',
    request: {
      params: Params,
      ...body(z.object({ tenantId: Id.optional(), since: Stamp, state: z.literal('dead').default('dead') })),
    },
    responses: { 200: json(z.object({ replayed: z.number() })) },
  }),
  async (c) => {
    const { webhookId } = c.req.valid('param')
    return c.json({ replayed: await replayDead(c.var.ctx, webhookId, c.req.valid('json').since) }, 200)
  },
)

function view(row: Webhook): z.infer<typeof WebhookView> {
  return {
    id: row.id,
    tenantId: row.tenantId,
    agentId: row.agentId,
    url: row.url,
    events: row.eventTypes,
    description: row.description,
    enabled: row.isActive,
    disabledReason: row.disabledReason,
    failingSince: row.failingSince?.toISOString() ?? null,
    secretPrefix: row.secret.slice(0, PREFIX),
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  }
}

const deliveryView = (row: Delivery) => ({ ...deliveryOf(row), ...progressOf(row) })
