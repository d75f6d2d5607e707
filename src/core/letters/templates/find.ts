import { and, desc, eq, lte, or } from 'drizzle-orm'
import { templates, templateVersions } from '../../../schema/letters.ts'
import type { Ctx } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'

export type Template = typeof templates.$inferSelect
export type TemplateVersion = typeof templateVersions.$inferSelect

/** Versions shown with a template, newest first. */
const SHOWN = 20

/** The template of the tenant with this id or slug. */
export async function templateOf(ctx: Ctx, ref: string): Promise<Template> {
  const [template] = await ctx.db
    .select()
    .from(templates)
    .where(and(eq(templates.tenantId, ctx.tenantId), or(eq(templates.slug, ref), eq(templates.id, ref))))
  if (!template) throw noTemplate(ref)
  return template
}

/** The newest versions of a template, newest first, or the newest up to a given version. */
export async function versionsOf(
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

/** One version with its template. Without a version: the published one if asked for and there is one, else the newest. */
export async function versionOf(
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

export function isVersionOf(ctx: Ctx, { id }: Pick<Template, 'id'>) {
  return and(eq(templateVersions.tenantId, ctx.tenantId), eq(templateVersions.templateId, id))
}

export function noTemplate(ref: string): Fault {
  return new Fault('template_not_found', `No such template: "${ref}".`)
}
