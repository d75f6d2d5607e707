const FORM = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/
/** The last moment that ISO 8601 writes with a year of four digits, in microseconds. */
const LAST = Date.UTC(9999, 11, 31, 23, 59, 59, 999) * 1000

/**
 * A moment in microseconds since 1970 as ISO 8601 in UTC, exactly: without a fraction for whole seconds, else with three
 * or six digits. These texts do not sort by time: compare the results of `readMoment`.
 */
export function momentText(at: number): string {
  const micros = at % 1_000_000
  const seconds = new Date((at - micros) / 1000).toISOString().slice(0, 19)
  if (micros === 0) return `${seconds}Z`
  const digits = String(micros).padStart(6, '0')
  return `${seconds}.${micros % 1000 === 0 ? digits.slice(0, 3) : digits}Z`
}

/**
 * An RFC 3339 text, with any offset, as microseconds since 1970; null for any other text. Finer fractions are cut off. Beyond
 * the year 2255 the result may be some microseconds off.
 */
export function readMoment(text: string): number | null {
  const [, base, fraction = '', sign, hours, minutes] = FORM.exec(text.toUpperCase()) ?? []
  if (base === undefined) return null
  const utc = Date.parse(`${base}Z`)
  // `Date.parse` may read the 30th of February as the 2nd of March.
  if (Number.isNaN(utc) || !new Date(utc).toISOString().startsWith(base)) return null
  const offset = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000 * (sign === '-' ? -1 : 1)
  const at = (utc - offset) * 1000 + Number(fraction.slice(0, 6).padEnd(6, '0'))
  return at >= 0 && at <= LAST ? at : null
}
