import { and, desc, eq, inArray, lt, lte, ne, or, sql } from 'drizzle-orm'
import { type TemplateVariable, templates, templateVersions } from '../../schema/letters.ts'
import { type Ctx, mustBeAllowed, one } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId } from '../ground/ids.ts'
import { audited } from '../journal/audit.ts'
import { type Finding, lintTemplate } from './lint.ts'
import { previewContent } from './preview.ts'
import type { Payload } from './rendering.ts'

export type Template = typeof templates.$inferSelect
export type TemplateVersion = typeof templateVersions.$inferSelect
export type Findings = { errors: Finding[]; warnings: Finding[] }

export type TemplateContent = {
  subject: string
  html: string | null
  text: string | null
  variables: TemplateVariable[]
}

export type TemplateRequest = Pick<Template, 'slug' | 'name' | 'type' | 'approvalRequired'> & {
  /** The first version, or null. */
  content: TemplateContent | null
  publish: boolean
}

/** Versions shown with a template, newest first. */
const SHOWN = 20

/** A slug begins with a letter or digit, so it differs from inline content, and not with the prefix of our ids. */
const SLUG = /^(?!tpl_)[a-z0-9][a-z0-9_-]{0,99}$/

/**
 * Creates a template, with its first version if content is given. To be published at once, the content must pass the
 * lint; if it does not, nothing is created. If the template needs approval, the version waits for it.
 */
export async function createTemplate(
  ctx: Ctx,
  request: TemplateRequest,
): Promise<{ template: Template; versions: TemplateVersion[] }> {
  mustBeAllowed(ctx, 'manage')
  const { slug, name, type, approvalRequired, content, publish } = request
  if (!SLUG.test(slug)) {
    const message =
      'slug must be 1 to 100 of a-z, 0-9, "-" and "_", begin with a letter or digit, and not with "tpl_".'
    throw new Fault('invalid', message, { field: 'slug' })
  }
  if (publish && content === null) {
    throw new Fault('invalid', 'autoPublish needs content to publish.', { field: 'content' })
  }
  if (publish && content) mustPassLint({ ...content, type })
  const isLive = publish && !approvalRequired
  const id = newId('tpl', ctx.now)
  const common = { tenantId: ctx.tenantId, createdAt: ctx.now }
  const [created] = await ctx.db.batch([
    ctx.db
      .insert(templates)
      .values({
        ...common,
        id,
        slug,
        name,
        type,
        approvalRequired,
        publishedVersion: isLive ? 1 : null,
        updatedAt: ctx.now,
      })
      .onConflictDoNothing()
      .returning(),
    ...audited(ctx, [
      { action: 'template.created', target: id, detail: { slug, name, type, approvalRequired } },
      ...(isLive ? [{ action: 'template.published', target: id, detail: { version: 1 } } as const] : []),
    ]),
    ...(content
      ? [insertVersion(ctx, id, content, isLive ? 'published' : publish ? 'pending_approval' : 'draft')]
      : []),
  ])
  const [template] = created
  if (!template) throw new Fault('conflict', `There is a template "${slug}" already.`, { field: 'slug' })
  return { template, versions: await versionsOf(ctx, id) }
}

/** The templates of the tenant, newest first. `before` is the last id of the page before. */
export async function listTemplates(
  ctx: Ctx,
  page: { before?: string | undefined; limit: number },
): Promise<Template[]> {
  mustBeAllowed(ctx, 'read')
  return await ctx.db
    .select()
    .from(templates)
    .where(and(eq(templates.tenantId, ctx.tenantId), page.before ? lt(templates.id, page.before) : undefined))
    .orderBy(desc(templates.id))
    .limit(page.limit)
}

/** One template by id or slug, with its newest versions, or the newest up to a given version. */
export async function getTemplate(
  ctx: Ctx,
  ref: string,
  upTo: number | null = null,
): Promise<{ template: Template; versions: TemplateVersion[] }> {
  mustBeAllowed(ctx, 'read')
  const template = await templateOf(ctx, ref)
  return { template, versions: await versionsOf(ctx, template.id, upTo) }
}

/** Adds a version to a template as a draft. Its content never changes. */
export async function addVersion(ctx: Ctx, ref: string, content: TemplateContent): Promise<TemplateVersion> {
  mustBeAllowed(ctx, 'manage')
  const { id } = await templateOf(ctx, ref)
  const rows = await insertVersion(ctx, id, content, 'draft')
  if (rows.length === 0) throw noTemplate(ref)
  return one(rows)
}

/**
 * Publishes a version that passes the lint, and archives the current one. An archived version may be published again. If
 * the template needs approval, the version waits for it instead. Safe to repeat.
 */
export async function publishVersion(ctx: Ctx, ref: string, version: number): Promise<TemplateVersion> {
  mustBeAllowed(ctx, 'manage')
  const { template, standing } = await versionOf(ctx, ref, version)
  const { status } = standing
  if (status === 'published' || status === 'pending_approval') return standing
  if (status === 'rejected') {
    throw new Fault('conflict', `Version ${version} was rejected. Write a new version.`, { field: 'version' })
  }
  mustPassLint({ ...standing, type: template.type })
  if (!template.approvalRequired) return await goLive(ctx, template, version, status)
  return await mark(ctx, template, version, status, 'pending_approval')
}

/** Decides a version that waits for approval. A rejected version can never be published. */
export async function decideVersion(
  ctx: Ctx,
  ref: string,
  version: number,
  approve: boolean,
): Promise<TemplateVersion> {
  mustBeAllowed(ctx, 'approve')
  const { template, standing } = await versionOf(ctx, ref, version)
  if (standing.status !== 'pending_approval') {
    const message = `Version ${version} is ${standing.status}; only a version in pending_approval can be decided.`
    throw new Fault('already_decided', message, { status: standing.status })
  }
  if (approve) return await goLive(ctx, template, version, 'pending_approval')
  return await mark(ctx, template, version, 'pending_approval', 'rejected')
}

/** Renders a version with this payload. Without a version: the published one, or the newest if none is published. */
export async function previewTemplate(
  ctx: Ctx,
  ref: string,
  { payload, version }: { payload: Payload; version: number | null },
): Promise<{ subject: string; html: string | null; text: string | null }> {
  mustBeAllowed(ctx, 'read')
  const { standing } = await versionOf(ctx, ref, version)
  return await previewContent(ctx, standing, payload)
}

/** Lints a version. Without one: the newest, which is the one to be published. */
export async function lintVersion(ctx: Ctx, ref: string, version: number | null): Promise<Findings> {
  mustBeAllowed(ctx, 'read')
  const { template, standing } = await versionOf(ctx, ref, version, 'newest')
  return lintTemplate({ ...standing, type: template.type })
}

/**
 * Deletes a template and frees its slug. Published versions stay, because sends that were judged before still need their
 * content.
 */
export async function deleteTemplate(ctx: Ctx, ref: string): Promise<Template> {
  mustBeAllowed(ctx, 'manage')
  const template = await templateOf(ctx, ref)
  await ctx.db.batch([
    ctx.db.delete(templates).where(and(eq(templates.tenantId, ctx.tenantId), eq(templates.id, template.id))),
    ...audited(ctx, [{ action: 'template.deleted', target: template.id }]),
    ctx.db
      .delete(templateVersions)
      .where(
        and(isVersionOf(ctx, template), inArray(templateVersions.status, ['draft', 'pending_approval'])),
      ),
  ])
  return template
}

async function templateOf(ctx: Ctx, ref: string): Promise<Template> {
  const [template] = await ctx.db
    .select()
    .from(templates)
    .where(and(eq(templates.tenantId, ctx.tenantId), or(eq(templates.slug, ref), eq(templates.id, ref))))
  if (!template) throw noTemplate(ref)
  return template
}

async function versionsOf(
  ctx: Ctx,
  templateId: string,
  upTo: number | null = null,
): Promise<TemplateVersion[]> {
  return await ctx.db
    .select()
    .from(templateVersions)
    .where(
      and(
        isVersionOf(ctx, { id: templateId }),
        upTo === null ? undefined : lte(templateVersions.version, upTo),
      ),
    )
    .orderBy(desc(templateVersions.version))
    .limit(SHOWN)
}

async function versionOf(
  ctx: Ctx,
  ref: string,
  version: number | null,
  otherwise: 'published' | 'newest' = 'published',
): Promise<{ template: Template; standing: TemplateVersion }> {
  const template = await templateOf(ctx, ref)
  const wanted = version ?? (otherwise === 'published' ? template.publishedVersion : null)
  const [standing] = await ctx.db
    .select()
    .from(templateVersions)
    .where(
      and(isVersionOf(ctx, template), wanted === null ? undefined : eq(templateVersions.version, wanted)),
    )
    .orderBy(desc(templateVersions.version))
    .limit(1)
  if (standing) return { template, standing }
  const message =
    wanted === null ? 'This template has no version yet.' : `This template has no version ${wanted}.`
  throw new Fault('not_found', message, { field: 'version' })
}

/** The statement itself takes the next version number, so that two concurrent calls get two numbers. */
function insertVersion(
  ctx: Ctx,
  templateId: string,
  { subject, html, text, variables }: TemplateContent,
  status: TemplateVersion['status'],
) {
  const newest = sql`SELECT max(v.version) FROM template_versions v
    WHERE v.tenant_id = ${templates.tenantId} AND v.template_id = ${templates.id}`
  const publishedAt = status === 'published' ? ctx.now.getTime() : null
  return ctx.db
    .insert(templateVersions)
    .select(
      sql`SELECT ${templates.tenantId}, ${templates.id}, coalesce((${newest}), 0) + 1, ${subject}, ${html}, ${text},
          ${JSON.stringify(variables)}, ${status}, ${ctx.now.getTime()}, ${publishedAt}
        FROM ${templates} WHERE ${templates.tenantId} = ${ctx.tenantId} AND ${templates.id} = ${templateId}`,
    )
    .returning()
}

async function goLive(
  ctx: Ctx,
  template: Template,
  version: number,
  from: TemplateVersion['status'],
): Promise<TemplateVersion> {
  const isTemplate = and(eq(templates.tenantId, ctx.tenantId), eq(templates.id, template.id))
  const stands = and(
    isVersionOf(ctx, template),
    eq(templateVersions.version, version),
    eq(templateVersions.status, from),
  )
  const isLive = sql`EXISTS (SELECT 1 FROM ${templates} WHERE ${isTemplate} AND ${templates.publishedVersion} = ${version})`
  const [moved, , , , , rows] = await ctx.db.batch([
    ctx.db
      .update(templates)
      .set({ publishedVersion: version, updatedAt: ctx.now })
      .where(
        and(
          isTemplate,
          sql`${templates.publishedVersion} IS ${template.publishedVersion}`,
          sql`EXISTS (SELECT 1 FROM ${templateVersions} WHERE ${stands})`,
        ),
      )
      .returning({ id: templates.id }),
    ...audited(ctx, [{ action: 'template.published', target: template.id, detail: { version } }]),
    ctx.db
      .update(templateVersions)
      .set({ status: 'published', publishedAt: ctx.now })
      .where(and(stands, isLive)),
    ctx.db
      .update(templateVersions)
      .set({ status: 'archived' })
      .where(
        and(
          isVersionOf(ctx, template),
          ne(templateVersions.version, version),
          eq(templateVersions.status, 'published'),
          isLive,
        ),
      ),
    ctx.db
      .select()
      .from(templateVersions)
      .where(and(isVersionOf(ctx, template), eq(templateVersions.version, version))),
  ])
  if (moved.length === 0) throw changedMeanwhile()
  return one(rows)
}

async function mark(
  ctx: Ctx,
  template: Template,
  version: number,
  from: TemplateVersion['status'],
  status: 'rejected' | 'pending_approval',
): Promise<TemplateVersion> {
  const action = status === 'rejected' ? 'template.rejected' : 'template.submitted'
  const [[changed]] = await ctx.db.batch([
    ctx.db
      .update(templateVersions)
      .set({ status })
      .where(
        and(
          isVersionOf(ctx, template),
          eq(templateVersions.version, version),
          eq(templateVersions.status, from),
        ),
      )
      .returning(),
    ...audited(ctx, [{ action, target: template.id, detail: { version } }]),
  ])
  if (!changed) throw changedMeanwhile()
  return changed
}

function isVersionOf(ctx: Ctx, { id }: Pick<Template, 'id'>) {
  return and(eq(templateVersions.tenantId, ctx.tenantId), eq(templateVersions.templateId, id))
}

function mustPassLint(content: Parameters<typeof lintTemplate>[0]) {
  const { errors, warnings } = lintTemplate(content)
  if (errors.length === 0) return
  const list = errors.map(({ code, part, detail }) => `${code}${part ? ` in ${part}` : ''}: ${detail}`)
  throw new Fault('template_lint_failed', `The template cannot be published. ${list.join('; ')}.`, {
    errors,
    warnings,
  })
}

function noTemplate(ref: string): Fault {
  return new Fault('template_not_found', `No such template: "${ref}".`)
}

function changedMeanwhile(): Fault {
  return new Fault('conflict', 'The template was changed at the same time. Read it again.')
}
