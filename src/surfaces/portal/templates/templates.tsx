import { Hono } from 'hono'
import { may } from '../../../core/ground/ctx.ts'
import { deleteTemplate, getTemplate, listTemplates } from '../../../core/letters/templates/templates.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { ButtonForm } from '../parts/forms.tsx'
import { Listing, pageById } from '../parts/list.tsx'
import { Badge, Empty, Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'
import { askedVersion } from './content.ts'
import { VersionView } from './version.tsx'

/** The list of templates, and the page of each. */
export const templates = new Hono<Portal>()

templates.get('/templates', async (c) => {
  const found = await pageById(c, (part) => listTemplates(c.var.ctx, part))
  return await page(
    c,
    'Templates',
    <>
      {may(c.var.ctx, 'manage') ? (
        <p class="actions">
          <a class="button" href="/portal/templates/new">
            New template
          </a>
        </p>
      ) : null}
      <Listing
        c={c}
        of={found}
        caption="Templates"
        head={['Name', 'Slug', 'Kind', 'Published', 'Changed']}
        row={(template) => [
          <a href={`/portal/templates/${template.id}`}>{template.name}</a>,
          <code>{template.slug}</code>,
          template.type,
          template.publishedVersion === null ? (
            <Badge state="draft" />
          ) : (
            `version ${template.publishedVersion}`
          ),
          <Time at={template.updatedAt} />,
        ]}
      >
        There is no template yet. Agents can also create templates through the API.
      </Listing>
    </>,
  )
})

templates.get('/templates/:templateId', async (c) => {
  const { template, versions, version } = await versionAsked(c, c.req.param('templateId'))
  const basedOn = version ? `?version=${version.version}` : ''
  return await page(
    c,
    template.name,
    <>
      <p class="lead">
        <code>{template.slug}</code>, {template.type}
        {template.approvalRequired ? '. Each version needs the approval of a person.' : ''}
      </p>
      {version ? (
        <VersionView c={c} template={template} versions={versions} version={version} />
      ) : (
        <Empty>It has no version yet.</Empty>
      )}
      {may(c.var.ctx, 'manage') ? (
        <div class="actions">
          <a class="button" href={`/portal/templates/${template.id}/edit${basedOn}`}>
            Write a new version
          </a>
          <ButtonForm
            c={c}
            action={`/portal/templates/${template.id}/delete`}
            class="danger"
            confirm="Delete this template? Sends that use it will be blocked."
          >
            Delete
          </ButtonForm>
        </div>
      ) : null}
    </>,
  )
})

/** The version that the query names, or else the newest, with the other versions that the page lists. */
async function versionAsked(c: PortalContext, id: string) {
  const newest = await getTemplate(c.var.ctx, id)
  const number = askedVersion(c) ?? 0
  const isOld = number > 0 && newest.versions.every(({ version }) => version > number)
  const { template, versions } = isOld ? await getTemplate(c.var.ctx, id, number) : newest
  const version = versions.find((each) => each.version === number) ?? versions[0]
  return { template, versions, version }
}

templates.post('/templates/:templateId/delete', async (c) => {
  const { name } = await deleteTemplate(c.var.ctx, c.req.param('templateId'))
  return done(c, '/portal/templates', `${name} is deleted.`)
})
