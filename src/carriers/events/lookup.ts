import { readText } from '../http.ts'
import type { Reach } from './report.ts'

const LIMIT_MS = 5_000

/**
 * One GET within five seconds, without redirects. Null if there was no answer, or one that may change: the carrier is asked
 * again when it repeats its report. An answer is cut after `atMost` characters, so a longer one cannot be parsed.
 */
export async function lookUp(
  { fetch }: Reach,
  url: string,
  { atMost, headers = {} }: { atMost: number; headers?: Record<string, string> },
): Promise<{ status: number; text: string } | null> {
  try {
    const signal = AbortSignal.timeout(LIMIT_MS)
    const response = await fetch(url, { headers, redirect: 'manual', signal })
    const text = (await readText(response, atMost)).slice(0, atMost)
    const { status } = response
    return status >= 500 || status === 408 || status === 429 ? null : { status, text }
  } catch {
    return null
  }
}
