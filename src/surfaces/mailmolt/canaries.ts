import { type CanaryRecord, createCanary, deleteCanary, listCanaries } from '../../core/accounts/canaries.ts'
import { createRoute, json, optionalBody, router, showsSecret, z } from '../http.ts'
import { ErrorView } from './refusals.ts'
import { ERRORS, jsonIfAny, stamp } from './words.ts'

const CanaryBody = z
  .object({
    label: z.string().min(1).max(200).nullable().optional(),
    value: z.string().min(1).max(1_000).optional().openapi({
      description:
        'The text that must never leave, with 12 to 256 letters and digits and any other characters. A random one by default.',
    }),
  })
  .openapi('CanaryRequest')

const CanaryView = z
  .object({
    id: z.string(),
    label: z.string().nullable(),
    trips: z.int().openapi({ description: 'Messages that contained it and were refused.' }),
    last_tripped_at: z.string().nullable(),
    created_at: z.string(),
  })
  .openapi('Canary')

const Page = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(50),
  cursor: z.string().max(100).optional(),
})

const common = { tags: ['oversight'], security: [{ bearer: [] }] }

export const canaries = router()

canaries.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/oversight/canaries',
    summary: 'List canary tokens, without their texts',
    request: { query: Page },
    responses: {
      200: json(
        z.object({ data: z.array(CanaryView), has_more: z.boolean(), next_cursor: z.string().nullable() }),
      ),
      ...ERRORS,
    },
  }),
  async (c) => {
    const { limit, cursor } = c.req.valid('query')
    const rows = await listCanaries(c.var.ctx, { before: cursor || undefined, limit: limit + 1 })
    const data = rows.slice(0, limit)
    const has_more = rows.length > limit
    return c.json(
      { data: data.map(view), has_more, next_cursor: has_more ? (data.at(-1)?.id ?? null) : null },
      200,
    )
  },
)

canaries.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/oversight/canaries',
    summary: 'Plant a canary token',
    description: `A text to plant where nobody should read it. A message that contains it is refused on every surface as
\`canary_violation\`, in any case and with any characters between its letters. \`value\` is shown once: only its hash is stored.`,
    middleware: jsonIfAny,
    request: optionalBody(CanaryBody),
    responses: {
      201: json(CanaryView.extend({ value: z.string() }), 'Created'),
      409: json(ErrorView, 'There are 100, or it is one already'),
      422: json(ErrorView, 'The body does not fit'),
      ...ERRORS,
    },
  }),
  async (c) => {
    const { label, value: given }: z.infer<typeof CanaryBody> = c.req.valid('json') ?? {}
    const { canary, value } = await createCanary(c.var.ctx, { label: label ?? null, value: given ?? null })
    showsSecret(c)
    return c.json({ ...view(canary), value }, 201)
  },
)

canaries.openapi(
  createRoute({
    ...common,
    method: 'delete',
    path: '/oversight/canaries/{id}',
    summary: 'Remove a canary token',
    description: 'Needs a person, or a key with "loosen".',
    request: { params: z.object({ id: z.string().min(1).max(100) }) },
    responses: { 204: { description: 'Deleted' }, 404: json(ErrorView, 'Not found'), ...ERRORS },
  }),
  async (c) => {
    await deleteCanary(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  },
)

function view({ id, label, trips, trippedAt, createdAt }: CanaryRecord): z.infer<typeof CanaryView> {
  return {
    ...{ id, label, trips },
    last_tripped_at: trippedAt === null ? null : stamp(trippedAt),
    created_at: stamp(createdAt),
  }
}
