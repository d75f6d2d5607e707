import type { Template, TemplateVersion } from '../../core/letters/templates/find.ts'
import { decideVersion, publishVersion } from '../../core/letters/templates/publish.ts'
import {
  addVersion,
  createTemplate,
  deleteTemplate,
  getTemplate,
  lintVersion,
  listTemplates,
  previewTemplate,
  type TemplateContent,
} from '../../core/letters/templates/templates.ts'
import { body, createRoute, json, optionalBody, router, z } from '../http.ts'
import {
  Finding,
  Ref,
  TemplateBody,
  TemplateView,
  VersionBody,
  VersionNumber,
  VersionView,
  WholeTemplate,
} from './template-schemas.ts'
import { Id, listOf, Page, page } from './words.ts'

export const templates = router()

templates.openapi(
  createRoute({
    method: 'post',
    path: '/templates',
    tags: ['templates'],
    summary: 'Create a template',
    description:
      'With content the first version is written, too, and published if autoPublish is set. If the lint finds errors, the answer is 400 template_lint_failed and nothing is created.',
    security: [{ bearer: [] }],
    request: body(TemplateBody, { slug: 'trial-ending', name: 'Trial ending', type: 'transactional' }),
    responses: { 200: json(WholeTemplate) },
  }),
  async (c) => {
    const { slug, name, type, approvalRequired, content = null, autoPublish: publish } = c.req.valid('json')
    const request = { slug, name, type, approvalRequired, content, publish }
    const { template, versions } = await createTemplate(c.var.ctx, request)
    return c.json({ ...view(template), versions: versions.map(versionView) }, 200)
  },
)

templates.openapi(
  createRoute({
    method: 'get',
    path: '/templates',
    tags: ['templates'],
    summary: 'List templates, newest first',
    security: [{ bearer: [] }],
    request: { query: Page },
    responses: { 200: json(listOf(TemplateView)) },
  }),
  async (c) => {
    const { limit, cursor } = c.req.valid('query')
    const rows = await listTemplates(c.var.ctx, { before: cursor, limit })
    return c.json(
      page(rows, limit, (template) => template.id, view),
      200,
    )
  },
)

templates.openapi(
  createRoute({
    method: 'get',
    path: '/templates/{idOrSlug}',
    tags: ['templates'],
    summary: 'Read a template with its versions',
    security: [{ bearer: [] }],
    request: { params: Ref },
    responses: { 200: json(WholeTemplate) },
  }),
  async (c) => {
    const { template, versions } = await getTemplate(c.var.ctx, c.req.valid('param').idOrSlug)
    return c.json({ ...view(template), versions: versions.map(versionView) }, 200)
  },
)

templates.openapi(
  createRoute({
    method: 'delete',
    path: '/templates/{idOrSlug}',
    tags: ['templates'],
    summary: 'Delete a template',
    description:
      'New sends of this template are blocked as template_not_found. Sends that passed policy before still leave.',
    security: [{ bearer: [] }],
    request: { params: Ref },
    responses: { 200: json(TemplateView.extend({ deleted: z.literal(true) })) },
  }),
  async (c) => {
    const deleted = await deleteTemplate(c.var.ctx, c.req.valid('param').idOrSlug)
    return c.json({ ...view(deleted), deleted: true as const }, 200)
  },
)

templates.openapi(
  createRoute({
    method: 'post',
    path: '/templates/{idOrSlug}/versions',
    tags: ['templates'],
    summary: 'Add a version as a draft',
    description: 'The content of a version never changes.',
    security: [{ bearer: [] }],
    request: {
      params: Ref,
      ...body(VersionBody, {
        subjectTemplate: 'Welcome, {{ firstName }}',
        textTemplate: 'Hello {{ firstName }}',
      }),
    },
    responses: { 200: json(VersionView) },
  }),
  async (c) => {
    const { subjectTemplate, htmlTemplate, textTemplate, variables } = c.req.valid('json')
    const content: TemplateContent = {
      subject: subjectTemplate,
      html: htmlTemplate,
      text: textTemplate,
      variables,
    }
    return c.json(versionView(await addVersion(c.var.ctx, c.req.valid('param').idOrSlug, content)), 200)
  },
)

templates.openapi(
  createRoute({
    method: 'post',
    path: '/templates/{idOrSlug}/versions/{version}/publish',
    tags: ['templates'],
    summary: 'Publish a version in place of the current one',
    description:
      'If the lint finds errors, the answer is 400 template_lint_failed with the findings. If the template needs approval, the version becomes pending_approval. An archived version may be published again.',
    security: [{ bearer: [] }],
    request: { params: Ref.extend({ version: z.coerce.number().pipe(VersionNumber) }) },
    responses: { 200: json(VersionView) },
  }),
  async (c) => {
    const { idOrSlug, version } = c.req.valid('param')
    return c.json(versionView(await publishVersion(c.var.ctx, idOrSlug, version)), 200)
  },
)

templates.openapi(
  createRoute({
    method: 'patch',
    path: '/templates/approvals/{versionId}',
    tags: ['templates'],
    summary: 'Decide a version that waits for approval',
    description: 'versionId is the id of the version, `templateId:version`. Needs a key with "approve".',
    security: [{ bearer: [] }],
    request: {
      params: z.object({
        versionId: z.string().regex(/^[^:]{1,100}:[1-9][0-9]{0,8}$/, 'must be templateId:version'),
      }),
      ...body(z.object({ tenantId: Id.optional(), decision: z.enum(['approved', 'rejected']) })),
    },
    responses: { 200: json(VersionView) },
  }),
  async (c) => {
    const [templateId = '', version = ''] = c.req.valid('param').versionId.split(':')
    const isApproved = c.req.valid('json').decision === 'approved'
    return c.json(versionView(await decideVersion(c.var.ctx, templateId, Number(version), isApproved)), 200)
  },
)

templates.openapi(
  createRoute({
    method: 'post',
    path: '/templates/{idOrSlug}/render',
    tags: ['templates'],
    summary: 'Render a template without sending',
    description:
      'Renders the given version. Without one: the published version, or the newest if none is published.',
    security: [{ bearer: [] }],
    request: {
      params: Ref,
      ...body(
        z.object({
          tenantId: Id.optional(),
          payload: z
            .record(z.string(), z.unknown())
            .default({})
            .openapi({ example: { firstName: 'Alice' } }),
          version: VersionNumber.optional(),
        }),
      ),
    },
    responses: {
      200: json(z.object({ subject: z.string(), html: z.string().nullable(), text: z.string().nullable() })),
    },
  }),
  async (c) => {
    const { payload, version = null } = c.req.valid('json')
    const { idOrSlug } = c.req.valid('param')
    return c.json(await previewTemplate(c.var.ctx, idOrSlug, { payload, version }), 200)
  },
)

templates.openapi(
  createRoute({
    method: 'post',
    path: '/templates/{idOrSlug}/lint',
    tags: ['templates'],
    summary: 'Show what would prevent a version from being published',
    description: 'Checks the given version, or the newest. Errors prevent publishing; warnings do not.',
    security: [{ bearer: [] }],
    request: {
      params: Ref,
      ...optionalBody(z.object({ tenantId: Id.optional(), version: VersionNumber.optional() })),
    },
    responses: { 200: json(z.object({ errors: z.array(Finding), warnings: z.array(Finding) })) },
  }),
  async (c) => {
    const { version = null } = c.req.valid('json')
    return c.json(await lintVersion(c.var.ctx, c.req.valid('param').idOrSlug, version), 200)
  },
)

function view(template: Template): z.infer<typeof TemplateView> {
  const { id, tenantId, slug, name, type, approvalRequired, publishedVersion, createdAt, updatedAt } =
    template
  return {
    id,
    tenantId,
    slug,
    name,
    type,
    approvalRequired,
    publishedVersion,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  }
}

function versionView(row: TemplateVersion): z.infer<typeof VersionView> {
  const { templateId, version, status, subject, html, text, variables, createdAt, publishedAt } = row
  return {
    id: `${templateId}:${version}`,
    templateId,
    version,
    status,
    subjectTemplate: subject,
    htmlTemplate: html,
    textTemplate: text,
    variables,
    createdAt: createdAt.toISOString(),
    publishedAt: publishedAt?.toISOString() ?? null,
  }
}
