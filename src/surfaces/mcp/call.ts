import type { CallToolResult } from '@modelcontextprotocol/server'
import type { Refusal } from '../../core/policy/rules.ts'
import { settings } from '../../env.ts'
import { type HttpContext, sendOn } from '../http.ts'
import { nearest } from '../unknown-fields.ts'
import type { Schema } from './json-schema.ts'
import { answerSchema, BLOCKED, type BuiltTool, SAID_OF_STRANGERS } from './tools.ts'
import { fence } from './untrusted.ts'

/** Calls a route of the application, as an HTTP request from outside would. */
export type Ask = (request: Request, c: HttpContext) => Response | Promise<Response>

type Arguments = Record<string, unknown>

/** The answer of a route: its body, a refusal by the policy, or an error in the request. */
type Answer =
  | { kind: 'answer'; body: Record<string, unknown> }
  | { kind: 'refusal'; refusal: Refusal }
  | { kind: 'misuse'; body: Record<string, unknown> }

/** Calls the route of a tool with the caller's key: same policy, same answer, same errors. */
export async function callTool(
  c: HttpContext,
  ask: Ask,
  built: BuiltTool,
  given: Arguments,
): Promise<CallToolResult> {
  const answer = await askRoute(c, ask, built, given)
  if (answer.kind === 'misuse') return { content: [text(answer.body)], isError: true }
  const structuredContent =
    answer.kind === 'answer'
      ? answer.body
      : built.listed.outside
        ? fence(blocked(answer.refusal), BLOCKED, SAID_OF_STRANGERS)
        : blocked(answer.refusal)
  return { content: [text(structuredContent)], structuredContent }
}

/** Calls the route of a tool and returns its answer, not yet as a tool result. */
export async function askRoute(
  c: HttpContext,
  ask: Ask,
  built: BuiltTool,
  given: Arguments,
): Promise<Answer> {
  const unfit = firstUnfit(built, given)
  if (unfit) return { kind: 'misuse', body: { status: 400, error: 'invalid', ...unfit } }
  const { listed, operation } = built
  const errand = {
    ...{ door: 'mcp' as const, now: c.get('now'), requestId: c.get('requestId') },
    refusal: null as Refusal | null,
  }
  const response = await ask(sendOn(requestFor(c, built, given), errand), c)
  const body = await bodyOf(response)
  if (errand.refusal) return { kind: 'refusal', refusal: errand.refusal }
  if (!response.ok) {
    const { statusCode: _, ...said } = body
    return { kind: 'misuse', body: { status: response.status, ...said } }
  }
  const kept = trimmed(body, listed.dropped ?? []) as Record<string, unknown>
  const { outside } = listed
  return { kind: 'answer', body: outside ? fence(kept, answerSchema(listed, operation), outside) : kept }
}

/** The first argument that is unknown, missing, or cannot be put into the URL or a header. The route checks the rest. */
function firstUnfit({ tool, operation, listed }: BuiltTool, given: Arguments) {
  const { properties = {}, required = [] } = tool.inputSchema as Schema
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(properties, name))
  if (unknown !== undefined) {
    const known = Object.keys(properties)
    const meant = nearest(unknown, known)
    const has = meant === null ? `It has: ${known.join(', ') || 'none'}.` : `Did you mean "${meant}"?`
    return { field: unknown, message: `${tool.name} has no argument "${unknown}". ${has}` }
  }
  const missing = required.find((name) => given[name] === undefined)
  if (missing !== undefined) return { field: missing, message: `${missing} is required.` }
  for (const name of [...operation.inPath, ...operation.inQuery]) {
    const value = given[name]
    if (typeof value === 'object') return { field: name, message: `${name} must be a single value.` }
    // In the path of a URL, an empty segment, `.` and `..` change the route.
    if (operation.inPath.includes(name) && ['', '.', '..'].includes(String(value))) {
      return { field: name, message: `${name} must not be "${value}".` }
    }
    if (!String(value).isWellFormed()) return { field: name, message: `${name} is not well-formed Unicode.` }
  }
  const { idempotencyKey } = given
  if (listed.takesKey && idempotencyKey !== undefined && !mayBeHeader(idempotencyKey)) {
    const message = 'idempotencyKey must be 1 to 256 printable ASCII characters.'
    return { field: 'idempotencyKey', message }
  }
  return null
}

const mayBeHeader = (value: unknown) =>
  typeof value === 'string' && /^[\x21-\x7e][\x20-\x7e]{0,255}$/.test(value)

function requestFor(c: HttpContext, { operation, listed }: BuiltTool, given: Arguments): Request {
  const { method, path, inPath, inQuery, hasBody } = operation
  const url = new URL(
    path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(given[name]))),
    settings(c.env).publicUrl,
  )
  for (const name of inQuery) {
    if (given[name] !== undefined) url.searchParams.set(name, String(given[name]))
  }
  const headers = new Headers()
  for (const name of ['authorization', 'x-api-key', 'x-agent-id']) {
    const value = c.req.header(name)
    if (value !== undefined) headers.set(name, value)
  }
  if (listed.takesKey && given.idempotencyKey !== undefined) {
    headers.set('idempotency-key', String(given.idempotencyKey))
  }
  if (!hasBody) return new Request(url, { method, headers })
  const elsewhere = [...inPath, ...inQuery, ...(listed.takesKey ? ['idempotencyKey'] : [])]
  const body = Object.fromEntries(Object.entries(given).filter(([name]) => !elsewhere.includes(name)))
  headers.set('content-type', 'application/json')
  return new Request(url, { method, headers, body: JSON.stringify(body) })
}

async function bodyOf(response: Response): Promise<Record<string, unknown>> {
  if (response.status === 204) return {}
  const body: unknown = await response.json()
  return Array.isArray(body) ? { items: body } : (body as Record<string, unknown>)
}

/** A copy of the answer without the fields that the tool drops. */
function trimmed(value: unknown, dropped: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((each) => trimmed(each, dropped))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, field]) =>
      dropped.includes(name) ? [] : [[name, trimmed(field, dropped)]],
    ),
  )
}

function blocked({ reason, detail, retryAt, lease }: Refusal) {
  return {
    status: 'blocked',
    reason,
    message: `Not sent: ${detail}.`,
    ...(retryAt === undefined ? {} : { retryAt: new Date(retryAt).toISOString() }),
    ...(lease ? { leaseHolder: { ...lease, expiresAt: new Date(lease.expiresAt).toISOString() } } : {}),
  }
}

const text = (value: unknown) => ({ type: 'text' as const, text: JSON.stringify(value) })
