import { and, desc, eq, inArray, lt, sql } from 'drizzle-orm'
import { type TemplateVariable, templates, templateVersions } from '../../../schema/letters.ts'
import { mayLoosen, untilWritten } from '../../accounts/loosen.ts'
import { type Ctx, keyIdOf, mustBeAllowed, one } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { newId } from '../../ground/ids.ts'
import { rowWhere } from '../../ground/sql.ts'
import { audited } from '../../journal/audit.ts'
import { ACTS } from '../../policy/laxer.ts'
import { type Finding, lintTemplate } from '../lint.ts'
import { previewContent } from '../preview.ts'
import type { Payload } from '../rendering.ts'
import { approvalNeedsPerson, isApprovalAsRead, readApproval } from './approval.ts'
import {
  isVersionOf,
  noTemplate,
  type Template,
  type TemplateVersion,
  templateOf,
  versionOf,
  versionsOf,
} from './find.ts'
import { mustPassLint } from './publish.ts'

export type Findings = { errors: Finding[]; warnings: Finding[] }

export type TemplateContent = {
  subject: string
  html: string | null
  text: string | null
  variables: TemplateVariable[]
}

type TemplateRequest = Pick<Template, 'slug' | 'name' | 'type'> & {
  /** If it is not given: true if another template needs approval and the caller may not loosen. */
  approvalRequired: boolean | undefined
  /** The first version, or null. */
  content: TemplateContent | null
  publish: boolean
}

/** A slug begins with a letter or digit, so it differs from inline content, and not with the prefix of our ids. */
const SLUG = /^(?!tpl_)[a-z0-9][a-z0-9_-]{0,99}$/

/**
 * Creates a template, with its first version if content is given. To be published at once, the content must pass the
 * lint; if it does not, nothing is created. If the template needs approval, the version waits for it. In a tenant with a
 * template that needs approval, one that needs none takes a person: else `human_decision_required`.
 */
export async function createTemplate(
  ctx: Ctx,
  request: TemplateRequest,
): Promise<{ template: Template; versions: TemplateVersion[] }> {
  mustBeAllowed(ctx, 'manage')
  const { slug, name, type, approvalRequired: asked, content, publish } = request
  if (!SLUG.test(slug)) {
    const message =
      'slug must be 1 to 100 of a-z, 0-9, "-" and "_", begin with a letter or digit, and not with "tpl_".'
    throw new Fault('invalid', message, { field: 'slug' })
  }
  if (publish && content === null) {
    throw new Fault('invalid', 'autoPublish needs content to publish.', { field: 'content' })
  }
  if (publish && content) mustPassLint({ ...content, type })
  const id = newId('tpl', ctx.now)
  const template = await untilWritten(async () => {
    const { isNeeded, read } = await readApproval(ctx)
    if (ACTS.createTemplate.isLaxer(asked ?? isNeeded, isNeeded) && !mayLoosen(ctx)) {
      throw approvalNeedsPerson(null)
    }
    const approvalRequired = asked ?? (isNeeded && !mayLoosen(ctx))
    const isLive = publish && !approvalRequired
    const row = {
      ...{ tenantId: ctx.tenantId, id, slug, name, type, approvalRequired },
      ...{ publishedVersion: isLive ? 1 : null, createdAt: ctx.now, updatedAt: ctx.now },
    }
    const [[created], , , ...rest] = await ctx.db.batch([
      ctx.db
        .insert(templates)
        .select(rowWhere(templates, row, isApprovalAsRead(ctx, read)))
        .onConflictDoNothing()
        .returning(),
      ...audited(ctx, [
        { action: 'template.created', target: id, detail: { slug, name, type, approvalRequired } },
        ...(isLive ? [{ action: 'template.published', target: id, detail: { version: 1 } } as const] : []),
      ]),
      ctx.db
        .select({ id: templates.id })
        .from(templates)
        .where(and(eq(templates.tenantId, ctx.tenantId), eq(templates.slug, slug))),
      ...(content
        ? [insertVersion(ctx, id, content, isLive ? 'published' : publish ? 'pending_approval' : 'draft')]
        : []),
    ])
    if (created) return created
    if (rest[0]?.length === 0) return null
    throw new Fault('conflict', `There is a template "${slug}" already.`, { field: 'slug' })
  })
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
  return await untilWritten(async () => {
    const template = await templateOf(ctx, ref)
    const { isNeeded, read } = await readApproval(ctx, template.id)
    if (ACTS.deleteTemplate.isLaxer(template.approvalRequired, isNeeded) && !mayLoosen(ctx)) {
      throw approvalNeedsPerson(template)
    }
    const isIt = and(eq(templates.tenantId, ctx.tenantId), eq(templates.id, template.id))
    const [deleted] = await ctx.db.batch([
      ctx.db
        .delete(templates)
        .where(and(isIt, isApprovalAsRead(ctx, read, template.id)))
        .returning({ id: templates.id }),
      ...audited(ctx, [{ action: 'template.deleted', target: template.id }]),
      ctx.db
        .delete(templateVersions)
        .where(
          and(
            isVersionOf(ctx, template),
            inArray(templateVersions.status, ['draft', 'pending_approval']),
            sql`NOT EXISTS (SELECT 1 FROM ${templates} WHERE ${isIt})`,
          ),
        ),
    ])
    return deleted.length > 0 ? template : null
  })
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
  const maker = keyIdOf(ctx.actor)
  return ctx.db
    .insert(templateVersions)
    .select(
      sql`SELECT ${templates.tenantId}, ${templates.id}, coalesce((${newest}), 0) + 1, ${subject}, ${html}, ${text},
          ${JSON.stringify(variables)}, ${status}, ${ctx.now.getTime()}, ${publishedAt},
          ${maker}, ${status === 'pending_approval' ? maker : null}
        FROM ${templates} WHERE ${templates.tenantId} = ${ctx.tenantId} AND ${templates.id} = ${templateId}`,
    )
    .returning()
}
