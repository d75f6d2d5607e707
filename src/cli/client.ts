import { type Credentials, readCredentials } from './credentials.ts'
import { Failure, misuse } from './failure.ts'
import { isObject, type Json, type JsonObject, textAt } from './json.ts'
import { VERSION } from './version.ts'

/** The address of `npm run dev`. */
export const DEFAULT_ADDRESS = 'http://localhost:8787'

const TIMEOUT_MS = 30_000

/** How long to wait, in ms, before each repetition of a call that may be repeated. */
const AGAIN_AFTER_MS = [250, 1_000]

export type Connecting = { baseUrl?: string | undefined }

type Query = Record<string, string | number | undefined>

export type Api = {
  address: string
  tenantId: string
  /** The agent that the key is bound to, or null for a key of the whole tenant. */
  agentId: string | null
  /** The origin of the key. */
  source: 'MOLTED_API_KEY' | 'login'
  get: (path: string, query?: Query) => Promise<Json>
  /** Reads all pages of a list that is answered as a bare array. */
  getAll: (path: string) => Promise<Json>
  /** Set `mayRepeat` if making the call twice has the same effect as making it once. */
  post: (path: string, body?: JsonObject, how?: { mayRepeat: boolean }) => Promise<Json>
  patch: (path: string, body: JsonObject) => Promise<Json>
  put: (path: string, body: JsonObject) => Promise<Json>
  delete: (path: string) => Promise<Json>
}

/** The address of the API: from --base-url, else MOLTED_API_URL, else the last login, else the local default. */
export function addressOf({ baseUrl }: Connecting, { current }: Pick<Credentials, 'current'>): string {
  const asked = baseUrl ?? (process.env.MOLTED_API_URL || undefined) ?? current ?? DEFAULT_ADDRESS
  const url = URL.canParse(asked) ? new URL(asked) : null
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '') {
    throw misuse(
      `"${asked}" is not the address of an API`,
      `Give a URL, as in: --base-url ${DEFAULT_ADDRESS}`,
    )
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

/** The API with the key and tenant that go into every request. Fails if there is no key for the address. */
export async function connect(command: { optsWithGlobals: () => Connecting }): Promise<Api> {
  const stored = await readCredentials()
  const address = addressOf(command.optsWithGlobals(), stored)
  const login = stored.logins.get(address)
  const own = process.env.MOLTED_API_KEY?.trim()
  const apiKey = own || login?.apiKey
  if (apiKey === undefined) {
    throw new Failure(
      1,
      `there is no key for ${address}`,
      `Log in with: molted auth login --base-url ${address}\nor set MOLTED_API_KEY.`,
    )
  }
  const known = login?.apiKey === apiKey ? login : await identify(address, apiKey)
  return apiOf(address, apiKey, { ...known, source: own ? 'MOLTED_API_KEY' : 'login' })
}

/** Asks the API which tenant and agent the key belongs to. */
export async function identify(
  address: string,
  apiKey: string,
): Promise<{ tenantId: string; agentId: string | null; answer: Json }> {
  const how = { body: {}, mayRepeat: true }
  const { body: answer } = await call(address, apiKey, 'POST', '/v1/agent/whoami', how)
  const tenantId = textAt(answer, 'tenantId')
  if (tenantId === null)
    throw new Failure(1, `${address} did not say which tenant this key belongs to`, addressHint)
  return { tenantId, agentId: textAt(answer, 'agentId'), answer }
}

function apiOf(
  address: string,
  apiKey: string,
  { tenantId, agentId, source }: Pick<Api, 'tenantId' | 'agentId' | 'source'>,
): Api {
  const ask = async (method: string, path: string, how: How) =>
    (await call(address, apiKey, method, path, how)).body
  return {
    address,
    tenantId,
    agentId,
    source,
    get: (path, query) => ask('GET', path, { query: { tenantId, ...query }, mayRepeat: true }),
    async getAll(path) {
      const all: Json[] = []
      for (let cursor: string | undefined; ; ) {
        const query = { tenantId, cursor }
        const { body, next } = await call(address, apiKey, 'GET', path, { query, mayRepeat: true })
        if (!Array.isArray(body)) return body
        all.push(...body)
        if (next === null) return all
        cursor = next
      }
    },
    post: (path, body, how) => ask('POST', path, { body: { tenantId, ...body }, ...how }),
    patch: (path, body) => ask('PATCH', path, { body: { tenantId, ...body } }),
    put: (path, body) => ask('PUT', path, { query: { tenantId }, body }),
    delete: (path) => ask('DELETE', path, { query: { tenantId } }),
  }
}

type How = { query?: Query; body?: JsonObject; mayRepeat?: boolean }

async function call(
  address: string,
  apiKey: string,
  method: string,
  path: string,
  { query = {}, body, mayRepeat = false }: How,
): Promise<{ body: Json; next: string | null }> {
  // fetch would quote an invalid header, and so the key, in its error message.
  if (!/^[\x21-\x7e]+$/.test(apiKey))
    throw new Failure(1, 'the key contains characters that are not allowed in a key')
  const url = new URL(`${address}${path}`)
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value))
  }
  const request: RequestInit = {
    method,
    redirect: 'manual',
    headers: {
      authorization: `Bearer ${apiKey}`,
      accept: 'application/json',
      'user-agent': `molted/${VERSION}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  }
  const waits = mayRepeat ? [...AGAIN_AFTER_MS] : []
  for (;;) {
    const wait = waits.shift()
    const answer = await attempt(url, request)
    const isPassing = 'unreached' in answer || [429, 502, 503, 504].includes(answer.status)
    if (isPassing && wait !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, wait * (1 + Math.random() / 2)))
      continue
    }
    if ('unreached' in answer) throw unreached(address, answer.unreached)
    const hide = (text: string) =>
      text.replaceAll(apiKey, `${apiKey.slice(0, 8)}…`).replace(/[^\P{Cc}\n]+/gu, ' ')
    return { body: read(address, answer, hide), next: answer.headers.get('x-next-cursor') }
  }
}

type Answer = { status: number; headers: Headers; text: string } | { unreached: string }

async function attempt(url: URL, request: RequestInit): Promise<Answer> {
  try {
    const response = await fetch(url, { ...request, signal: AbortSignal.timeout(TIMEOUT_MS) })
    return { status: response.status, headers: response.headers, text: await response.text() }
  } catch (error) {
    return { unreached: reasonOf(error) }
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'the request failed'
  if (error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`
  const { cause } = error
  if (cause instanceof Error) {
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : null
    return code ?? cause.message
  }
  return error.message
}

const addressHint = 'Is this the address of the API? Set it with --base-url or MOLTED_API_URL.'

function unreached(address: string, reason: string): Failure {
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(new URL(address).hostname)
  const start = isLocal ? 'Is it running? Start it with: npm run dev\n' : ''
  return new Failure(1, `${address} cannot be reached: ${reason}`, `${start}${addressHint}`)
}

function read(
  address: string,
  { status, headers, text }: Exclude<Answer, { unreached: string }>,
  hide: (text: string) => string,
): Json {
  const body = parse(text)
  if (status >= 200 && status < 300) {
    if (body !== undefined) return body
    throw new Failure(1, `${address} answered ${status} with something that is not JSON`, addressHint)
  }
  if (status >= 300 && status < 400) {
    const to = headers.get('location') ?? 'another address'
    throw new Failure(1, `${address} answered ${status}, a redirect to ${hide(to)}`, addressHint)
  }
  const code = textAt(body, 'error')
  const said = textAt(body, 'message') ?? (body === undefined ? 'the answer is not JSON' : '')
  const details = isObject(body) ? detailsOf(body) : ''
  const requestId = headers.get('x-request-id')
  throw new Failure(
    1,
    hide(`${status} ${code ?? 'error'}: ${said}${details}${requestId ? ` (request ${requestId})` : ''}`),
    hintOf(status, code),
  )
}

/** The validation issues after the first; the message already names the first. */
function detailsOf({ issues }: JsonObject): string {
  const rest = Array.isArray(issues) ? issues.slice(1) : []
  return rest.map((issue) => `\n  ${textAt(issue, 'field')}: ${textAt(issue, 'message')}`).join('')
}

function hintOf(status: number, code: string | null): string | null {
  if (status === 401)
    return 'Log in with: molted auth login\nIf MOLTED_API_KEY is set, it is used instead of the login.'
  if (code === 'insufficient_scope') return 'To see what the key may do, run: molted auth whoami'
  if (code === null) return addressHint
  return null
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
