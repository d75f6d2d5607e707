import { createHash, timingSafeEqual } from 'node:crypto'

const MINUTE_MS = 60_000

/** The bytes as UTF-8, or null where they are not; a byte order mark stays, for it was signed too. */
export function textOf(body: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    return null
  }
}

/** The JSON value, or undefined where the text is none. Of keys that come twice the last counts, here and for signatures. */
export function parse(text: string | null): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}

/** Compares secrets in a time that tells neither where nor whether their lengths differ. */
export function isSame(given: string, expected: string): boolean {
  const [a, b] = [given, expected].map((text) => createHash('sha256').update(text).digest())
  return a !== undefined && b !== undefined && timingSafeEqual(a, b)
}

/** The bytes of canonical base64 (RFC 4648, section 4); null for any other spelling, and for none. */
export function decode(base64: string): Buffer | null {
  const bytes = Buffer.from(base64, 'base64')
  return bytes.length > 0 && bytes.toString('base64') === base64 ? bytes : null
}

/** Unix seconds, as ten digits, no further than five minutes from now. */
export function isRecent(seconds: string, now: Date): boolean {
  return /^\d{10}$/.test(seconds) && isWithin(new Date(Number(seconds) * 1000), now, 5 * MINUTE_MS)
}

/** Whether a moment is no older than this, and no more than five minutes ahead of now. */
export function isWithin(at: Date, now: Date, oldestMs: number): boolean {
  const ageMs = now.getTime() - at.getTime()
  return ageMs <= oldestMs && ageMs >= -5 * MINUTE_MS
}
