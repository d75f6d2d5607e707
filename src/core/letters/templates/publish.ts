import { and, eq, ne, sql } from 'drizzle-orm'
import { templates, templateVersions } from '../../../schema/letters.ts'
import { lineOf } from '../../accounts/descent.ts'
import { type Ctx, keyIdOf, mustBeAllowed, one } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { audited } from '../../journal/audit.ts'
import { lintTemplate } from '../lint.ts'
import { isVersionOf, type Template, type TemplateVersion, versionOf } from './find.ts'

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
  if (approve) {
    await mustNotBeAuthor(ctx, standing)
    return await goLive(ctx, template, version, 'pending_approval')
  }
  return await mark(ctx, template, version, 'pending_approval', 'rejected')
}

/** Throws for a key that wrote the version or asked for its approval, and for every key of the same line. */
async function mustNotBeAuthor(ctx: Ctx, { makerKeyId, submitterKeyId }: TemplateVersion) {
  const { actor } = ctx
  if (actor.kind !== 'key') return
  const authors = [makerKeyId, submitterKeyId].filter((id) => id !== null)
  const [own, ...lines] = await Promise.all([actor.keyId, ...authors].map((id) => lineOf(ctx, id)))
  if (!lines.some((line) => line.length > 0 && line.at(-1) === own?.at(-1))) return
  throw new Fault(
    'human_decision_required',
    'A key cannot approve a version that it wrote or submitted, nor one of a key of its own line. A person must decide.',
  )
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
          from === 'pending_approval' ? undefined : eq(templates.approvalRequired, false),
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
      .set({ status, ...(status === 'pending_approval' ? { submitterKeyId: keyIdOf(ctx.actor) } : {}) })
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

/** Refuses content in which the lint finds errors. */
export function mustPassLint(content: Parameters<typeof lintTemplate>[0]) {
  const { errors, warnings } = lintTemplate(content)
  if (errors.length === 0) return
  const list = errors.map(({ code, part, detail }) => `${code}${part ? ` in ${part}` : ''}: ${detail}`)
  throw new Fault('template_lint_failed', `The template cannot be published. ${list.join('; ')}.`, {
    errors,
    warnings,
  })
}

function changedMeanwhile(): Fault {
  return new Fault('conflict', 'The template was changed at the same time. Read it again.')
}
