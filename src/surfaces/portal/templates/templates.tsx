import { Hono } from 'hono'
import { may } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { previewContent, samplePayload } from '../../../core/letters/preview.ts'
import {
  decideVersion,
  deleteTemplate,
  getTemplate,
  lintVersion,
  listTemplates,
  publishVersion,
  type Template,
  type TemplateVersion,
} from '../../../core/letters/templates.ts'
import { formOf } from '../forms/form.ts'
import { plainFrame } from '../parts/message.tsx'
import { Badge, Empty, Field, Form, Listing, pageOf, type Remark, Remarks, Time } from '../parts/parts.tsx'
import { done, foreign, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'
import { askedVersion, remarksOf } from './form.tsx'

/** The templates: what each version says, with sample values, what the lint finds in it, and whether it goes out. */
export const templates = new Hono<Portal>()

templates.get('/templates', async (c) => {
  const found = await pageOf(
    c,
    (part) => listTemplates(c.var.ctx, part),
    ({ id }) => id,
  )
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
        There is no template yet. Agents and keys can make them over the API too.
      </Listing>
    </>,
  )
})

templates.get('/templates/:templateId', async (c) => {
  const { template, versions, version } = await versionAsked(c, c.req.param('templateId'))
  const mayManage = may(c.var.ctx, 'manage')
  const writing = version ? `?version=${version.version}` : ''
  return await page(
    c,
    template.name,
    <>
      <p class="lead">
        <code>{template.slug}</code>, {template.type}
        {template.approvalRequired ? ', published once a person has approved it' : ''}
      </p>
      {version ? (
        <VersionView c={c} template={template} versions={versions} version={version} />
      ) : (
        <Empty>It has no version yet.</Empty>
      )}
      {mayManage ? (
        <div class="actions">
          <a class="button" href={`/portal/templates/${template.id}/edit${writing}`}>
            Write a new version
          </a>
          <Form c={c} action={`/portal/templates/${template.id}/delete`}>
            <button
              class="danger"
              type="submit"
              data-confirm="Delete this template? Sends that name it will be blocked."
            >
              Delete
            </button>
          </Form>
        </div>
      ) : null}
    </>,
  )
})

/** That version, or else the newest, among those that are listed with it. */
async function versionAsked(c: PortalContext, id: string) {
  const newest = await getTemplate(c.var.ctx, id)
  const number = askedVersion(c) ?? 0
  const isOld = number > 0 && newest.versions.every(({ version }) => version > number)
  const { template, versions } = isOld ? await getTemplate(c.var.ctx, id, number) : newest
  const version = versions.find((each) => each.version === number) ?? versions[0]
  return { template, versions, version }
}

async function VersionView({
  c,
  template,
  versions,
  version,
}: {
  c: PortalContext
  template: Template
  versions: TemplateVersion[]
  version: TemplateVersion
}) {
  const [lint, preview] = await Promise.all([
    lintVersion(c.var.ctx, template.id, version.version),
    previewContent(c.var.ctx, version, samplePayload(version)).catch((error: unknown) => {
      if (error instanceof Fault) return error.message
      throw error
    }),
  ])
  const remarks = remarksOf(lint).map(({ part, ...of }) => ({
    ...of,
    text: part ? `${part}: ${of.text}` : of.text,
  }))
  return (
    <>
      <form class="row" method="get">
        <Field
          c={c}
          label="Version"
          name="version"
          value={version.version}
          options={versions.map((each): [string, string] => [
            String(each.version),
            `${each.version}: ${each.status.replace('_', ' ')}`,
          ])}
        />
        <button type="submit">Show</button>
        <Further template={template} versions={versions} />
      </form>
      <div class="split">
        <section aria-label="Preview">
          <h2>With sample values</h2>
          {typeof preview === 'string' ? (
            <p class="note bad">{preview}</p>
          ) : (
            <>
              <p>
                <strong>{preview.subject}</strong>
              </p>
              <iframe
                class="mail"
                title="Preview of the template"
                sandbox=""
                src={`/portal/templates/${template.id}/versions/${version.version}/preview`}
              />
              {preview.text === null ? null : (
                <details>
                  <summary>Its text</summary>
                  <pre>{preview.text}</pre>
                </details>
              )}
            </>
          )}
        </section>
        <section aria-label="Publishing" class="card">
          <h2>Version {version.version}</h2>
          <p>
            <Badge state={version.status} /> written <Time at={version.createdAt} />
          </p>
          <h3>What the lint finds</h3>
          {remarks.length === 0 ? <p>Nothing.</p> : <Remarks remarks={remarks} />}
          <NextStep c={c} template={template} version={version} remarks={remarks} />
        </section>
      </div>
    </>
  )
}

/** The way to versions that the list does not hold. */
function Further({ template: { id }, versions }: { template: Template; versions: TemplateVersion[] }) {
  const oldest = versions.at(-1)?.version ?? 1
  return oldest > 1 ? (
    <a class="button" href={`/portal/templates/${id}?version=${oldest - 1}`}>
      Older versions
    </a>
  ) : null
}

/** What the person may do with a version now: publish it, decide on it, or mend it first. */
function NextStep({
  c,
  template,
  version: { version, status },
  remarks,
}: {
  c: PortalContext
  template: Template
  version: TemplateVersion
  remarks: Remark[]
}) {
  const path = `/portal/templates/${template.id}/versions/${version}`
  if (status === 'pending_approval') {
    if (!may(c.var.ctx, 'approve')) return <p class="note">It waits for an approver or an owner.</p>
    return (
      <Form c={c} action={`${path}/decide`} class="actions">
        <button class="primary" type="submit" name="decision" value="approve" data-key="a">
          Approve and publish
        </button>
        <button class="danger" type="submit" name="decision" value="reject" data-key="r">
          Reject
        </button>
      </Form>
    )
  }
  if (!may(c.var.ctx, 'manage') || status === 'published') return null
  if (status === 'rejected') return <p class="note">It was rejected. Write a new version.</p>
  if (remarks.some(({ tone }) => tone === 'bad')) {
    return (
      <p class="note">What is marked red keeps it from being published. Write a new version without it.</p>
    )
  }
  return (
    <Form c={c} action={`${path}/publish`}>
      <button class="primary" type="submit">
        {template.approvalRequired ? 'Submit for approval' : `Publish version ${version}`}
      </button>
    </Form>
  )
}

templates.get('/templates/:templateId/versions/:version/preview', async (c) => {
  const { templateId, version } = c.req.param()
  const number = numberOf(version)
  const { versions } = await getTemplate(c.var.ctx, templateId, number)
  const of = versions[0]
  if (of?.version !== number) throw new Fault('not_found', 'No such version.')
  const { html, text } = await previewContent(c.var.ctx, of, samplePayload(of))
  return html === null ? plainFrame(c, text ?? '') : foreign(c, html)
})

templates.post('/templates/:templateId/versions/:version/publish', async (c) => {
  const { templateId, version } = c.req.param()
  const { status } = await publishVersion(c.var.ctx, templateId, numberOf(version))
  return done(
    c,
    `/portal/templates/${templateId}?version=${version}`,
    status === 'published' ? 'It is published.' : 'It waits for approval.',
  )
})

templates.post('/templates/:templateId/versions/:version/decide', async (c) => {
  const { templateId, version } = c.req.param()
  const { decision } = await formOf(c)
  if (decision !== 'approve' && decision !== 'reject') {
    throw new Fault('invalid', 'Choose whether to approve or to reject.', { field: 'decision' })
  }
  const { status } = await decideVersion(c.var.ctx, templateId, numberOf(version), decision === 'approve')
  return done(
    c,
    `/portal/templates/${templateId}?version=${version}`,
    status === 'published' ? 'It is approved and published.' : 'It is rejected.',
  )
})

templates.post('/templates/:templateId/delete', async (c) => {
  const { name } = await deleteTemplate(c.var.ctx, c.req.param('templateId'))
  return done(c, '/portal/templates', `${name} is deleted.`)
})

function numberOf(version: string): number {
  const number = Number(version)
  if (Number.isSafeInteger(number) && number > 0) return number
  throw new Fault('not_found', 'No such version.')
}
