import { Fault } from '../../../core/ground/fault.ts'
import { fileOf } from '../../http.ts'
import type { PortalContext } from '../session.ts'

/** Rows of one import. */
const ROWS_AT_MOST = 1_000
/** What a cell must not begin with lest a spreadsheet takes it for a formula. */
const FORMULA = /^[=+\-@\t\r]/

type Cell = string | Date | null

/** A list that is written to a file, whole. */
type Exported<Row> = {
  head: string[]
  list: (part: { before: string | undefined; limit: number }) => Promise<Row[]>
  idOf: (row: Row) => string
  cells: (row: Row) => Cell[]
}

/** Rows of an exported file that are read together. */
const AT_ONCE = 1_000

/** Answers with a list as a file for spreadsheets: cells are quoted where they must be, and none begins as a formula does. */
export async function csvFile<Row>(c: PortalContext, name: string, exported: Exported<Row>) {
  return await fileOf(c, partsOf(exported), 'text/csv; charset=utf-8', `${name}.csv`)
}

async function* partsOf<Row>({ head, list, idOf, cells }: Exported<Row>): AsyncGenerator<string> {
  yield lineOf(head)
  let before: string | undefined
  do {
    const rows = await list({ before, limit: AT_ONCE })
    yield rows.map((row) => lineOf(cells(row))).join('')
    const last = rows.length === AT_ONCE ? rows.at(-1) : undefined
    before = last && idOf(last)
  } while (before !== undefined)
}

const lineOf = (cells: Cell[]) => `${cells.map(cellText).join(',')}\r\n`

function cellText(value: Cell): string {
  const text = value instanceof Date ? value.toISOString() : (value ?? '')
  const safe = FORMULA.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** The rows of a table by its headings in its first line. Throws `invalid` where it is none, or too long. */
export function fromCsv(text: string): Record<string, string>[] {
  const [head, ...rows] = cellsOf(text.replace(/^\ufeff/, '')).filter((row) =>
    row.some((cell) => cell !== ''),
  )
  if (!head?.includes('email')) {
    throw new Fault('invalid', 'The first line must name the columns, one of them "email".', {
      field: 'file',
    })
  }
  if (rows.length > ROWS_AT_MOST) {
    throw new Fault('invalid', `A file may have ${ROWS_AT_MOST} rows; this one has ${rows.length}.`, {
      field: 'file',
    })
  }
  return rows.map((row) =>
    Object.fromEntries(head.map((name, position) => [name.trim(), row[position] ?? ''])),
  )
}

function cellsOf(text: string): string[][] {
  const rows: string[][] = [[]]
  let cell = ''
  let isQuoted = false
  const end = () => {
    rows.at(-1)?.push(cell)
    cell = ''
  }
  for (let at = 0; at < text.length; at++) {
    const sign = text.charAt(at)
    if (isQuoted) {
      if (sign !== '"') cell += sign
      else if (text.charAt(at + 1) === '"') cell += text.charAt(++at)
      else isQuoted = false
    } else if (sign === '"' && cell === '') isQuoted = true
    else if (sign === ',') end()
    else if (sign === '\n') {
      end()
      rows.push([])
    } else if (sign !== '\r') cell += sign
  }
  end()
  return rows
}
