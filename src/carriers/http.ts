import type { Outcome, RefusedRecipient } from '../core/delivery/carrier.ts'
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
  init: { headers: HeadersInit; body: string | FormData },
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

/** What a carrier's file makes out in an answer that is no acceptance. */
export type Reading = {
  code: string
  /** The refusal speaks of the message, not of the account: no other carrier would take it either. */
  isPermanent: boolean
  /** Come back later, said otherwise than by 429. */
  isThrottled?: boolean
  /** Whom the refusal names. */
  recipients?: RefusedRecipient[]
  /** What must not be repeated when the carrier's own words are kept. */
  secrets: string[]
}

/** A request that was given up, or another one with the same key: the message may have been taken all the same. */
const OPEN = [408, 409, 425, 499]

/** What an answer means that is no acceptance. Only a redirect and a 4xx say no; all else is ambiguous. */
export function classify(answer: Answer, reading: Reading): Outcome {
  const { status } = answer
  const { code, isPermanent, isThrottled = false, recipients = [], secrets } = reading
  if (status < 300 || status >= 500 || OPEN.includes(status))
    return ambiguous(code, `${status} is no answer to rely on`)
  const detail = saying(answer, secrets)
  if (status === 429 || isThrottled)
    return { kind: 'throttled', code, detail, retryAfterMs: retryAfterMs(answer.headers) }
  const kind = isPermanent && status >= 400 ? 'refused_permanent' : 'refused_retry'
  return { kind, code, detail, recipients }
}

/** The address of one call, whatever slashes its base ends in. */
export function under(baseUrl: string, path: string) {
  return baseUrl.replace(/\/+$/, '') + path
}

/** The reason in a carrier's answer: its message where there is one, never the request it may have repeated. */
function saying({ status, body }: Answer, secrets: string[]) {
  const words = body.message ?? body.Message ?? firstError(body.errors)
  return quote(`${status} ${typeof words === 'string' ? words : ''}`, secrets)
}

function firstError(errors: unknown): unknown {
  const [first]: unknown[] = Array.isArray(errors) ? errors : []
  return typeof first === 'object' && first !== null && 'message' in first ? first.message : null
}

/** `Retry-After` in seconds or as a date, or the second in which SendGrid's window ends. */
function retryAfterMs(headers: Headers) {
  const reset = Number(headers.get('x-ratelimit-reset') ?? Number.NaN)
  const value = headers.get('retry-after')?.trim()
  if (!value) return reset > 0 && reset < 1e10 ? Math.max(0, reset * 1000 - Date.now()) : null
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
