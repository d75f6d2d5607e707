import { createHash, timingSafeEqual } from 'node:crypto'

const MINUTE_MS = 60_000

/** The bytes read as UTF-8, or null if they are not UTF-8. A byte order mark stays, because it is signed, too. */
export function textOf(body: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    return null
  }
}

/** The JSON value, or undefined if the text is no JSON. Of repeated keys the last one counts. */
export function parse(text: string | null): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}

/** Compares secrets in constant time, whatever their lengths. */
export function isSame(given: string, expected: string): boolean {
  const [a, b] = [given, expected].map((text) => createHash('sha256').update(text).digest())
  return a !== undefined && b !== undefined && timingSafeEqual(a, b)
}

/** The bytes of canonical base64 (RFC 4648, section 4); null for any other text, or an empty one. */
export function decode(base64: string): Buffer | null {
  const bytes = Buffer.from(base64, 'base64')
  return bytes.length > 0 && bytes.toString('base64') === base64 ? bytes : null
}

/** Whether a text is Unix seconds in ten digits, at most five minutes from now. */
export function isRecent(seconds: string, now: Date): boolean {
  return /^\d{10}$/.test(seconds) && isWithin(new Date(Number(seconds) * 1000), now, 5 * MINUTE_MS)
}

/** Whether a time is at most this old, and at most five minutes in the future. */
export function isWithin(at: Date, now: Date, oldestMs: number): boolean {
  const ageMs = now.getTime() - at.getTime()
  return ageMs <= oldestMs && ageMs >= -5 * MINUTE_MS
}
