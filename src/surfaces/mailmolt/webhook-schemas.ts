import { DELIVERY_STATES } from '../../core/publishing/webhooks/deliveries.ts'
import { EVENT_TYPES } from '../../core/publishing/webhooks/webhooks.ts'
import { z } from '../http.ts'
import {
  attemptFields,
  deliveryFields,
  progressFields,
  snakeCase,
  webhookDescription,
  webhookUrl,
} from '../webhooks.ts'

// What the routes of webhooks take and answer.

const Fields = {
  url: webhookUrl,
  event_types: z.array(z.enum(EVENT_TYPES)).min(1).max(100),
  is_active: z.boolean(),
  description: webhookDescription,
}

export const WebhookBody = z
  .object({
    url: Fields.url,
    event_types: Fields.event_types,
    is_active: Fields.is_active.default(true),
    description: Fields.description.default(null),
  })
  .openapi('WebhookRequest')

export const WebhookChange = z.object(Fields).partial().openapi('WebhookChange')

export const WebhookView = z
  .object({
    id: z.string(),
    agent_id: z.string().nullable(),
    url: z.string(),
    event_types: z.array(z.string()),
    description: z.string().nullable(),
    is_active: z.boolean(),
    disabled_reason: z.string().nullable(),
    failing_since: z.string().nullable(),
    created_by: z.string().openapi({ example: 'key:key_abc123' }),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .openapi('Webhook')

export const DeliveryView = z
  .object({ ...snakeCase(deliveryFields), ok: z.boolean(), ...snakeCase(progressFields) })
  .openapi('WebhookDelivery')

export const AttemptView = z.object(snakeCase(attemptFields)).openapi('WebhookAttempt')

export const listOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ data: z.array(item), has_more: z.boolean(), next_cursor: z.string().nullable() })

const Id = z.string().min(1).max(100)
export const Params = z.object({ id: Id })
export const DeliveryParams = z.object({ id: Id, deliveryId: Id })

export const DeliveriesQuery = z.object({
  state: z.enum(DELIVERY_STATES).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: Id.optional(),
})

export const ReplayBody = z.object({
  since: z.iso.datetime({ offset: true }).openapi({ format: 'date-time', example: '2026-04-17T14:32:00Z' }),
  state: z.literal('dead').default('dead'),
})
