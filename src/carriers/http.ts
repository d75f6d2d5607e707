import type {
  Carrier,
  CarrierName,
  Outcome,
  OutgoingMessage,
  RefusedRecipient,
} from '../core/delivery/carrier.ts'
import { carrierOf, quote } from './message.ts'

export type Answer = { status: number; headers: Headers; text: string; body: Record<string, unknown> }

/** No carrier needs more for one message; the rest of an answer is not read. In characters. */
const ANSWER_AT_MOST = 65_536

type Call = {
  url: string
  headers: HeadersInit
  body: string | FormData
  read: (answer: Answer) => Outcome
}

/** A carrier that is called by one POST for each message. */
export function httpCarrier(
  name: CarrierName,
  timeoutMs: number | undefined,
  callFor: (message: OutgoingMessage) => Call | Promise<Call>,
): Carrier {
  return carrierOf(name, async (message) => {
    const { url, headers, body, read } = await callFor(message)
    const answer = await post(url, { headers, body }, timeoutMs ?? 20_000)
    return 'kind' in answer ? answer : read(answer)
  })
}

/**
 * One POST with a time limit for request and answer together. Any failure to read the answer is ambiguous: inside workerd a
 * refused connection looks like one that was cut after the carrier had read everything.
 */
async function post(
  url: string,
  init: { headers: HeadersInit; body: string | FormData },
  timeoutMs: number,
): Promise<Answer | (Outcome & { kind: 'ambiguous' })> {
  try {
    const signal = AbortSignal.timeout(timeoutMs)
    const response = await fetch(url, { ...init, method: 'POST', redirect: 'manual', signal })
    const text = await readText(response, ANSWER_AT_MOST)
    return { status: response.status, headers: response.headers, text, body: parse(text) }
  } catch (error) {
    const timedOut = error instanceof Error && error.name === 'TimeoutError'
    return ambiguous(
      timedOut ? 'timeout' : 'network',
      timedOut ? `no answer in ${timeoutMs} ms` : 'connection lost',
    )
  }
}

/** Nobody can say whether the carrier took the message. */
export function ambiguous(code: string, detail: string) {
  return { kind: 'ambiguous' as const, code, detail }
}

/** What a carrier's file reads from an answer that is no acceptance. */
type Reading = {
  code: string
  /** The refusal is about the message, not about our account: no other carrier would take the message either. */
  isPermanent: boolean
  /** The carrier asks us to wait, but not by status 429. */
  isThrottled?: boolean
  /** The recipients that the refusal names. */
  recipients?: RefusedRecipient[]
  /** Texts to remove from the carrier's own words before these are stored. */
  secrets: string[]
}

/** A request that timed out, or a second one with the same key: the message may have been taken all the same. */
const UNDECIDED = [408, 409, 425, 499]

/**
 * The outcome of an answer that is no acceptance. A redirect or a 4xx is a refusal, but not one of `UNDECIDED`. All other
 * answers are ambiguous.
 */
export function classify(answer: Answer, reading: Reading): Outcome {
  const { status } = answer
  const { code, isPermanent, isThrottled = false, recipients = [], secrets } = reading
  if (status < 300 || status >= 500 || UNDECIDED.includes(status))
    return ambiguous(code, `status ${status} does not say whether the message was taken`)
  const detail = reasonIn(answer, secrets)
  if (status === 429 || isThrottled)
    return { kind: 'throttled', code, detail, retryAfterMs: retryAfterMs(answer.headers) }
  const kind = isPermanent && status >= 400 ? 'refused_permanent' : 'refused_retry'
  return { kind, code, detail, recipients }
}

/** A URL from a base, with or without slashes at its end, and a path. */
export function under(baseUrl: string, path: string) {
  return baseUrl.replace(/\/+$/, '') + path
}

/** The status of a carrier's answer, and its message if there is one. The rest may repeat the request, so it is left out. */
function reasonIn({ status, body }: Answer, secrets: string[]) {
  const words = body.message ?? body.Message ?? firstError(body.errors)
  return quote(`${status} ${typeof words === 'string' ? words : ''}`, secrets)
}

function firstError(errors: unknown): unknown {
  const [first]: unknown[] = Array.isArray(errors) ? errors : []
  return typeof first === 'object' && first !== null && 'message' in first ? first.message : null
}

/** How long to wait: by `Retry-After` (seconds or a date), or until the second in which SendGrid's window ends. */
function retryAfterMs(headers: Headers) {
  const reset = Number(headers.get('x-ratelimit-reset') ?? Number.NaN)
  const value = headers.get('retry-after')?.trim()
  if (!value) return reset > 0 && reset < 1e10 ? Math.max(0, reset * 1000 - Date.now()) : null
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : null
}

/** The text of an answer; reading stops soon after this many characters. */
export async function readText(response: Response, atMost: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  const reader = response.body?.getReader()
  while (reader && text.length <= atMost) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    text += decoder.decode(value, { stream: true })
  }
  void reader?.cancel().catch(() => {})
  return text
}

/** Keys must not travel unencrypted, except to this machine. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return (
    protocol === 'https:' || (protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname))
  )
}

function parse(text: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null && !Array.isArray(body) ? { ...body } : {}
  } catch {
    return {}
  }
}
