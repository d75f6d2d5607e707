import { createHash } from 'node:crypto'
import type { Range, View } from './view.ts'

/**
 * A text that must never leave, in the form that is stored: the text cannot be read from it, but it can be found in a
 * message. Only letters and digits count, in lower case. `probe` is a rolling hash of the first `WINDOW` of them, `length`
 * their number and `hash` the SHA-256 of all.
 */
export type Canary = { id: string; probe: number; length: number; hash: string }

/** The fewest letters and digits in a canary. A text is searched for this many first ones of every canary in one pass. */
export const WINDOW = 12
export const LENGTH_AT_MOST = 256

const BASE = 0x01000193

/** Makes the stored form of a canary. Null if it has too few or too many letters and digits. */
export function sealCanary(tenantId: string, value: string): Omit<Canary, 'id'> | null {
  const { codes } = lettersOf(value)
  if (codes.length < WINDOW || codes.length > LENGTH_AT_MOST) return null
  let probe = 0
  for (let at = 0; at < WINDOW; at++) probe = (Math.imul(probe, BASE) + (codes[at] ?? 0)) | 0
  return { probe, length: codes.length, hash: hashOf(tenantId, codes) }
}

/** Finds the tenant's canaries in a text. Case, and characters that are no letters or digits, are ignored. */
export function findCanaries(
  { text }: View,
  tenantId: string,
  canaries: Canary[],
): { id: string; range: Range }[] {
  if (canaries.length === 0 || text.length < WINDOW) return []
  const byProbe = Map.groupBy(canaries, ({ probe }) => probe)
  const { codes, places } = lettersOf(text)
  let leaving = 1
  for (let at = 0; at < WINDOW; at++) leaving = Math.imul(leaving, BASE)
  const found: { id: string; range: Range }[] = []
  let sum = 0
  for (let at = 0; at < codes.length; at++) {
    sum = (Math.imul(sum, BASE) + (codes[at] ?? 0)) | 0
    if (at >= WINDOW) sum = (sum - Math.imul(leaving, codes[at - WINDOW] ?? 0)) | 0
    if (at < WINDOW - 1) continue
    const start = at - WINDOW + 1
    for (const { id, length, hash } of byProbe.get(sum) ?? []) {
      if (start + length > codes.length) continue
      if (hashOf(tenantId, codes.subarray(start, start + length)) !== hash) continue
      found.push({ id, range: [places[start] ?? 0, (places[start + length - 1] ?? 0) + 1] })
    }
  }
  return found
}

/** The letters and digits of a text in lower case, and their places in it. */
function lettersOf(text: string): { codes: Uint16Array; places: Uint32Array } {
  const codes = new Uint16Array(text.length)
  const places = new Uint32Array(text.length)
  let count = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    let letter = code
    if (code < 128) {
      if (code >= 65 && code <= 90) letter = code + 32
      else if (!((code >= 97 && code <= 122) || (code >= 48 && code <= 57))) continue
    } else {
      const character = text.charAt(at).toLowerCase()
      if (!/[\p{L}\p{Nd}\p{Cs}]/u.test(character)) continue
      letter = character.charCodeAt(0)
    }
    codes[count] = letter
    places[count] = at
    count++
  }
  return { codes: codes.subarray(0, count), places: places.subarray(0, count) }
}

function hashOf(tenantId: string, codes: Uint16Array): string {
  const text = Array.from(codes, (code) => String.fromCharCode(code)).join('')
  return createHash('sha256').update(`${tenantId}\n${text}`).digest('hex')
}
