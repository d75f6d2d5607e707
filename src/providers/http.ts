import type { Outcome } from './carrier.ts'
import { quote } from './message.ts'

export type Answer = { status: number; headers: Headers; text: string; body: Record<string, unknown> }

/** More than this no carrier says about one message; the rest of an answer is not read. */
const ANSWER_LIMIT = 65_536

/**
 * One POST with a time limit over request and answer. Whatever keeps the answer from being read is ambiguous: inside
 * workerd a refused connection cannot be told from one that was cut after the carrier had read everything.
 */
export async function post(
  url: string,
  init: { headers: HeadersInit; body: string },
  timeoutMs: number,
): Promise<Answer | (Outcome & { kind: 'ambiguous' })> {
  try {
    const signal = AbortSignal.timeout(timeoutMs)
    const response = await fetch(url, { ...init, method: 'POST', redirect: 'manual', signal })
    const text = await read(response)
    return { status: response.status, headers: response.headers, text, body: parse(text) }
  } catch (error) {
    const timedOut = error instanceof Error && error.name === 'TimeoutError'
    return ambiguous(
      timedOut ? 'timeout' : 'network',
      timedOut ? `no answer in ${timeoutMs} ms` : 'connection lost',
    )
  }
}

/** The message may have been taken: nobody knows. */
export function ambiguous(code: string, detail: string) {
  return { kind: 'ambiguous' as const, code, detail }
}

/** A definite no, in the carrier's own words. */
export function refuse(
  kind: 'refused_permanent' | 'refused_retry',
  code: string,
  answer: Answer,
  secrets: string[],
) {
  return { kind, code, detail: saying(answer, secrets), recipients: [] }
}

/** Come back later, and when. */
export function throttle(code: string, answer: Answer, secrets: string[]): Outcome {
  return {
    kind: 'throttled',
    code,
    detail: saying(answer, secrets),
    retryAfterMs: retryAfterMs(answer.headers),
  }
}

/** The reason in a carrier's answer: its message where there is one, never the request it may have repeated. */
export function saying({ status, body }: Answer, secrets: string[]) {
  const words = body.message ?? body.Message
  return quote(`${status} ${typeof words === 'string' ? words : ''}`, secrets)
}

function retryAfterMs(headers: Headers) {
  const value = headers.get('retry-after')?.trim()
  if (!value) return null
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : null
}

async function read(response: Response) {
  const decoder = new TextDecoder()
  let text = ''
  const reader = response.body?.getReader()
  while (reader && text.length < ANSWER_LIMIT) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    text += decoder.decode(value, { stream: true })
  }
  void reader?.cancel().catch(() => {})
  return text
}

function parse(text: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null && !Array.isArray(body) ? { ...body } : {}
  } catch {
    return {}
  }
}
