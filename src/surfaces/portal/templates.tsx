import { Hono } from 'hono'
import { may } from '../../core/ctx.ts'
import { Fault } from '../../core/fault.ts'
import {
  getTemplate,
  lintVersion,
  listTemplates,
  previewTemplate,
  publishVersion,
} from '../../core/templates.ts'
import { asked, Badge, Empty, Field, Form, PAGE, Pager, paged, Table, Time } from './parts.tsx'
import { done, foreign, type Portal } from './session.ts'
import { page } from './shell.tsx'

/** The templates: what each version says, with sample values, and what the lint finds in it. */
export const templates = new Hono<Portal>()

templates.get('/templates', async (c) => {
  const { shown, next } = paged(
    await listTemplates(c.var.ctx, { before: asked(c, 'before'), limit: PAGE + 1 }),
    ({ id }) => id,
  )
  return await page(
    c,
    'Templates',
    <>
      {shown.length === 0 ? (
        <Empty>There is no template yet. Agents and keys make them over the API.</Empty>
      ) : (
        <Table
          caption="Templates"
          head={['Name', 'Slug', 'Kind', 'Published', 'Changed']}
          rows={shown.map((template) => [
            <a href={`/portal/templates/${template.id}`}>{template.name}</a>,
            <code>{template.slug}</code>,
            template.type,
            template.publishedVersion === null ? (
              <Badge state="draft" />
            ) : (
              `version ${template.publishedVersion}`
            ),
            <Time at={template.updatedAt} />,
          ])}
        />
      )}
      <Pager c={c} next={next} />
    </>,
  )
})

templates.get('/templates/:templateId', async (c) => {
  const id = c.req.param('templateId')
  const { template, versions } = await getTemplate(c.var.ctx, id)
  const version = versions.find((each) => String(each.version) === asked(c, 'version')) ?? versions[0]
  if (!version) return await page(c, template.name, <Empty>It has no version yet.</Empty>)
  const payload = samplePayload(version.variables)
  const [lint, preview] = await Promise.all([
    lintVersion(c.var.ctx, id, version.version),
    previewTemplate(c.var.ctx, id, { payload, version: version.version }).catch((error: unknown) => {
      if (error instanceof Fault) return error.message
      throw error
    }),
  ])
  const findings = [
    ...lint.errors.map((of) => ({ ...of, tone: 'bad' as const })),
    ...lint.warnings.map((of) => ({ ...of, tone: 'wait' as const })),
  ]
  return await page(
    c,
    template.name,
    <>
      <p class="lead">
        <code>{template.slug}</code>, {template.type}
      </p>
      <form class="row" method="get">
        <Field
          label="Version"
          name="version"
          value={version.version}
          options={versions.map((each): [string, string] => [
            String(each.version),
            `${each.version}: ${each.status.replace('_', ' ')}`,
          ])}
        />
        <button type="submit">Show</button>
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
              <details>
                <summary>Its text</summary>
                <pre>{preview.text}</pre>
              </details>
            </>
          )}
        </section>
        <section aria-label="Lint" class="card">
          <h2>What the lint finds</h2>
          {findings.length === 0 ? (
            <p>Nothing.</p>
          ) : (
            <ul class="rules">
              {findings.map(({ code, part, detail, tone }) => (
                <li>
                  <Badge state={code} tone={tone} />
                  <span>
                    {part ? `${part}: ` : ''}
                    {detail}
                  </span>
                </li>
              ))}
            </ul>
          )}
          {may(c.var.ctx, 'manage') && version.status !== 'published' && version.status !== 'rejected' ? (
            <Form c={c} action={`/portal/templates/${template.id}/versions/${version.version}/publish`}>
              <button class="primary" type="submit">
                Publish version {version.version}
              </button>
            </Form>
          ) : null}
        </section>
      </div>
    </>,
  )
})

templates.get('/templates/:templateId/versions/:version/preview', async (c) => {
  const { templateId, version } = c.req.param()
  const { versions } = await getTemplate(c.var.ctx, templateId)
  const of = versions.find((each) => String(each.version) === version)
  if (!of) throw new Fault('not_found', 'No such version.')
  const { html, text } = await previewTemplate(c.var.ctx, templateId, {
    payload: samplePayload(of.variables),
    version: of.version,
  })
  const escaped = (text ?? '').replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`)
  return foreign(
    c,
    html ?? `<!DOCTYPE html><title>Preview</title><pre style="white-space:pre-wrap">${escaped}</pre>`,
  )
})

templates.post('/templates/:templateId/versions/:version/publish', async (c) => {
  const { templateId, version } = c.req.param()
  const number = Number(version)
  if (!Number.isInteger(number)) throw new Fault('not_found', 'No such version.')
  const { status } = await publishVersion(c.var.ctx, templateId, number)
  return done(
    c,
    `/portal/templates/${templateId}`,
    status === 'published' ? 'It is published.' : 'It waits for approval.',
  )
})

const samplePayload = (variables: { name: string; type: string }[]) =>
  Object.fromEntries(variables.map(({ name, type }) => [name, type === 'number' ? 14 : `[${name}]`]))
