import { Fault } from '../../../core/ground/fault.ts'
import { fileOf } from '../../http.ts'
import type { PortalContext } from '../context.ts'

/** Rows that one import may have. */
const ROWS_AT_MOST = 1_000
/** A cell that begins like this would be run as a formula by a spreadsheet. */
const FORMULA = /^[=+\-@\t\r]/

type Cell = string | Date | null

/** A list that is exported whole, and how to read it part by part. */
type Exported<Row> = {
  head: string[]
  list: (part: { before: string | undefined; limit: number }) => Promise<Row[]>
  idOf: (row: Row) => string
  cells: (row: Row) => Cell[]
}

/** Rows that an export reads at a time. */
const AT_ONCE = 1_000

/** Answers with a list as a CSV file (RFC 4180). No cell can run as a formula. */
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

/** The rows of a CSV file, keyed by the column names in its first line. Throws `invalid` without an `email` column or with too many rows. */
export function fromCsv(text: string): Record<string, string>[] {
  const [head, ...rows] = cellsOf(text.replace(/^\ufeff/, '')).filter((row) =>
    row.some((cell) => cell !== ''),
  )
  if (!head?.includes('email')) {
    throw new Fault('invalid', 'The first line of the file must name its columns. One must be "email".', {
      field: 'file',
    })
  }
  if (rows.length > ROWS_AT_MOST) {
    throw new Fault('invalid', `A file may have at most ${ROWS_AT_MOST} rows; this one has ${rows.length}.`, {
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
