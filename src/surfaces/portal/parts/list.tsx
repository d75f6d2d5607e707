import type { PortalContext } from '../context.ts'
import { Table } from './table.tsx'
import { Empty } from './text.tsx'

/** Rows on one page of a list. */
export const PAGE = 50

type Paging = {
  /** The query parameter that names where the page begins, if not `before`. */
  by?: string
  /** The text of the link to the next page, if not "Older". */
  further?: string
}

/** The rows of one page of a list, and where the next page begins. */
export type Paged<Row> = { shown: Row[]; next: string | null } & Paging

type Lister<Row> = (page: { before: string | undefined; limit: number }) => Promise<Row[]>

/** Makes a page of a list that was read with one row more than a page holds. */
export function paged<Row>(rows: Row[], idOf: (row: Row) => string, paging: Paging = {}): Paged<Row> {
  const shown = rows.slice(0, PAGE)
  const last = shown.at(-1)
  return { shown, next: rows.length > PAGE && last ? idOf(last) : null, ...paging }
}

/** The page of a list that the query asks for. */
export async function pageOf<Row>(
  c: PortalContext,
  list: Lister<Row>,
  idOf: (row: Row) => string,
  paging: Paging = {},
): Promise<Paged<Row>> {
  return paged(await list({ before: asked(c, paging.by ?? 'before'), limit: PAGE + 1 }), idOf, paging)
}

/** The same, of a list that is ordered by the id of its rows. */
export async function pageById<Row extends { id: string }>(
  c: PortalContext,
  list: Lister<Row>,
  paging: Paging = {},
): Promise<Paged<Row>> {
  return await pageOf(c, list, ({ id }) => id, paging)
}

/** A page of a list as a table, with the links to other pages. The children are shown where the list is empty. */
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

/** The links to the first and the next page of a list. They keep the filters, and the pages of other lists. */
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

/** The fields by which a list is filtered, and the button that shows the result. */
export function Filter({ children }: { children: unknown }) {
  return (
    <form class="row" method="get">
      {children}
      <button type="submit">Show</button>
    </form>
  )
}

/** A parameter of the query, or undefined where it is absent or empty. */
export function asked(c: PortalContext, name: string): string | undefined {
  const value = c.req.query(name)?.trim().slice(0, 500)
  return value === '' ? undefined : value
}
