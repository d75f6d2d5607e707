import { Hono } from 'hono'
import { mustBeAllowed } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { type Finding, lintTemplate } from '../../../core/letters/lint.ts'
import { previewContent, samplePayload } from '../../../core/letters/preview.ts'
import {
  addVersion,
  createTemplate,
  type Findings,
  getTemplate,
  type TemplateContent,
} from '../../../core/letters/templates.ts'
import { formOf, type Form as Given } from '../forms/form.ts'
import { posted, refuse } from '../forms/posted.ts'
import { plainFrame } from '../parts/message.tsx'
import { asked, Field, Form, type Remark, Remarks } from '../parts/parts.tsx'
import { done, foreign, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

const KINDS = ['transactional', 'marketing'] as const
const MEANING: [string, string][] = [
  ['transactional', 'transactional: the contact waits for it'],
  ['marketing', 'marketing: needs a way to unsubscribe'],
]
const PART_AT_MOST = 200_000
const VARIABLES_AT_MOST = 200
const VARIABLE = /^([A-Za-z_][\w-]{0,99})(?::([a-z]{1,50}))?(\?)?$/

/** Where templates are written: what the lint finds stands beside each field, and a frame shows what is written. */
export const templateForms = new Hono<Portal>()

templateForms.get('/templates/new', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  return await writingPage(c, null)
})

templateForms.post('/templates/new', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  return await posted(c, {
    async act(form) {
      if (form.step === 'check') return await writingPage(c, null)
      const [name, slug] = [form.name?.trim() ?? '', form.slug?.trim() ?? '']
      if (name === '' || name.length > 200) throw wrong('name', 'Give it a name of at most 200 characters.')
      const { template } = await createTemplate(c.var.ctx, {
        slug,
        name,
        type: kindOf(form),
        approvalRequired: form.approvalRequired === 'on',
        content: contentOf(form),
        publish: false,
      })
      return done(c, `/portal/templates/${template.id}`, 'It is saved as a draft. Read it, then publish it.')
    },
    again: () => writingPage(c, null),
    mended: ['invalid', 'conflict'],
  })
})

templateForms.get('/templates/:templateId/edit', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  return await writingPage(c, c.req.param('templateId'))
})

templateForms.post('/templates/:templateId/edit', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  const id = c.req.param('templateId')
  return await posted(c, {
    async act(form) {
      if (form.step === 'check') return await writingPage(c, id)
      const { version } = await addVersion(c.var.ctx, id, contentOf(form))
      const said = `Version ${version} is saved as a draft. Read it, then publish it.`
      return done(c, `/portal/templates/${id}?version=${version}`, said)
    },
    again: () => writingPage(c, id),
  })
})

/** The inside of the frame beside the form: what is written in it, with sample values. Nothing is kept. */
templateForms.post('/templates/preview', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  const form = await formOf(c)
  if (!isStarted(form)) return plainFrame(c, 'Nothing is written yet.')
  try {
    const content = contentOf(form)
    const { subject, html, text } = await previewContent(c.var.ctx, content, samplePayload(content))
    return html === null ? plainFrame(c, `${subject}\n\n${text ?? ''}`) : foreign(c, html)
  } catch (error) {
    return plainFrame(c, refuse(c, error, { mended: ['invalid', 'template_render_failed'] }).message)
  }
})

/** What the lint finds, in the shape in which it stands beside fields; `part` names the field. */
export function remarksOf({ errors, warnings }: Findings): (Remark & { part: Finding['part'] })[] {
  const said =
    (tone: 'bad' | 'wait') =>
    ({ code, part, detail }: Finding) => ({ code, part, tone, text: detail })
  return [...errors.map(said('bad')), ...warnings.map(said('wait'))]
}

const wrong = (field: string, message: string) => new Fault('invalid', message, { field })

const kindOf = (form: Given) => KINDS.find((each) => each === form.type) ?? 'transactional'

function contentOf(form: Given): TemplateContent {
  const part = (name: 'html' | 'text') => {
    const given = (form[name] ?? '').replaceAll('\r\n', '\n')
    if (given.length > PART_AT_MOST) throw wrong(name, `At most ${PART_AT_MOST} characters.`)
    return given.trim() === '' ? null : given
  }
  const subject = form.subject?.trim() ?? ''
  if (subject === '' || subject.length > 2_000)
    throw wrong('subject', 'Give it a subject of at most 2,000 characters.')
  const [html, text] = [part('html'), part('text')]
  if (html === null && text === null) throw wrong('text', 'Write a text, or HTML, or both.')
  return { subject, html, text, variables: variablesOf(form.variables ?? '') }
}

function variablesOf(given: string): TemplateContent['variables'] {
  const variables = given
    .split(/[,\s]+/)
    .filter((word) => word !== '')
    .map((word) => {
      const [, name, type = 'string', optional] = VARIABLE.exec(word) ?? []
      if (name === undefined) throw wrong('variables', `"${word.slice(0, 40)}" is no name of a variable.`)
      return { name, type, required: optional === undefined }
    })
  const names = new Set(variables.map(({ name }) => name))
  if (names.size < variables.length) throw wrong('variables', 'A variable stands there twice.')
  if (names.size > VARIABLES_AT_MOST) throw wrong('variables', `At most ${VARIABLES_AT_MOST} variables.`)
  return variables
}

const written = ({ name, type, required }: TemplateContent['variables'][number]) =>
  `${name}${type === 'string' ? '' : `:${type}`}${required ? '' : '?'}`

/** The version that the query names, or null. */
export function askedVersion(c: PortalContext): number | null {
  const number = Number(asked(c, 'version') ?? 0)
  return Number.isSafeInteger(number) && number > 0 ? number : null
}

/** The words that stand in the form at first: those of the version that is to be changed. */
async function standing(c: PortalContext, id: string) {
  const { template, versions } = await getTemplate(c.var.ctx, id, askedVersion(c))
  const { subject = '', html = null, text = null, variables = [] } = versions[0] ?? {}
  const form: Given = {
    subject,
    html: html ?? '',
    text: text ?? '',
    variables: variables.map(written).join(', '),
  }
  return { template, form }
}

async function writingPage(c: PortalContext, id: string | null) {
  const known = id === null ? null : await standing(c, id)
  const form = c.get('given') ?? known?.form ?? {}
  const found = findings(form, known?.template.type ?? kindOf(form))
  const beside = (...parts: (string | null)[]) => found.filter(({ part }) => parts.includes(part))
  return await page(
    c,
    known ? `${known.template.name}: a new version` : 'A new template',
    <>
      <p class="lead">
        {known
          ? 'What was sent before stays as it was. The new version is a draft until it is published.'
          : 'It is a draft until it is published.'}{' '}
        A value from the send stands in double braces: <code>{'{{ firstName }}'}</code>
      </p>
      <Form
        c={c}
        action={id === null ? '/portal/templates/new' : `/portal/templates/${id}/edit`}
        class="split wide"
      >
        <section aria-label="What it says">
          {known ? null : (
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
                hint='By this agents name it, such as "welcome": a to z, digits, "-" and "_".'
                attributes={{ required: true, maxlength: 100, spellcheck: 'false', autocapitalize: 'none' }}
              />
              <Field c={c} label="Kind" name="type" value={kindOf(form)} options={MEANING} />
              <label class="tick">
                <input type="checkbox" name="approvalRequired" checked={form.approvalRequired === 'on'} />
                Each version needs a person's approval
              </label>
            </>
          )}
          <Field
            c={c}
            label="Subject"
            name="subject"
            value={form.subject}
            remarks={beside('subject')}
            attributes={{ required: true, maxlength: 2_000 }}
          />
          <Field c={c} label="Text" name="text" rows={10} value={form.text} remarks={beside('text')} />
          <Field
            c={c}
            label="HTML"
            name="html"
            rows={10}
            value={form.html}
            remarks={beside('html')}
            hint="Empty, the message has only its text."
            attributes={{ spellcheck: 'false', class: 'mono' }}
          />
          <Field
            c={c}
            label="Variables"
            name="variables"
            value={form.variables}
            remarks={found.filter(({ code }) => isAboutVariables(code))}
            hint="Names with commas between, such as firstName, trialDays:number, nickname? where it may lack. Empty, whatever is used counts."
            attributes={{ spellcheck: 'false', autocapitalize: 'none' }}
          />
        </section>
        <section aria-label="How it looks">
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
              Show what is written
            </button>
          </div>
          <Remarks remarks={found.filter(({ part, code }) => part === null && !isAboutVariables(code))} />
          {isStarted(form) && found.length === 0 ? <p class="note good">The lint finds nothing.</p> : null}
        </section>
        <div class="actions">
          <button class="primary" type="submit">
            Save as a draft
          </button>
          <button type="submit" name="step" value="check" formnovalidate>
            Check it
          </button>
          <a class="button" href={id === null ? '/portal/templates' : `/portal/templates/${id}`}>
            Leave it
          </a>
        </div>
      </Form>
    </>,
  )
}

const isStarted = (form: Given) => Boolean(form.subject || form.html || form.text)

const isAboutVariables = (code: string) => ['unused_variable', 'system_variable_redeclared'].includes(code)

/** The lint of what stands in a form, as far as it can be read; nothing where nothing is written yet. */
function findings(form: Given, type: (typeof KINDS)[number]) {
  try {
    return remarksOf(lintTemplate({ ...contentOf(form), type }))
  } catch (error) {
    if (error instanceof Fault) return []
    throw error
  }
}
