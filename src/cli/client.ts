import { type Credentials, readCredentials } from './credentials.ts'
import { Failure, misuse } from './failure.ts'
import { isObject, type Json, type JsonObject, textAt } from './json.ts'
import { VERSION } from './version.ts'

/** Where `npm run dev` listens. */
export const DEFAULT_ADDRESS = 'http://localhost:8787'

const TIMEOUT_MS = 30_000

/** The waits before a call that may be repeated is made again. */
const AGAIN_AFTER_MS = [250, 1_000]

export type Connecting = { baseUrl?: string | undefined }

type Query = Record<string, string | number | undefined>

export type Api = {
  address: string
  tenantId: string
  /** The agent that the key is bound to, or null for a key of the whole tenant. */
  agentId: string | null
  /** Where the key comes from. */
  source: 'MOLTED_API_KEY' | 'login'
  get: (path: string, query?: Query) => Promise<Json>
  /** A list that is answered as a bare array, with all its pages. */
  getAll: (path: string) => Promise<Json>
  /** `mayRepeat` where the call does the same when it is made twice. */
  post: (path: string, body?: JsonObject, how?: { mayRepeat: boolean }) => Promise<Json>
  patch: (path: string, body: JsonObject) => Promise<Json>
  put: (path: string, body: JsonObject) => Promise<Json>
  delete: (path: string) => Promise<Json>
}

/** The address to speak to: the flag, else the environment, else that of the last login, else the local one. */
export function addressOf({ baseUrl }: Connecting, { current }: Pick<Credentials, 'current'>): string {
  const asked = baseUrl ?? (process.env.MOLTED_API_URL || undefined) ?? current ?? DEFAULT_ADDRESS
  const url = URL.canParse(asked) ? new URL(asked) : null
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '') {
    throw misuse(`"${asked}" is not the address of an API`, `Give one such as --base-url ${DEFAULT_ADDRESS}`)
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

/** An API with its key and tenant, which is put into every request. */
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

/** Whose key this is. */
export async function identify(
  address: string,
  apiKey: string,
): Promise<{ tenantId: string; agentId: string | null; answer: Json }> {
  const how = { body: {}, mayRepeat: true }
  const { body: answer } = await call(address, apiKey, 'POST', '/v1/agent/whoami', how)
  const tenantId = textAt(answer, 'tenantId')
  if (tenantId === null) throw new Failure(1, `${address} does not say whose key this is`, addressHint)
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
  // A header that cannot be sent is quoted in the error of fetch, key and all.
  if (!/^[\x21-\x7e]+$/.test(apiKey)) throw new Failure(1, 'the key has characters that no key has')
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
  if (!(error instanceof Error)) return 'it failed'
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
    const to = headers.get('location') ?? 'somewhere else'
    throw new Failure(1, `${address} answered ${status} and points to ${hide(to)}`, addressHint)
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

/** The issues behind the first one, which the message names. */
function detailsOf({ issues }: JsonObject): string {
  const rest = Array.isArray(issues) ? issues.slice(1) : []
  return rest.map((issue) => `\n  ${textAt(issue, 'field')}: ${textAt(issue, 'message')}`).join('')
}

function hintOf(status: number, code: string | null): string | null {
  if (status === 401) return 'Log in with: molted auth login\nMOLTED_API_KEY, where set, comes first.'
  if (code === 'insufficient_scope') return 'See what the key may do with: molted auth whoami'
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
