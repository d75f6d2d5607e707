const FORM = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/
/** What ISO 8601 writes with a year of four digits, in microseconds. */
const LAST = Date.UTC(9999, 11, 31, 23, 59, 59, 999) * 1000

/**
 * A moment in microseconds since 1970 as ISO 8601 in UTC, exactly: without fraction for whole seconds, else with three
 * digits, else with six. Later moments need not be greater texts: compare what `readMoment` gives.
 */
export function momentText(at: number): string {
  const micros = at % 1_000_000
  const seconds = new Date((at - micros) / 1000).toISOString().slice(0, 19)
  if (micros === 0) return `${seconds}Z`
  const digits = String(micros).padStart(6, '0')
  return `${seconds}.${micros % 1000 === 0 ? digits.slice(0, 3) : digits}Z`
}

/**
 * The microseconds since 1970 that a text of RFC 3339 means, whatever its offset; null for anything else. What is finer is
 * cut off, and what lies beyond the year 2255 may be some microseconds off.
 */
export function readMoment(text: string): number | null {
  const [, base, fraction = '', sign, hours, minutes] = FORM.exec(text.toUpperCase()) ?? []
  if (base === undefined) return null
  const utc = Date.parse(`${base}Z`)
  // A parser may take the 30th of February for the 2nd of March.
  if (Number.isNaN(utc) || !new Date(utc).toISOString().startsWith(base)) return null
  const offset = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000 * (sign === '-' ? -1 : 1)
  const at = (utc - offset) * 1000 + Number(fraction.slice(0, 6).padEnd(6, '0'))
  return at >= 0 && at <= LAST ? at : null
}
