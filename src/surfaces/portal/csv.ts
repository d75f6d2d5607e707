import { Fault } from '../../core/fault.ts'
import type { PortalContext } from './session.ts'

/** Rows of one import. */
const ROWS_AT_MOST = 1_000
/** What a cell must not begin with lest a spreadsheet takes it for a formula. */
const FORMULA = /^[=+\-@\t\r]/

type Cell = string | Date | null

/** Rows of one exported file. */
export const EXPORT_AT_MOST = 10_000

/** Answers with a table as a file for spreadsheets: cells are quoted where they must be, and none begins as a formula does. */
export function csvFile(c: PortalContext, name: string, head: string[], rows: Cell[][]) {
  const cell = (value: Cell) => {
    const text = value instanceof Date ? value.toISOString() : (value ?? '')
    const safe = FORMULA.test(text) ? `'${text}` : text
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
  }
  const content = [head, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('')
  c.header('Content-Disposition', `attachment; filename="${name}.csv"`)
  return c.body(content, 200, { 'content-type': 'text/csv; charset=utf-8' })
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
