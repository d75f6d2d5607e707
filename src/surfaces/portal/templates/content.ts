import { Fault } from '../../../core/ground/fault.ts'
import { type Finding, lintTemplate } from '../../../core/letters/lint.ts'
import type { Findings, TemplateContent } from '../../../core/letters/templates/templates.ts'
import type { PortalContext } from '../context.ts'
import type { Form } from '../forms/form.ts'
import type { Remark } from '../parts/fields.tsx'
import { asked } from '../parts/list.tsx'

const KINDS = ['transactional', 'marketing'] as const
type Kind = (typeof KINDS)[number]

const PART_AT_MOST = 200_000
const VARIABLES_AT_MOST = 200
/** A variable as it is written in the form: `name`, `name:type`, and a `?` at the end if it is optional. */
const VARIABLE = /^([A-Za-z_][\w-]{0,99})(?::([a-z]{1,50}))?(\?)?$/

export const invalid = (field: string, message: string) => new Fault('invalid', message, { field })

export const kindOf = (form: Form): Kind => KINDS.find((each) => each === form.type) ?? 'transactional'

export const isStarted = (form: Form) => Boolean(form.subject || form.html || form.text)

/** The content that a form holds. Throws `invalid` with the field that is wrong. */
export function contentOf(form: Form): TemplateContent {
  const part = (name: 'html' | 'text') => {
    const given = (form[name] ?? '').replaceAll('\r\n', '\n')
    if (given.length > PART_AT_MOST) throw invalid(name, `Use at most ${PART_AT_MOST} characters.`)
    return given.trim() === '' ? null : given
  }
  const subject = form.subject?.trim() ?? ''
  if (subject === '' || subject.length > 2_000)
    throw invalid('subject', 'Give the template a subject of at most 2,000 characters.')
  const [html, text] = [part('html'), part('text')]
  if (html === null && text === null) throw invalid('text', 'Fill in the text, the HTML, or both.')
  return { subject, html, text, variables: variablesOf(form.variables ?? '') }
}

function variablesOf(given: string): TemplateContent['variables'] {
  const variables = given
    .split(/[,\s]+/)
    .filter((word) => word !== '')
    .map((word) => {
      const [, name, type = 'string', optional] = VARIABLE.exec(word) ?? []
      if (name === undefined) throw invalid('variables', `"${word.slice(0, 40)}" is not a valid variable.`)
      return { name, type, required: optional === undefined }
    })
  const names = new Set(variables.map(({ name }) => name))
  if (names.size < variables.length) throw invalid('variables', 'Name each variable only once.')
  if (names.size > VARIABLES_AT_MOST)
    throw invalid('variables', `Name at most ${VARIABLES_AT_MOST} variables.`)
  return variables
}

/** The form that would give this content. */
export function formFor(content: TemplateContent | undefined): Form {
  const { subject = '', html = null, text = null, variables = [] } = content ?? {}
  return { subject, html: html ?? '', text: text ?? '', variables: variables.map(written).join(', ') }
}

const written = ({ name, type, required }: TemplateContent['variables'][number]) =>
  `${name}${type === 'string' ? '' : `:${type}`}${required ? '' : '?'}`

/** What the lint finds, as remarks for the fields of a form; `part` names the field. */
export type LintRemark = Remark & { part: Finding['part'] }

export function remarksOf({ errors, warnings }: Findings): LintRemark[] {
  const remark =
    (tone: 'bad' | 'wait') =>
    ({ code, part, detail }: Finding) => ({ code, part, tone, text: detail })
  return [...errors.map(remark('bad')), ...warnings.map(remark('wait'))]
}

/** What the lint finds in a form; nothing if the form does not hold valid content yet. */
export function lintForm(form: Form, type: Kind): LintRemark[] {
  try {
    return remarksOf(lintTemplate({ ...contentOf(form), type }))
  } catch (error) {
    if (error instanceof Fault) return []
    throw error
  }
}

/** The version that the query names, or null. */
export function askedVersion(c: PortalContext): number | null {
  const number = Number(asked(c, 'version') ?? 0)
  return Number.isSafeInteger(number) && number > 0 ? number : null
}
