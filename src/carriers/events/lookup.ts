import type { Reach } from './report.ts'

const LIMIT_MS = 5_000

/**
 * One GET, not redirected, over in five seconds. Null where there was no answer, or one that will change: the carrier is
 * asked again when it repeats its report. An answer longer than `atMost` characters is cut, and so understood by nobody.
 */
export async function lookUp(
  { fetch }: Reach,
  url: string,
  { atMost, headers = {} }: { atMost: number; headers?: Record<string, string> },
): Promise<{ status: number; text: string } | null> {
  try {
    const signal = AbortSignal.timeout(LIMIT_MS)
    const response = await fetch(url, { headers, redirect: 'manual', signal })
    const text = await read(response, atMost)
    const { status } = response
    return status >= 500 || status === 408 || status === 429 ? null : { status, text }
  } catch {
    return null
  }
}

async function read(response: Response, atMost: number) {
  const decoder = new TextDecoder()
  const reader = response.body?.getReader()
  let text = ''
  while (reader && text.length <= atMost) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    text += decoder.decode(value, { stream: true })
  }
  void reader?.cancel().catch(() => {})
  return text.slice(0, atMost)
}
