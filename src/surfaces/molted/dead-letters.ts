import {
  type DeadLetter,
  getDeadLetter,
  listDeadLetters,
  replayDeadLetter,
} from '../../core/delivery/dead-letters.ts'
import { createRoute, json, router, z } from '../http.ts'
import { Id, listOf, Page, page } from './words.ts'

const DeadLetterView = z
  .object({
    id: z.string(),
    queue: z.string(),
    requestId: z.string(),
    reason: z.string(),
    createdAt: z.string(),
    replayedAt: z.string().nullable(),
  })
  .openapi('DeadLetter')

const Params = z.object({ deadLetterId: Id })

export const deadLetters = router()

deadLetters.openapi(
  createRoute({
    method: 'get',
    path: '/agent/dead-letters',
    tags: ['dead letters'],
    summary: 'List work that stopped making progress, newest first',
    security: [{ bearer: [] }],
    request: { query: Page.extend({ open: z.enum(['true', 'false']).default('true') }) },
    responses: { 200: json(listOf(DeadLetterView)) },
  }),
  async (c) => {
    const { limit, cursor, open } = c.req.valid('query')
    const rows = await listDeadLetters(c.var.ctx, { before: cursor, limit, isOpen: open === 'true' })
    return c.json(
      page(rows, limit, (row) => row.id, view),
      200,
    )
  },
)

deadLetters.openapi(
  createRoute({
    method: 'get',
    path: '/agent/dead-letters/{deadLetterId}',
    tags: ['dead letters'],
    summary: 'One dead letter',
    security: [{ bearer: [] }],
    request: { params: Params },
    responses: { 200: json(DeadLetterView) },
  }),
  async (c) => c.json(view(await getDeadLetter(c.var.ctx, c.req.valid('param').deadLetterId)), 200),
)

deadLetters.openapi(
  createRoute({
    method: 'post',
    path: '/agent/dead-letters/{deadLetterId}/replay',
    tags: ['dead letters'],
    summary: 'Put the send of a dead letter back to work where it stopped',
    security: [{ bearer: [] }],
    request: { params: Params },
    responses: { 200: json(DeadLetterView) },
  }),
  async (c) => c.json(view(await replayDeadLetter(c.var.ctx, c.req.valid('param').deadLetterId)), 200),
)

function view(row: DeadLetter): z.infer<typeof DeadLetterView> {
  return {
    id: row.id,
    queue: row.queue,
    requestId: row.refId,
    reason: row.reason,
    createdAt: row.createdAt.toISOString(),
    replayedAt: row.replayedAt?.toISOString() ?? null,
  }
}
