import { getTableColumns, type SQL, sql } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { Env } from '../../env.ts'

/** A value that D1 can bind. */
export type SqlValue = string | number | null | ArrayBuffer
type Values = Record<string, SqlValue>

/** A statement of fixed text. Every method takes a value for each `:name` in the text, and no others. */
export type Statement<Row> = {
  text: string
  /** For a batch; read its result with `rows`. */
  bind(env: Pick<Env, 'DB'>, values: Values): D1PreparedStatement
  all(env: Pick<Env, 'DB'>, values: Values): Promise<Row[]>
  first(env: Pick<Env, 'DB'>, values: Values): Promise<Row | null>
  /** Runs the statement and returns how many rows it changed. */
  run(env: Pick<Env, 'DB'>, values: Values): Promise<number>
  /** The rows of this statement's result in a batch; none if the batch has no such result. */
  rows(result: D1Result | undefined): Row[]
}

/**
 * The one way to write SQL as text. Parameters are written `:name`; a name may stand in several places. The text is
 * compiled once, when the module is loaded: D1 itself knows only numbered parameters. If the values do
 * not match the names, throws an error that names the parameter.
 */
export function statement<Row = never>(text: string): Statement<Row> {
  const names: string[] = []
  const numbered = pieces(text)
    .map((piece) => {
      if (piece.kind === 'text') return piece.text
      if (!names.includes(piece.name)) names.push(piece.name)
      return `?${names.indexOf(piece.name) + 1}`
    })
    .join('')
  const bind = ({ DB }: Pick<Env, 'DB'>, values: Values) =>
    DB.prepare(numbered).bind(...valuesInOrder(names, values))
  return {
    text,
    bind,
    all: async (env, values) => (await bind(env, values).all<Row>()).results,
    first: async (env, values) => await bind(env, values).first<Row>(),
    run: async (env, values) => (await bind(env, values).run()).meta.changes,
    rows: (result) => (result?.results ?? []) as Row[],
  }
}

/** Makes text with `:name` parameters, such as a rule's fragment, part of a query that drizzle builds. */
export function fragment(text: string, values: Values = {}): SQL {
  const parts = pieces(text)
  const names = parts.flatMap((piece) => (piece.kind === 'name' ? piece.name : []))
  valuesInOrder([...new Set(names)], values)
  return sql.join(
    parts.map((piece) => (piece.kind === 'text' ? sql.raw(piece.text) : sql`${values[piece.name]}`)),
  )
}

/**
 * For `insert(table).select(…)`: one row that is written only if `condition` holds when the statement runs. Columns that are left
 * out get their defaults.
 */
export function rowWhere<Table extends SQLiteTable>(
  table: Table,
  row: Table['$inferInsert'],
  condition: SQL,
): SQL {
  const given: Record<string, unknown> = row
  const values = Object.entries(getTableColumns(table)).map(([name, column]) =>
    sql.param(given[name] ?? column.default ?? null, column),
  )
  return sql`SELECT ${sql.join(values, sql`, `)} WHERE ${condition}`
}

type Piece = { kind: 'text'; text: string } | { kind: 'name'; name: string }

/** A parameter, or a quoted string or identifier: in those a colon means nothing. */
const QUOTED_OR_NAME = /'(?:[^']|'')*'|"[^"]*"|`[^`]*`|:([a-zA-Z]\w*)/g

function pieces(text: string): Piece[] {
  const found: Piece[] = []
  let end = 0
  for (const match of text.matchAll(QUOTED_OR_NAME)) {
    const [whole, name] = match
    if (name === undefined) continue
    found.push({ kind: 'text', text: text.slice(end, match.index) }, { kind: 'name', name })
    end = match.index + whole.length
  }
  return [...found, { kind: 'text', text: text.slice(end) }]
}

function valuesInOrder(names: string[], values: Values): SqlValue[] {
  const unknown = Object.keys(values).find((name) => !names.includes(name))
  if (unknown !== undefined) throw new Error(`the statement has no parameter :${unknown}`)
  return names.map((name) => {
    const value = values[name]
    if (value === undefined) throw new Error(`the parameter :${name} has no value`)
    return value
  })
}
