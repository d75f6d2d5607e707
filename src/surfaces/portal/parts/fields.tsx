import type { PortalContext } from '../context.ts'
import { Badge, type Tone, words } from './text.tsx'

/** A warning or an error about a field's value. It is shown, and does not reject the value by itself. */
export type Remark = { code: string; tone: Tone; text: string }

type Attributes = Record<string, string | number | boolean>

export type Option = [value: string, label: string]

type FieldProps = {
  c: PortalContext
  label: string
  name: string
  /** The value at first. If the form is shown again, what was typed replaces it. */
  value?: string | number | null | undefined
  hint?: string
  remarks?: Remark[]
  /** Other names by which the core may call this field. */
  alias?: string[]
  /** If true, a typed value is never shown again. */
  isSecret?: boolean
  rows?: number
  options?: Option[]
  attributes?: Attributes
}

/** A labelled field. Its hint, its fault and its remarks are beside it, and are read out with it. */
export function Field(props: FieldProps) {
  const { c, label, name, hint, remarks = [], alias = [] } = props
  const wrong = c.get('wrong')
  const isWrong = wrong && [name, ...alias].includes(wrong.field)
  const ids = [
    hint ? `${name}-hint` : '',
    isWrong ? `${name}-wrong` : '',
    remarks.length > 0 ? `${name}-remarks` : '',
  ].filter((id) => id !== '')
  const aria = {
    ...(ids.length > 0 ? { 'aria-describedby': ids.join(' ') } : {}),
    ...(isWrong ? { 'aria-invalid': 'true' } : {}),
  }
  return (
    <div class="field">
      <label for={name}>{label}</label>
      {hint ? (
        <span class="hint" id={`${name}-hint`}>
          {hint}
        </span>
      ) : null}
      <Control {...props} aria={aria} />
      {isWrong ? (
        <span class="wrong" id={`${name}-wrong`}>
          {wrong.message}
        </span>
      ) : null}
      <Remarks id={`${name}-remarks`} remarks={remarks} />
    </div>
  )
}

/** The element that is filled in: a list to choose from, several lines of text, or one line. */
function Control(props: FieldProps & { aria: Attributes }) {
  const { c, name, value: initial, isSecret = false, rows, options, attributes = {}, aria } = props
  const given = isSecret ? undefined : c.get('given')?.[name]
  const value = options?.every(([option]) => option !== given) ? initial : (given ?? initial)
  const common = { name, id: name, ...attributes, ...aria }
  if (options) {
    return (
      <select {...common}>
        {options.map(([option, text]) => (
          <option value={option} selected={String(value ?? '') === option}>
            {text}
          </option>
        ))}
      </select>
    )
  }
  if (rows) {
    return (
      <textarea {...common} rows={rows}>
        {value ?? ''}
      </textarea>
    )
  }
  return <input {...common} value={value ?? ''} />
}

/** Codes as options, each shown as words. */
export const optionsOf = (codes: readonly string[]) => codes.map((code): Option => [code, words(code)])

/** Remarks as a list; nothing where there are none. */
export function Remarks({ id, remarks }: { id?: string; remarks: Remark[] }) {
  if (remarks.length === 0) return null
  return (
    <ul class="rules" {...(id ? { id } : {})}>
      {remarks.map(({ code, tone, text }) => (
        <li>
          <Badge state={code} tone={tone} /> <span>{text}</span>
        </li>
      ))}
    </ul>
  )
}

/** A checkbox with its label. */
export function Tick({ name, checked, children }: { name: string; checked: boolean; children: unknown }) {
  return (
    <label class="tick">
      <input type="checkbox" name={name} checked={checked} />
      {children}
    </label>
  )
}
