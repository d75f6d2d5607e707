import { createRoute, type Hook, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { authenticate, hashSecret, isWellFormed } from '../core/accounts/keys.ts'
import { isOperator } from '../core/governance/operator.ts'
import { actorName, type Ctx } from '../core/ground/ctx.ts'
import { Fault } from '../core/ground/fault.ts'
import { answerOnce } from '../core/ground/idempotency.ts'
import { learn, tellFailure } from '../core/ground/log.ts'
import type { Refusal } from '../core/policy/rules.ts'
import { type Env, settings } from '../env.ts'
import type { Statuses } from './status.ts'

export type App = {
  Bindings: Env
  Variables: { ctx: Ctx; now: Date; requestId: string; errand: Errand | null; showsSecret?: boolean }
}
export type HttpContext = Context<App>

/** How one published API reports errors: a status for every code, and the body with its schema. */
export type Dialect = {
  status: Statuses
  error: { name: string; schema: z.ZodType }
  body: (fault: {
    code: string
    message: string
    status: number
    details: Record<string, unknown>
  }) => unknown
}

/** A request that MCP makes in-process for its caller, and what it learns beside the answer. */
type Errand = { door: 'mcp'; now: Date; requestId: string; refusal: Refusal | null }

const errands = new WeakMap<Request, Errand>()

/** Marks a request as an errand. It is an object and not a header, so that no client can forge it. */
export function sendOn(request: Request, errand: Errand): Request {
  errands.set(request, errand)
  return request
}

/** Errors on surfaces without a published contract: the operator's, and the addresses that carriers report to. */
export const OWN_ERROR = {
  name: 'Failure',
  schema: z.object({ error: z.string().openapi({ example: 'not_found' }), message: z.string() }),
}

/** The largest request body, in bytes. */
const BODY_AT_MOST = 10 * 1024 * 1024

export { body, openBody, optionalBody, publishedBody } from './bodies.ts'
export { createRoute, z }

/** A set of routes, to be mounted on a surface. A request that does not match its schema is the fault `invalid`. */
export function router(): OpenAPIHono<App> {
  return new OpenAPIHono<App>({ defaultHook: refuseInvalid })
}

/** One published API: its routes and its dialect for faults. */
export function surface(dialect: Dialect): OpenAPIHono<App> {
  const app = router()
  app.openAPIRegistry.register(dialect.error.name, dialect.error.schema)
  dialects.set(app, dialect)
  app.onError(async (error, c) => {
    const fault = faultOf(error) ?? (await faultOfKey(c))
    if (fault === null) {
      const requestId = c.get('requestId')
      tellFailure('internal_error', error)
      const status = 500
      const message = `Something broke on our side. If you report it, give the request id ${requestId}.`
      return c.json(dialect.body({ code: 'internal_error', message, status, details: {} }) as object, status)
    }
    const status = dialect.status[fault.code]
    const { code, message, details } = fault
    learn({ reason: code })
    if (typeof details.retryAfter === 'number') c.header('Retry-After', String(details.retryAfter))
    return c.json(dialect.body({ code, message, status, details }) as object, status)
  })
  return app
}

const dialects = new WeakMap<OpenAPIHono<App>, Dialect>()

/** The dialect of a surface. */
export function dialectOf(app: OpenAPIHono<App>): Dialect {
  const dialect = dialects.get(app)
  if (!dialect) throw new Error('only a surface has a dialect')
  return dialect
}

/** Runs first: sets the time and the id of the request, and limits its body. */
export const opening: MiddlewareHandler<App> = async (c, next) => {
  const errand = errands.get(c.req.raw) ?? null
  c.set('errand', errand)
  c.set('now', errand?.now ?? new Date())
  c.set('requestId', errand?.requestId ?? crypto.randomUUID())
  await next()
  c.header('X-Request-Id', c.get('requestId'))
}

/** Refuses bodies above 10 MiB, also without a Content-Length. */
export const limitBody: MiddlewareHandler<App> = bodyLimit({
  maxSize: BODY_AT_MOST,
  onError: () => {
    throw new Fault('payload_too_large', 'The request body is above 10 MiB.')
  },
})

/** The key from `Authorization: Bearer` or `X-API-Key`, or null. */
export function presentedKey(c: HttpContext): string | null {
  const bearer = /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '')?.[1]
  return bearer ?? c.req.header('x-api-key')?.trim() ?? null
}

/** Every route below this needs a valid key. A tenant named in the request must be the key's. */
export const bearer: MiddlewareHandler<App> = async (c, next) => {
  const ctx = await identify(c)
  c.set('ctx', ctx)
  mustNameOwnTenant(ctx, c.req.query('tenantId'), await bodyField(c, 'tenantId'))
  await next()
}

/** Replays the first answer to a repeated POST with the same Idempotency-Key, for 24 h. */
export const idempotent: MiddlewareHandler<App> = async (c, next) => {
  const key = c.req.header('idempotency-key')
  if (c.req.method !== 'POST' || key === undefined) return await next()
  mustBeHeaderKey(key)
  // Kept per caller: another key or agent may not be allowed to see the same answer.
  const caller = `${actorName(c.get('ctx').actor)} ${c.req.header('x-agent-id') ?? ''}`.trim()
  const route = `POST ${c.req.path} ${caller}`
  const request = { route, key, body: await c.req.text() }
  const answer = await answerOnce(c.get('ctx'), request, async () => {
    await next()
    const { status } = c.res
    return { status, body: await c.res.clone().text(), isSecret: c.get('showsSecret') === true }
  })
  if (answer.isReplay) {
    return c.body(answer.body, answer.status as ContentfulStatusCode, {
      'content-type': 'application/json',
      'idempotency-replayed': 'true',
    })
  }
}

/** Marks an answer that shows a secret. It is not stored, so a replay of the request is refused. */
export function showsSecret(c: HttpContext) {
  c.set('showsSecret', true)
}

/** The hash of the request's key, for routes that check it in their own first database call. */
export async function keyHashOf(c: HttpContext): Promise<string> {
  const secret = presentedKey(c)
  if (secret === null || (!settings(c.env).isLocal && !isWellFormed(secret))) throw noKey()
  return await hashSecret(secret)
}

async function identify(c: HttpContext): Promise<Ctx> {
  const secret = presentedKey(c)
  if (secret !== null && !settings(c.env).isLocal && !isWellFormed(secret)) throw noKey()
  return await authenticate(c.env, c.get('now'), secret)
}

/** Throws unless the request has a valid key; checks nothing else. */
export const needsKey: MiddlewareHandler<App> = async (c, next) => {
  c.set('ctx', await identify(c))
  await next()
}

/** For routes that check the key themselves: a missing key is reported before errors in the body. */
export const refuseUnknownFirst: Hook<unknown, App, string, unknown> = async (result, c) => {
  if (result.success) return
  const ctx = await identify(c as HttpContext)
  mustNameOwnTenant(ctx, await bodyField(c as HttpContext, 'tenantId'))
  throw invalid(result.error)
}

/** The `Idempotency-Key` header, 1 to 256 printable characters, or null. */
export function headerKey(c: HttpContext): string | null {
  const key = c.req.header('idempotency-key')
  if (key === undefined) return null
  mustBeHeaderKey(key)
  return key
}

function mustBeHeaderKey(key: string) {
  if (!/^[\x21-\x7e][\x20-\x7e]{0,255}$/.test(key)) {
    throw new Fault('invalid', 'Idempotency-Key must be 1 to 256 printable ASCII characters.', {
      field: 'Idempotency-Key',
    })
  }
}

/** The last handler of a surface: a request without a route is a 404 in the surface's dialect. */
export function noSuchRoute(c: HttpContext): never {
  throw new Fault('not_found', `There is no ${c.req.method} ${c.req.path}.`)
}

/** A JSON answer with this schema, for a route's `responses`. By default its example is made from the schema. */
export function json<Schema extends z.ZodType>(
  schema: Schema,
  description = 'OK',
  example?: z.input<Schema>,
) {
  const shown = example === undefined ? {} : { example }
  return { description, content: { 'application/json': { schema, ...shown } } }
}

/** A file that is generated while it is read. Faults of the request are thrown before its first byte. */
export async function fileOf(
  c: HttpContext,
  parts: AsyncGenerator<string>,
  type: string,
  name: string,
): Promise<Response> {
  const encoder = new TextEncoder()
  const first = await parts.next()
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      if (!first.done) controller.enqueue(encoder.encode(first.value))
    },
    async pull(controller) {
      const { done, value } = await parts.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      await parts.return(undefined)
    },
  })
  return c.body(body, 200, {
    'content-type': type,
    'content-disposition': `attachment; filename="${name}"`,
    'cache-control': 'no-store',
  })
}

const noKey = () => new Fault('unauthorized', 'The API key is missing, unknown or revoked.')

function mustNameOwnTenant(ctx: Ctx, ...named: (string | undefined)[]) {
  if (named.every((tenantId) => tenantId === undefined || tenantId === ctx.tenantId)) return
  throw new Fault('tenant_mismatch', "tenantId is not this key's tenant.", { field: 'tenantId' })
}

async function bodyField(c: HttpContext, name: string): Promise<string | undefined> {
  if (c.req.method === 'GET' || !c.req.header('content-type')?.includes('json')) return undefined
  const parsed: unknown = await c.req.json().catch(() => undefined)
  const value =
    typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>)[name] : undefined
  return typeof value === 'string' ? value : undefined
}

const refuseInvalid: Hook<unknown, App, string, unknown> = (result) => {
  if (!result.success) throw invalid(result.error)
}

/** The fault of a request that does not match its schema: its message names the first field, its details all. */
export function invalid(error: z.ZodError): Fault {
  const issues = error.issues.map(({ path, message }) => ({ field: path.join('.') || 'body', message }))
  const [first] = issues
  return new Fault('invalid', first ? `${first.field}: ${first.message}` : 'The request is not valid.', {
    field: first?.field,
    issues,
  })
}

/** If a request fails because its key was revoked meanwhile, as by an erasure, it is answered like any later request. */
async function faultOfKey(c: HttpContext): Promise<Fault | null> {
  const secret = presentedKey(c)
  if (secret === null || isOperator(c.env, secret)) return null
  const died = await identify(c).catch((error: unknown) => error)
  return died instanceof Fault ? died : null
}

function faultOf(error: unknown): Fault | null {
  if (error instanceof Fault) return error
  if (!(error instanceof HTTPException) || error.status >= 500) return null
  if (error.status === 413) return new Fault('payload_too_large', 'The request body is above 10 MiB.')
  return new Fault(
    'malformed_json',
    'The request body is not valid JSON with content type application/json.',
    {
      field: 'body',
    },
  )
}
