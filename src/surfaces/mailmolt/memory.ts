import { readMoment } from '../../core/ground/cursor.ts'
import { Fault } from '../../core/ground/fault.ts'
import {
  deleteMemory,
  KEY_AT_MOST,
  KIND_AT_MOST,
  keepMemory,
  listMemories,
  type Memory,
  readMemory,
  searchMemories,
  VALUE_AT_MOST,
} from '../../core/mail/memory.ts'
import { body, createRoute, type HttpContext, json, publishedBody, router, z } from '../http.ts'
import { How, Q } from './search.ts'
import { A_MOMENT } from './words.ts'

/** A text with a limit on its Unicode code points. */
const text = (atMost: number, atLeast = 0) =>
  z
    .string()
    .refine((value) => [...value].length >= atLeast, `must be at least ${atLeast} characters`)
    .refine((value) => [...value].length <= atMost, `must be at most ${atMost} characters`)
    .transform((value) => value.toWellFormed())

const MemoryBody = z
  .object({
    key: text(KEY_AT_MOST, 1).optional(),
    value: text(VALUE_AT_MOST),
    kind: text(KIND_AT_MOST).optional(),
    importance: z.number().int().min(0).max(100).optional(),
    expires_at: z
      .string()
      .refine((moment) => readMoment(moment) !== null, A_MOMENT)
      .nullish(),
  })
  .openapi('MemoryEntry')

const KeyView = z.object({
  key: z.string(),
  kind: z.string().nullable(),
  importance: z.number().int(),
  expires_at: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
})
const MemoryView = KeyView.extend({ value: z.string() }).openapi('Memory')
const KeysView = z
  .object({
    data: z.array(KeyView),
    total: z.number().int(),
    has_more: z.boolean(),
    next_cursor: z.string().nullable(),
  })
  .openapi('MemoryKeys')
const MemorySearchView = z
  .object({
    query: z.string(),
    ...How,
    data: z.array(MemoryView.extend({ score: z.number() })),
    total: z.number().int(),
  })
  .openapi('MemorySearch')

const common = { tags: ['memory'], security: [{ bearer: [] }] }
const Key = z.object({ key: z.string() })

export const memory = router()

memory.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/agents/me/memory',
    summary: 'List memory keys',
    request: {
      query: z.object({
        limit: z.coerce.number().int().min(1).max(1000).default(100),
        cursor: z.string().max(1024).optional(),
      }),
    },
    responses: { 200: json(KeysView) },
  }),
  async (c) => {
    const { limit, cursor } = c.req.valid('query')
    const page = { limit, after: cursor ?? null }
    const { memories, total, hasMore } = await listMemories(c.var.ctx, me(c), page)
    const next = hasMore ? (memories.at(-1)?.key ?? null) : null
    return c.json({ data: memories.map(keyView), total, has_more: hasMore, next_cursor: next }, 200)
  },
)

memory.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/agents/me/memory/search',
    summary: 'Vector + keyword search across memory',
    request: body(
      z.object({
        q: Q,
        kind: z.string().max(1024).optional(),
        limit: z
          .number()
          .int()
          .min(1)
          .default(10)
          .transform((limit) => Math.min(limit, 100)),
      }),
    ),
    responses: { 200: json(MemorySearchView) },
  }),
  async (c) => {
    const { q, kind, limit } = c.req.valid('json')
    const asked = { q, kind: kind ?? null, limit }
    const { found, total, ...how } = await searchMemories(c.var.ctx, me(c), asked)
    const data = found.map((each) => ({ ...view(each), score: each.score }))
    return c.json({ query: q, mode: 'hybrid' as const, ...how, data, total }, 200)
  },
)

memory.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/agents/me/memory/{key}',
    summary: 'Fetch a memory value',
    request: { params: Key },
    responses: { 200: json(MemoryView) },
  }),
  async (c) => c.json(view(await readMemory(c.var.ctx, me(c), pathKey(c))), 200),
)

memory.openapi(
  createRoute({
    ...common,
    method: 'put',
    path: '/agents/me/memory/{key}',
    summary: 'Store a memory value (idempotent on key)',
    description: 'The key in the path names the entry; a key in the body is ignored.',
    request: { params: Key, ...publishedBody(MemoryBody) },
    responses: { 200: json(MemoryView) },
  }),
  async (c) => {
    const { value, kind, importance, expires_at } = c.req.valid('json')
    const kept = await keepMemory(c.var.ctx, me(c), {
      key: pathKey(c),
      value,
      kind: kind ?? null,
      importance: importance ?? 0,
      expiresAt: expires_at == null ? null : new Date((readMoment(expires_at) ?? 0) / 1000),
    })
    return c.json(view(kept), 200)
  },
)

memory.openapi(
  createRoute({
    ...common,
    method: 'delete',
    path: '/agents/me/memory/{key}',
    summary: 'Delete a memory value',
    request: { params: Key },
    responses: { 204: { description: 'Deleted' } },
  }),
  async (c) => {
    await deleteMemory(c.var.ctx, me(c), pathKey(c))
    return c.body(null, 204)
  },
)

function me(c: HttpContext): string | null {
  return c.req.header('x-agent-id') || null
}

/** The key at the end of the path, percent-decoded once. The router's own parameter is decoded by other rules. */
function pathKey(c: HttpContext): string {
  const last = new URL(c.req.url).pathname.split('/').at(-1) ?? ''
  const parsed = text(KEY_AT_MOST, 1).safeParse(decoded(last))
  if (parsed.success) return parsed.data
  throw new Fault('invalid', `key: must be 1 to ${KEY_AT_MOST} characters, percent-encoded UTF-8`, {
    field: 'key',
  })
}

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part)
  } catch {
    return null
  }
}

function keyView(memory: Omit<Memory, 'value'>): z.infer<typeof KeyView> {
  return {
    key: memory.key,
    kind: memory.kind,
    importance: memory.importance,
    expires_at: memory.expiresAt?.toISOString() ?? null,
    created_at: memory.createdAt.toISOString(),
    updated_at: memory.updatedAt.toISOString(),
  }
}

function view(memory: Memory): z.infer<typeof MemoryView> {
  return { ...keyView(memory), value: memory.value }
}
