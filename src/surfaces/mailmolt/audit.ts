import { auditKey } from '../../core/governance/audit/key.ts'
import { listEntries, logLines, logTable } from '../../core/governance/audit/log.ts'
import { createRoute, fileOf, json, router, z } from '../http.ts'
import { Cursor, cursorText, ERRORS, stamp } from './words.ts'

const EntryView = z.object({
  id: z.string(),
  at: z.string(),
  actor: z.string().openapi({ example: 'key:key_abc123' }),
  action: z.string().openapi({ example: 'suppression.created' }),
  target: z.string().nullable(),
  /** Null after erasure. */
  detail: z.record(z.string(), z.unknown()).nullable(),
  seq: z.number().int(),
  hash: z.string().nullable(),
})

const LogView = z
  .object({
    data: z.array(EntryView),
    total: z.number().int(),
    has_more: z.boolean(),
    next_cursor: z.string().nullable(),
    chain: z.object({
      head: z
        .object({
          seq: z.number().int(),
          hash: z.string(),
          at: z.string(),
          key_id: z.string().nullable(),
          signature: z.string().nullable(),
        })
        .nullable(),
      unlinked: z.number().int(),
    }),
  })
  .openapi('AuditLog')

const LogQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(50),
  cursor: Cursor.optional(),
  format: z.enum(['json', 'csv', 'ndjson']).default('json'),
})

const DESCRIPTION = `Newest first. \`format=ndjson\` exports the whole log, oldest first, with its hash chain and signed head, as \
\`molted audit verify\` needs it. \`format=csv\` exports the same as a table. \`chain.unlinked\` counts the newest entries, \
which are not in the hash chain yet.`

/** Public, so that an auditor can verify a log without an account. */
export const auditKeys = router()

auditKeys.openapi(
  createRoute({
    method: 'get',
    path: '/compliance/audit-key',
    tags: ['compliance'],
    summary: 'The public key that verifies the signed heads of audit logs',
    responses: {
      200: json(
        z.object({
          algorithm: z.literal('Ed25519'),
          key_id: z.string(),
          public_key: z.string(),
          pem: z.string(),
        }),
      ),
      ...ERRORS,
    },
  }),
  async (c) => {
    const { keyId, publicKey, pem } = await auditKey(c.env)
    const answer = { algorithm: 'Ed25519' as const, key_id: keyId, public_key: publicKey, pem }
    return c.json(answer, 200, { 'cache-control': 'public, max-age=300' })
  },
)

export const audit = router()

audit.openapi(
  createRoute({
    method: 'get',
    path: '/compliance/audit-log',
    tags: ['compliance'],
    security: [{ bearer: [] }],
    summary: 'Audit log of governance events',
    description: DESCRIPTION,
    request: { query: LogQuery },
    responses: {
      200: {
        ...json(LogView),
        content: { 'application/json': { schema: LogView }, 'application/x-ndjson': {}, 'text/csv': {} },
      },
      ...ERRORS,
    },
  }),
  async (c) => {
    const { limit, cursor, format } = c.req.valid('query')
    if (format === 'csv')
      return await fileOf(c, logTable(c.var.ctx), 'text/csv; charset=utf-8', 'audit-log.csv')
    if (format === 'ndjson')
      return await fileOf(c, logLines(c.var.ctx), 'application/x-ndjson', 'audit-log.ndjson')
    const { entries, hasMore, total, head, unlinked } = await listEntries(c.var.ctx, {
      before: cursor?.at ?? null,
      limit,
    })
    const last = entries.at(-1)
    const data = entries.map(({ id, at, actor, action, target, detail, seq, hash }) => ({
      ...{ id, at: stamp(at), actor, action, target },
      detail: detail === null ? null : (JSON.parse(detail) as Record<string, unknown>),
      seq,
      hash,
    }))
    const signed = head && {
      ...{ seq: head.seq, hash: head.hash, at: head.at.toISOString() },
      ...{ key_id: head.keyId, signature: head.signature },
    }
    const next_cursor = hasMore && last ? cursorText({ at: last.seq, id: last.id }) : null
    return c.json({ data, total, has_more: hasMore, next_cursor, chain: { head: signed, unlinked } }, 200)
  },
)
