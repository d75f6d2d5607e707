import { Hono } from 'hono'
import { mustBeAllowed } from '../../../core/ground/ctx.ts'
import { previewContent, samplePayload } from '../../../core/letters/preview.ts'
import { addVersion, createTemplate, getTemplate } from '../../../core/letters/templates/templates.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { formOf, type Form as Given } from '../forms/form.ts'
import { posted, refuse } from '../forms/posted.ts'
import { sandboxed } from '../headers.ts'
import { Field, type Option, Remarks, Tick } from '../parts/fields.tsx'
import { Form } from '../parts/forms.tsx'
import { textFrame } from '../parts/message.tsx'
import { page } from '../shell.tsx'
import {
  askedVersion,
  contentOf,
  formFor,
  invalid,
  isStarted,
  kindOf,
  type LintRemark,
  lintForm,
} from './content.ts'

const KIND_OPTIONS: Option[] = [
  ['transactional', 'transactional: the contact expects it'],
  ['marketing', 'marketing: needs an unsubscribe link'],
]

/** The form in which templates are written, with what the lint finds at each field, and a preview. */
export const templateForms = new Hono<Portal>()

templateForms.get('/templates/new', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  return await formPage(c, null)
})

templateForms.post('/templates/new', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  return await posted(c, {
    async act(form) {
      if (form.step === 'check') return await formPage(c, null)
      const [name, slug] = [form.name?.trim() ?? '', form.slug?.trim() ?? '']
      if (name === '' || name.length > 200) {
        throw invalid('name', 'Give the template a name of at most 200 characters.')
      }
      const { template } = await createTemplate(c.var.ctx, {
        slug,
        name,
        type: kindOf(form),
        approvalRequired: form.approvalRequired === 'on',
        content: contentOf(form),
        publish: false,
      })
      return done(c, `/portal/templates/${template.id}`, 'Saved as a draft. Review it, then publish it.')
    },
    again: () => formPage(c, null),
    mended: ['invalid', 'conflict'],
  })
})

templateForms.get('/templates/:templateId/edit', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  return await formPage(c, c.req.param('templateId'))
})

templateForms.post('/templates/:templateId/edit', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  const id = c.req.param('templateId')
  return await posted(c, {
    async act(form) {
      if (form.step === 'check') return await formPage(c, id)
      const { version } = await addVersion(c.var.ctx, id, contentOf(form))
      const said = `Version ${version} is saved as a draft. Review it, then publish it.`
      return done(c, `/portal/templates/${id}?version=${version}`, said)
    },
    again: () => formPage(c, id),
  })
})

/** The content of the preview frame: what is written in the form, with sample values. Nothing is saved. */
templateForms.post('/templates/preview', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  const form = await formOf(c)
  if (!isStarted(form)) return textFrame(c, 'There is nothing to preview yet.')
  try {
    const content = contentOf(form)
    const { subject, html, text } = await previewContent(c.var.ctx, content, samplePayload(content))
    return html === null ? textFrame(c, `${subject}\n\n${text ?? ''}`) : sandboxed(c, html)
  } catch (error) {
    return textFrame(c, refuse(c, error, { mended: ['invalid', 'template_render_failed'] }).message)
  }
})

/** The form for a new template, or for a new version of the template with this id. */
async function formPage(c: PortalContext, id: string | null) {
  const known = id === null ? null : await getTemplate(c.var.ctx, id, askedVersion(c))
  const template = known?.template
  const form = c.get('given') ?? (known ? formFor(known.versions[0]) : {})
  const remarks = lintForm(form, template?.type ?? kindOf(form))
  return await page(
    c,
    template ? `${template.name}: a new version` : 'A new template',
    <>
      <p class="lead">
        {template
          ? 'The new version is a draft until it is published. Older versions do not change.'
          : 'The template is a draft until it is published.'}{' '}
        To insert a value from the send, write its name in double braces: <code>{'{{ firstName }}'}</code>
      </p>
      <Form
        c={c}
        action={id === null ? '/portal/templates/new' : `/portal/templates/${id}/edit`}
        class="split wide"
      >
        <section aria-label="Content">
          {template ? null : <NewTemplateFields c={c} form={form} />}
          <ContentFields c={c} form={form} remarks={remarks} />
        </section>
        <PreviewSection form={form} remarks={remarks} />
        <div class="actions">
          <button class="primary" type="submit">
            Save as a draft
          </button>
          <button type="submit" name="step" value="check" formnovalidate>
            Check
          </button>
          <a class="button" href={id === null ? '/portal/templates' : `/portal/templates/${id}`}>
            Cancel
          </a>
        </div>
      </Form>
    </>,
  )
}

/** What is chosen once for a template, and is the same for all its versions. */
function NewTemplateFields({ c, form }: { c: PortalContext; form: Given }) {
  return (
    <>
      <Field
        c={c}
        label="Name"
        name="name"
        value={form.name}
        attributes={{ required: true, maxlength: 200 }}
      />
      <Field
        c={c}
        label="Slug"
        name="slug"
        value={form.slug}
        hint='The name by which agents use it, such as "welcome": a to z, digits, "-" and "_".'
        attributes={{ required: true, maxlength: 100, spellcheck: 'false', autocapitalize: 'none' }}
      />
      <Field c={c} label="Kind" name="type" value={kindOf(form)} options={KIND_OPTIONS} />
      <Tick name="approvalRequired" checked={form.approvalRequired === 'on'}>
        Each version needs the approval of a person
      </Tick>
    </>
  )
}

type Linted = { form: Given; remarks: LintRemark[] }

function ContentFields({ c, form, remarks }: Linted & { c: PortalContext }) {
  const about = (part: string) => remarks.filter((remark) => remark.part === part)
  return (
    <>
      <Field
        c={c}
        label="Subject"
        name="subject"
        value={form.subject}
        remarks={about('subject')}
        attributes={{ required: true, maxlength: 2_000 }}
      />
      <Field c={c} label="Text" name="text" rows={10} value={form.text} remarks={about('text')} />
      <Field
        c={c}
        label="HTML"
        name="html"
        rows={10}
        value={form.html}
        remarks={about('html')}
        hint="If you leave this empty, the message has only its text."
        attributes={{ spellcheck: 'false', class: 'mono' }}
      />
      <Field
        c={c}
        label="Variables"
        name="variables"
        value={form.variables}
        remarks={remarks.filter(({ code }) => isAboutVariables(code))}
        hint="Names separated by commas, such as firstName, trialDays:number, nickname?. A question mark makes a variable optional. If you leave this empty, the variables that the template uses count as declared."
        attributes={{ spellcheck: 'false', autocapitalize: 'none' }}
      />
    </>
  )
}

function PreviewSection({ form, remarks }: Linted) {
  return (
    <section aria-label="Preview">
      <h2>With sample values</h2>
      <iframe class="mail" name="preview" title="Preview of what is written" sandbox="" />
      <div class="actions">
        <button
          class="small"
          type="submit"
          formaction="/portal/templates/preview"
          formtarget="preview"
          formnovalidate
          data-renews="1"
        >
          Update the preview
        </button>
      </div>
      <Remarks remarks={remarks.filter(({ part, code }) => part === null && !isAboutVariables(code))} />
      {isStarted(form) && remarks.length === 0 ? <p class="note good">The lint finds nothing.</p> : null}
    </section>
  )
}

const isAboutVariables = (code: string) => ['unused_variable', 'system_variable_redeclared'].includes(code)
