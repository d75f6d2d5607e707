import { listEvents } from '../../core/publishing/history.ts'
import { EVENT_TYPES } from '../../core/publishing/webhooks/webhooks.ts'
import { createRoute, json, router, z } from '../http.ts'
import { Id, listOf, Page, Stamp } from './words.ts'

const EventView = z
  .object({
    id: z.string(),
    type: z.enum(EVENT_TYPES),
    created_at: z.string(),
    tenant_id: z.string(),
    agent_id: z.string().nullable(),
    mailbox_id: z.string().nullable(),
    data: z.record(z.string(), z.unknown()),
  })
  .openapi('Event')

const types = z
  .string()
  .transform((text) => text.split(','))
  .pipe(z.array(z.enum(EVENT_TYPES)).max(100))
  .openapi({ type: 'string', example: 'message.received,message.bounced' })

export const events = router()

events.openapi(
  createRoute({
    method: 'get',
    path: '/agent/events',
    tags: ['events'],
    summary: 'What happened in the last 30 days, newest first',
    description:
      'The same payloads that webhooks receive. `type` may name several event types, separated by commas.',
    security: [{ bearer: [] }],
    request: {
      query: Page.extend({
        type: types.optional(),
        mailboxId: Id.optional(),
        agentId: Id.optional(),
        since: Stamp.optional(),
      }),
    },
    responses: { 200: json(listOf(EventView)) },
  }),
  async (c) => {
    const { limit, cursor, type, mailboxId, agentId, since } = c.req.valid('query')
    const filter = { types: type, mailboxId, agentId, since, before: cursor, limit }
    const { items, hasMore } = await listEvents(c.var.ctx, filter)
    return c.json({ items, nextCursor: hasMore ? (items.at(-1)?.id ?? null) : null }, 200)
  },
)
