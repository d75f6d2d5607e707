import { Hono } from 'hono'
import { may } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { previewContent, samplePayload } from '../../../core/letters/preview.ts'
import type { Template, TemplateVersion } from '../../../core/letters/templates/find.ts'
import { decideVersion, publishVersion } from '../../../core/letters/templates/publish.ts'
import { getTemplate, lintVersion } from '../../../core/letters/templates/templates.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { formOf } from '../forms/form.ts'
import { decisionOf } from '../forms/posted.ts'
import { sandboxed } from '../headers.ts'
import { Field, type Option, type Remark, Remarks } from '../parts/fields.tsx'
import { ButtonForm, Form, YesOrNo } from '../parts/forms.tsx'
import { Filter } from '../parts/list.tsx'
import { textFrame } from '../parts/message.tsx'
import { Badge, Time, words } from '../parts/text.tsx'
import { remarksOf } from './content.ts'

type Shown = { c: PortalContext; template: Template; version: TemplateVersion }

/** The preview of a version, and the forms that publish it or decide on it. */
export const templateVersions = new Hono<Portal>()

/** A version with sample values, what the lint finds in it, and what can be done with it now. */
export async function VersionView({
  c,
  template,
  versions,
  version,
}: Shown & { versions: TemplateVersion[] }) {
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
      <ChooseVersion c={c} template={template} versions={versions} version={version} />
      <div class="split">
        <section aria-label="Preview">
          <h2>With sample values</h2>
          {typeof preview === 'string' ? (
            <p class="note bad">{preview}</p>
          ) : (
            <Preview preview={preview} path={`${pathOf(template, version)}/preview`} />
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

const pathOf = ({ id }: Template, { version }: TemplateVersion) =>
  `/portal/templates/${id}/versions/${version}`

function ChooseVersion({ c, template, versions, version }: Shown & { versions: TemplateVersion[] }) {
  const oldest = versions.at(-1)?.version ?? 1
  return (
    <>
      <Filter>
        <Field
          c={c}
          label="Version"
          name="version"
          value={version.version}
          options={versions.map(
            (each): Option => [String(each.version), `${each.version}: ${words(each.status)}`],
          )}
        />
      </Filter>
      {oldest > 1 ? (
        <p class="actions">
          <a class="button" href={`/portal/templates/${template.id}?version=${oldest - 1}`}>
            Older versions
          </a>
        </p>
      ) : null}
    </>
  )
}

type Content = Awaited<ReturnType<typeof previewContent>>

function Preview({ preview: { subject, text }, path }: { preview: Content; path: string }) {
  return (
    <>
      <p>
        <strong>{subject}</strong>
      </p>
      <iframe class="mail" title="Preview of the template" sandbox="" src={path} />
      {text === null ? null : (
        <details>
          <summary>The text part</summary>
          <pre>{text}</pre>
        </details>
      )}
    </>
  )
}

/** What the person can do with a version now: decide on it, correct it, or publish it. */
function NextStep({ c, template, version, remarks }: Shown & { remarks: Remark[] }) {
  const path = pathOf(template, version)
  if (version.status === 'pending_approval') {
    if (!may(c.var.ctx, 'approve'))
      return <p class="note">It waits for the approval of an approver or an owner.</p>
    return (
      <Form c={c} action={`${path}/decide`}>
        <YesOrNo name="decision" yes="Approve and publish" no="Reject" />
      </Form>
    )
  }
  if (!may(c.var.ctx, 'manage') || version.status === 'published') return null
  if (version.status === 'rejected') return <p class="note">It was rejected. Write a new version.</p>
  if (remarks.some(({ tone }) => tone === 'bad')) {
    return (
      <p class="note">
        The errors marked red prevent it from being published. Write a new version without them.
      </p>
    )
  }
  return (
    <ButtonForm c={c} action={`${path}/publish`} class="primary">
      {template.approvalRequired ? 'Submit for approval' : `Publish version ${version.version}`}
    </ButtonForm>
  )
}

templateVersions.get('/templates/:templateId/versions/:version/preview', async (c) => {
  const { templateId, version } = c.req.param()
  const number = numberOf(version)
  const { versions } = await getTemplate(c.var.ctx, templateId, number)
  const of = versions[0]
  if (of?.version !== number) throw noSuchVersion()
  const { html, text } = await previewContent(c.var.ctx, of, samplePayload(of))
  return html === null ? textFrame(c, text ?? '') : sandboxed(c, html)
})

templateVersions.post('/templates/:templateId/versions/:version/publish', async (c) => {
  const { templateId, version } = c.req.param()
  const { status } = await publishVersion(c.var.ctx, templateId, numberOf(version))
  return done(
    c,
    `/portal/templates/${templateId}?version=${version}`,
    status === 'published' ? 'The version is published.' : 'The version waits for approval.',
  )
})

templateVersions.post('/templates/:templateId/versions/:version/decide', async (c) => {
  const { templateId, version } = c.req.param()
  const { decision } = await formOf(c)
  const approve = decisionOf(decision) === 'approve'
  const { status } = await decideVersion(c.var.ctx, templateId, numberOf(version), approve)
  return done(
    c,
    `/portal/templates/${templateId}?version=${version}`,
    status === 'published' ? 'The version is approved and published.' : 'The version is rejected.',
  )
})

function numberOf(version: string): number {
  const number = Number(version)
  if (Number.isSafeInteger(number) && number > 0) return number
  throw noSuchVersion()
}

const noSuchVersion = () => new Fault('not_found', 'This template has no such version.')
