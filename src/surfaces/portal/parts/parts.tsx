import type { PortalContext } from '../session.ts'

/** A moment, to the minute, in UTC. */
export function Time({ at }: { at: Date | null }) {
  if (!at) return <span class="soft">never</span>
  return (
    <time class="num" datetime={at.toISOString()}>
      {minuteOf(at)}
    </time>
  )
}

/** The same as a text. */
export const minuteOf = (at: Date) => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`

export type Tone = 'good' | 'bad' | 'wait' | 'calm' | ''

const TONES: Record<string, Tone> = {
  ...tones('good', 'delivered accepted approved active published granted verified sandboxed owner posted'),
  ...tones(
    'bad',
    'blocked failed bounced complained rejected dead suspended banned frozen revoked refused captured past_due canceled',
  ),
  ...tones(
    'wait',
    'pending pending_approval scheduled retry_wait unknown expired paused draft pending_claim',
  ),
  ...tones('calm', 'queued rendering ready claimed in_flight judging approver viewer'),
}

function tones(tone: Tone, states: string): Record<string, Tone> {
  return Object.fromEntries(states.split(' ').map((state) => [state, tone]))
}

export const toneOf = (state: string): Tone => TONES[state] ?? ''

/** A state in its words; the colour only repeats what they say. */
export function Badge({ state, tone }: { state: string; tone?: Tone }) {
  return <span class={`badge ${tone ?? toneOf(state)}`}>{state.replaceAll('_', ' ')}</span>
}

/** Says a role again that an element loses where it is laid out as a block. */
const as = (role: string) => ({ role })

/** A table that becomes a list of cards on a narrow screen; each row is keyed by its cells' headings. */
export function Table({ caption, head, rows }: { caption: string; head: string[]; rows: unknown[][] }) {
  return (
    <table {...as('table')}>
      <caption class="visually-hidden">{caption}</caption>
      <thead {...as('rowgroup')}>
        <tr {...as('row')}>
          {head.map((name) => (
            <th scope="col" {...as('columnheader')}>
              {name === '' ? <span class="visually-hidden">Actions</span> : name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody {...as('rowgroup')}>
        {rows.map((cells) => (
          <tr {...as('row')}>
            {cells.map((cell, position) => (
              <td {...as('cell')} data-label={head[position]}>
                <div {...(isLong(cell) ? { class: 'long' } : {})}>{cell}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** Whether a text holds a word that may have to be broken. */
const isLong = (cell: unknown) => typeof cell === 'string' && /\S{20}/.test(cell)

export function Empty({ children }: { children: unknown }) {
  return (
    <div class="empty">
      <p>{children}</p>
    </div>
  )
}

/** A form that posts to us, with the token of its session, and an id by which two submits of it are one. */
export function Form(props: {
  c: PortalContext
  action: string
  class?: string
  upload?: boolean
  children: unknown
}) {
  return (
    <form
      method="post"
      action={props.action}
      {...(props.class ? { class: props.class } : {})}
      {...(props.upload ? { enctype: 'multipart/form-data' } : {})}
    >
      <input type="hidden" name="csrf" value={props.c.get('csrf') ?? ''} />
      <input type="hidden" name="once" value={crypto.randomUUID()} />
      {props.children}
    </form>
  )
}

/** What is to be said of what stands in a field, though it may stand there. */
export type Remark = { code: string; tone: Tone; text: string }

type FieldProps = {
  c: PortalContext
  label: string
  name: string
  /** What stands in it at first; what was written in it stands there instead where its form is shown again. */
  value?: string | number | null | undefined
  hint?: string
  remarks?: Remark[]
  /** Names by which the core may call this field. */
  alias?: string[]
  /** Whether what was written in it is never shown again. */
  isSecret?: boolean
  rows?: number
  options?: [value: string, label: string][]
  attributes?: Record<string, string | number | boolean>
}

/** A labelled field; what is wrong with it stands beside it and is read out with it. */
export function Field({
  c,
  label,
  name,
  value: standing,
  hint,
  remarks = [],
  alias = [],
  isSecret = false,
  rows,
  options,
  attributes = {},
}: FieldProps) {
  const wrong = c.get('wrong')
  const isWrong = wrong && [name, ...alias].includes(wrong.field)
  const given = isSecret ? undefined : c.get('given')?.[name]
  const value = options?.every(([of]) => of !== given) ? standing : (given ?? standing)
  const ids = [
    hint ? `${name}-hint` : '',
    isWrong ? `${name}-wrong` : '',
    remarks.length > 0 ? `${name}-remarks` : '',
  ].filter((id) => id !== '')
  const common = {
    name,
    id: name,
    ...attributes,
    ...(ids.length > 0 ? { 'aria-describedby': ids.join(' ') } : {}),
    ...(isWrong ? { 'aria-invalid': 'true' } : {}),
  }
  const control = options ? (
    <select {...common}>
      {options.map(([of, text]) => (
        <option value={of} selected={String(value ?? '') === of}>
          {text}
        </option>
      ))}
    </select>
  ) : rows ? (
    <textarea {...common} rows={rows}>
      {value ?? ''}
    </textarea>
  ) : (
    <input {...common} value={value ?? ''} />
  )
  return (
    <div class="field">
      <label for={name}>{label}</label>
      {hint ? (
        <span class="hint" id={`${name}-hint`}>
          {hint}
        </span>
      ) : null}
      {control}
      {isWrong ? (
        <span class="wrong" id={`${name}-wrong`}>
          {wrong.message}
        </span>
      ) : null}
      <Remarks id={`${name}-remarks`} remarks={remarks} />
    </div>
  )
}

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

/** The link to the next page of a list, if there is one; the filters stay, and so do the pages of other lists. */
export function Pager({ c, of: { next, by = 'before', further = 'Older' }, caption }: PagerProps) {
  const here = new URL(c.req.url)
  const first = new URLSearchParams(here.search)
  const isFirst = !first.has(by)
  first.delete(by)
  const following = new URLSearchParams(first)
  if (next !== null) following.set(by, next)
  if (isFirst && next === null) return null
  return (
    <nav class="pager" aria-label={`Pages of ${caption}`}>
      {isFirst ? null : (
        <a class="button" href={`${here.pathname}?${first}`}>
          First page<span class="visually-hidden">: {caption}</span>
        </a>
      )}
      {next === null ? null : (
        <a class="button" rel="next" href={`${here.pathname}?${following}`}>
          {further}
          <span class="visually-hidden">: {caption}</span>
        </a>
      )}
    </nav>
  )
}

type PagerProps = { c: PortalContext; of: Omit<Paged<unknown>, 'shown'>; caption: string }

export const PAGE = 50

/** How pages of a list are asked for, where not by `before`, and what leads to the next one, where that is not older. */
type Ways = { by?: string; further?: string }

/** The rows of one page of a list, and where the next page begins. */
export type Paged<Row> = { shown: Row[]; next: string | null } & Ways

/** The rows of one page of a list that was asked for one row more, and where the next page begins. */
export function paged<Row>(rows: Row[], idOf: (row: Row) => string, ways: Ways = {}): Paged<Row> {
  const shown = rows.slice(0, PAGE)
  const last = shown.at(-1)
  return { shown, next: rows.length > PAGE && last ? idOf(last) : null, ...ways }
}

/** The page of a list that the query asks for. */
export async function pageOf<Row>(
  c: PortalContext,
  list: (page: { before: string | undefined; limit: number }) => Promise<Row[]>,
  idOf: (row: Row) => string,
  ways: Ways = {},
): Promise<Paged<Row>> {
  return paged(await list({ before: asked(c, ways.by ?? 'before'), limit: PAGE + 1 }), idOf, ways)
}

/** A page of a list as a table, or what is said where it has no rows, and the way to the next page. */
export function Listing<Row>({
  c,
  of,
  caption,
  head,
  row,
  children,
}: {
  c: PortalContext
  of: Paged<Row>
  caption: string
  head: string[]
  row: (row: Row) => unknown[]
  /** Said where the list is empty. */
  children: unknown
}) {
  return (
    <>
      {of.shown.length === 0 ? (
        <Empty>{children}</Empty>
      ) : (
        <Table caption={caption} head={head} rows={of.shown.map(row)} />
      )}
      <Pager c={c} of={of} caption={caption} />
    </>
  )
}

/** A parameter of the query, or undefined where it is absent or empty. */
export function asked(c: PortalContext, name: string): string | undefined {
  const value = c.req.query(name)?.trim().slice(0, 500)
  return value === '' ? undefined : value
}

/** An id in its own type; long ones break anywhere. */
export const Id = ({ children }: { children: unknown }) => <code>{children}</code>

/** A button that puts a text on the clipboard: there where scripts run, and without them the text is selected as any other. */
export function Copy({ text, what }: { text: string; what: string }) {
  return (
    <button type="button" class="small" hidden data-copy={text}>
      Copy<span class="visually-hidden"> {what}</span>
    </button>
  )
}
