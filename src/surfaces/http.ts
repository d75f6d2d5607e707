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
import type { Refusal } from '../core/policy/judge.ts'
import { type Env, settings } from '../env.ts'
import type { Statuses } from './status.ts'

export type App = {
  Bindings: Env
  Variables: { ctx: Ctx; now: Date; requestId: string; errand: Errand | null; showsSecret?: boolean }
}
export type HttpContext = Context<App>

/** How one published API says things went wrong: a status for every code, and the body around it with its schema. */
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

/** A request that a door of ours makes in-process on its caller's behalf, and what it learns beside the answer. */
export type Errand = { door: 'mcp'; now: Date; requestId: string; refusal: Refusal | null }

const errands = new WeakMap<Request, Errand>()

/** Has the request go as an errand. No header can claim as much: only code of ours holds the object. */
export function sendOn(request: Request, errand: Errand): Request {
  errands.set(request, errand)
  return request
}

/** The error of doors that follow no published contract: the operator's, and where carriers report. */
export const OWN_ERROR = {
  name: 'Failure',
  schema: z.object({ error: z.string().openapi({ example: 'not_found' }), message: z.string() }),
}

/** The largest request body, in bytes. */
const BODY_AT_MOST = 10 * 1024 * 1024

export { createRoute, z }

/** A set of routes, to be mounted on a surface. Requests that do not fit their schema are the fault `invalid`. */
export function router(): OpenAPIHono<App> {
  return new OpenAPIHono<App>({ defaultHook: refuseInvalid })
}

/** One published API: its routes, and its own way of answering every fault. */
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
      const message = `Something broke on our side. Quote request ${requestId}.`
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

/** The dialect that a surface was made with. */
export function dialectOf(app: OpenAPIHono<App>): Dialect {
  const dialect = dialects.get(app)
  if (!dialect) throw new Error('only a surface has a dialect')
  return dialect
}

/** Before everything else: one moment and one request id for the whole request, and a bound on its body. */
export const opening: MiddlewareHandler<App> = async (c, next) => {
  const errand = errands.get(c.req.raw) ?? null
  c.set('errand', errand)
  c.set('now', errand?.now ?? new Date())
  c.set('requestId', errand?.requestId ?? crypto.randomUUID())
  await next()
  c.header('X-Request-Id', c.get('requestId'))
}

/** Refuses bodies above 10 MiB, also where the length is not told beforehand. */
export const limitBody: MiddlewareHandler<App> = bodyLimit({
  maxSize: BODY_AT_MOST,
  onError: () => {
    throw new Fault('payload_too_large', 'The request body is above 10 MiB.')
  },
})

/** The key as it was presented, by `Authorization: Bearer` or `X-API-Key`, or null. */
export function presentedKey(c: HttpContext): string | null {
  const bearer = /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '')?.[1]
  return bearer ?? c.req.header('x-api-key')?.trim() ?? null
}

/** Every route below this needs a living key; the tenant that a request names must be the key's. */
export const bearer: MiddlewareHandler<App> = async (c, next) => {
  const ctx = await identify(c)
  c.set('ctx', ctx)
  mustNameOwnTenant(ctx, c.req.query('tenantId'), await bodyField(c, 'tenantId'))
  await next()
}

/** Answers a repeated POST that bears an Idempotency-Key as it answered the first, for 24 h. */
export const idempotent: MiddlewareHandler<App> = async (c, next) => {
  const key = c.req.header('idempotency-key')
  if (c.req.method !== 'POST' || key === undefined) return await next()
  mustBeHeaderKey(key)
  // Kept per caller too: what one key was told, or one agent, another may not be entitled to.
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

/** Marks an answer that shows a secret: it is never kept, and a replay of it is refused. */
export function showsSecret(c: HttpContext) {
  c.set('showsSecret', true)
}

/** The hash of the presented key for routes that check it in their own first database call. */
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

/** For a door that needs a living key and judges nothing else. */
export const needsKey: MiddlewareHandler<App> = async (c, next) => {
  c.set('ctx', await identify(c))
  await next()
}

/** For routes that check the key themselves: a caller without a key learns that first, and not what is wrong with the body. */
export const refuseUnknownFirst: Hook<unknown, App, string, unknown> = async (result, c) => {
  if (result.success) return
  const ctx = await identify(c as HttpContext)
  mustNameOwnTenant(ctx, await bodyField(c as HttpContext, 'tenantId'))
  throw invalid(result.error)
}

/** The `Idempotency-Key` header where it is given: 1 to 256 printable characters. */
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

/** Ends a surface: whatever matched no route is a 404 in that surface's own shape. */
export function noSuchRoute(c: HttpContext): never {
  throw new Fault('not_found', `There is no ${c.req.method} ${c.req.path}.`)
}

/** A JSON answer of this shape, for a route's `responses`; without an example one is made of the schema. */
export function json<Schema extends z.ZodType>(
  schema: Schema,
  description = 'OK',
  example?: z.input<Schema>,
) {
  const shown = example === undefined ? {} : { example }
  return { description, content: { 'application/json': { schema, ...shown } } }
}

/** A JSON request body of this shape, for a route's `request`; without an example one is made of the schema. */
export function body<Schema extends z.ZodType>(schema: Schema, example?: z.input<Schema>) {
  const shown = example === undefined ? {} : { example }
  return { body: { required: true as const, content: { 'application/json': { schema, ...shown } } } }
}

/** A file that is made while it is read. What is wrong with the request is found before its first byte. */
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

/** The fault of a request that does not fit its schema: it names the first field and lists them all. */
export function invalid(error: z.ZodError): Fault {
  const issues = error.issues.map(({ path, message }) => ({ field: path.join('.') || 'body', message }))
  const [first] = issues
  return new Fault('invalid', first ? `${first.field}: ${first.message}` : 'The request is not valid.', {
    field: first?.field,
    issues,
  })
}

/** What broke because the caller's key died under it, as where a tenant is erased, is answered as any later request. */
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
