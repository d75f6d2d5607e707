import { logLines } from '../../core/governance/audit/log.ts'
import {
  type Archive,
  downloadLink,
  getArchive,
  listArchives,
  openArchive,
  requestArchive,
} from '../../core/governance/compliance/exports.ts'
import { findErasure, readerOf, requestErasure } from '../../core/governance/compliance/request.ts'
import { RESIDUE } from '../../core/governance/compliance/tables.ts'
import { settings } from '../../env.ts'
import {
  body,
  createRoute,
  fileOf,
  type HttpContext,
  json,
  presentedKey,
  router,
  showsSecret,
  z,
} from '../http.ts'
import { Cursor, cursorText, ERRORS, jsonIfAny, stamp } from './words.ts'

const tags = ['compliance']
const security = [{ bearer: [] }]

const Residue = z.array(z.object({ what: z.string(), why: z.string() }))

const ExportView = z
  .object({
    export_id: z.string(),
    status: z.enum(['queued', 'running', 'ready', 'failed', 'expired']),
    progress: z.object({ files: z.number().int(), bytes: z.number().int() }),
    created_at: z.string(),
    completed_at: z.string().nullable(),
    expires_at: z.string().nullable(),
    /** Needs no key and is valid for an hour. Reading the export gives a new link. */
    download_url: z.string().nullable(),
    download_expires_at: z.string().nullable(),
  })
  .openapi('Export')

const ErasureView = z
  .object({
    request_id: z.string(),
    status: z.enum(['queued', 'erasing', 'completed']),
    progress: z.object({ rows: z.number().int(), objects: z.number().int() }),
    requested_at: z.string(),
    completed_at: z.string().nullable(),
    residue: Residue,
  })
  .openapi('Deletion')

/** Opened by a sealed link or a status token instead of a key: all keys of a deleted tenant are revoked. */
export const complianceLinks = router()

complianceLinks.openapi(
  createRoute({
    method: 'get',
    path: '/compliance/archives/{token}',
    tags,
    summary: 'Download an export by its link',
    request: { params: z.object({ token: z.string().max(300) }) },
    responses: { 200: { description: 'A ZIP archive', content: { 'application/zip': {} } }, ...ERRORS },
  }),
  async (c) => {
    const { id, object } = await openArchive(c.env, c.get('now'), c.req.valid('param').token)
    return c.body(object.body, 200, {
      'content-type': 'application/zip',
      'content-length': String(object.size),
      'content-disposition': `attachment; filename="${id}.zip"`,
      'cache-control': 'private, no-store',
    })
  },
)

const ByToken = {
  params: z.object({ id: z.string() }),
  headers: z.object({ authorization: z.string().optional() }),
}

complianceLinks.openapi(
  createRoute({
    method: 'get',
    path: '/compliance/delete/{id}',
    tags,
    summary: 'The progress of a deletion',
    description:
      'Authorize with `Authorization: Bearer` and the status_token from the answer to the deletion request.',
    request: ByToken,
    responses: { 200: json(ErasureView), ...ERRORS },
  }),
  async (c) => {
    const erasure = await findErasure(c.env, c.req.valid('param').id, presentedKey(c))
    const { id, startedAt, completedAt, rowsErased, objectsErased } = erasure
    const status = completedAt ? 'completed' : rowsErased + objectsErased > 0 ? 'erasing' : 'queued'
    return c.json(
      {
        request_id: id ?? '',
        status: status as 'completed' | 'erasing' | 'queued',
        progress: { rows: rowsErased, objects: objectsErased },
        requested_at: stamp(startedAt),
        completed_at: completedAt && stamp(completedAt),
        residue: [...RESIDUE],
      },
      200,
    )
  },
)

complianceLinks.openapi(
  createRoute({
    method: 'get',
    path: '/compliance/delete/{id}/audit-log',
    tags,
    summary: 'The rest of the audit log after a deletion, as lines of JSON with their chain and signed head',
    description:
      'Authorize with `Authorization: Bearer` and the status_token from the answer to the deletion request.',
    request: ByToken,
    responses: { 200: { description: 'Lines of JSON' }, ...ERRORS },
  }),
  async (c) => {
    const erasure = await findErasure(c.env, c.req.valid('param').id, presentedKey(c))
    return await fileOf(
      c,
      logLines(readerOf(c.env, c.get('now'), erasure)),
      'application/x-ndjson',
      'audit-log.ndjson',
    )
  },
)

export const compliance = router()

compliance.openapi(
  createRoute({
    method: 'post',
    path: '/compliance/export',
    middleware: jsonIfAny,
    tags,
    security,
    summary: 'Request a DSAR export',
    description:
      'All tables as lines of JSON and all mail as .eml, in one ZIP archive that is kept for seven days.',
    responses: { 202: json(ExportView, 'Queued'), ...ERRORS },
  }),
  async (c) => c.json(viewOf(c, await requestArchive(c.var.ctx)), 202),
)

compliance.openapi(
  createRoute({
    method: 'get',
    path: '/compliance/export',
    tags,
    security,
    summary: 'List exports, newest first',
    request: {
      query: z.object({
        limit: z.coerce.number().int().min(1).max(100).default(20),
        cursor: Cursor.optional(),
      }),
    },
    responses: {
      200: json(
        z.object({ data: z.array(ExportView), has_more: z.boolean(), next_cursor: z.string().nullable() }),
      ),
      ...ERRORS,
    },
  }),
  async (c) => {
    const { limit, cursor } = c.req.valid('query')
    const found = await listArchives(c.var.ctx, { before: cursor?.id ?? null, limit: limit + 1 })
    const shown = found.slice(0, limit)
    const last = shown.at(-1)
    const hasMore = found.length > limit && last !== undefined
    const next_cursor = hasMore ? cursorText({ at: 0, id: last.id }) : null
    return c.json({ data: shown.map((each) => viewOf(c, each)), has_more: hasMore, next_cursor }, 200)
  },
)

compliance.openapi(
  createRoute({
    method: 'get',
    path: '/compliance/export/{id}',
    tags,
    security,
    summary: 'The progress of an export, and its download link',
    request: { params: z.object({ id: z.string() }) },
    responses: { 200: json(ExportView), ...ERRORS },
  }),
  async (c) => c.json(viewOf(c, await getArchive(c.var.ctx, c.req.valid('param').id)), 200),
)

compliance.openapi(
  createRoute({
    method: 'post',
    path: '/compliance/delete',
    tags,
    security,
    summary: 'Delete owner + all agents + all mail',
    description:
      'All keys are revoked at once; a job erases everything else. `status_token` is shown once and gives access to the status.',
    request: body(z.object({ confirm: z.literal('DELETE') })),
    responses: {
      202: json(
        z.object({
          request_id: z.string(),
          status: z.literal('queued'),
          status_url: z.string(),
          status_token: z.string(),
          residue: Residue,
        }),
        'Queued',
      ),
      ...ERRORS,
    },
  }),
  async (c) => {
    const { id, token } = await requestErasure(c.var.ctx)
    showsSecret(c)
    return c.json(
      {
        request_id: id,
        status: 'queued' as const,
        status_url: `${settings(c.env).publicUrl}/v1/compliance/delete/${id}`,
        status_token: token,
        residue: [...RESIDUE],
      },
      202,
    )
  },
)

function viewOf(c: HttpContext, archive: Archive): z.infer<typeof ExportView> {
  const { id, state, files, size, createdAt, completedAt, expiresAt } = archive
  const link = downloadLink(c.env, c.get('now'), archive)
  return {
    export_id: id,
    status: state,
    progress: { files, bytes: size },
    created_at: stamp(createdAt),
    completed_at: completedAt && stamp(completedAt),
    expires_at: expiresAt && stamp(expiresAt),
    download_url: link?.url ?? null,
    download_expires_at: link && stamp(link.expiresAt),
  }
}
