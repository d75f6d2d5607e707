/** A setting: what it is, and in which direction it gets laxer, or why in none. */
export type Entry<Value, Around> = {
  /** The field of the requests that change it. */
  field: string
  name: string
} & (
  | {
      laxer: string
      isLaxer: (from: Value, to: Value, around: Around) => boolean
      /** A value stricter than any two of which each is laxer than the other in some plan or tier. */
      strictest?: (around: Around) => Value
      show?: (value: Value) => string
    }
  | { laxer: null; why: string }
)

export type Table<Row, Around> = { [Column in keyof Row]: Entry<Row[Column], Around> }

/** One setting that a change makes laxer: its field, its name, and its present value in words. */
export type Loosened = { field: string; name: string; present: string; wanted: string; laxer: string }

/** The settings that a change makes laxer. Fields that are left out keep their values. */
export function loosened<Row extends object, Around>(
  table: Table<Row, Around>,
  from: Row,
  change: { [Column in keyof Row]?: Row[Column] | undefined },
  around: Around,
): Loosened[] {
  return columnsOf(table).flatMap((column) => {
    const entry = table[column]
    const to = change[column]
    if (to === undefined || entry.laxer === null || !entry.isLaxer(from[column], to, around)) return []
    const { field, name, laxer, show = String } = entry
    return [{ field, name, laxer, present: show(from[column]), wanted: show(to) }]
  })
}

/** A row as strict in every setting as the strictest of these. What has no direction is taken from the first. */
export function strictest<Row extends object, Around>(
  table: Table<Row, Around>,
  [first, ...others]: [Row, ...Row[]],
  around: Around,
): Row {
  const row = { ...first }
  for (const column of columnsOf(table)) {
    const entry = table[column]
    if (entry.laxer === null) continue
    row[column] = others.reduce((value, other) => {
      if (!entry.isLaxer(other[column], value, around)) return value
      if (!entry.isLaxer(value, other[column], around)) return other[column]
      return entry.strictest?.(around) ?? value
    }, first[column])
  }
  return row
}

export function columnsOf<Row extends object, Around>(table: Table<Row, Around>): (keyof Row)[] {
  return Object.keys(table) as (keyof Row)[]
}
