import {
  createMcpHandler,
  INVALID_REQUEST,
  isJsonContentType,
  isLegacyRequest,
  localhostAllowedHostnames,
  originValidationResponse,
  PARSE_ERROR,
  validateHostHeader,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import type { MiddlewareHandler } from 'hono'
import { settings } from '../../env.ts'
import { type App, type Dialect, type HttpContext, limitBody, needsKey, OWN_ERROR, surface } from '../http.ts'
import { STATUS } from '../status.ts'
import type { Ask } from './call.ts'
import type { Document } from './operation.ts'
import { serverFor } from './server.ts'
import { type BuiltTool, buildTools } from './tools.ts'

/** JSON-RPC's code for what the server itself refuses. */
const REFUSED = -32_000
/** The protocol of March 2025 knows lists of requests; each is a call of its own. */
const BATCH_AT_MOST = 20

/** What the door is given: the application's description of itself, and the application. */
export type Behind = { document: () => Document; ask: Ask }

/** Models call tools here: Streamable HTTP without sessions, so that any isolate answers any request. */
export function mcp({ document, ask }: Behind) {
  let built: Map<string, BuiltTool> | null = null
  const tools = () => {
    built ??= buildTools(document())
    return built
  }
  const app = surface(dialect)
  app.use(fromHere, challenge, limitBody, needsKey)
  app.post('/', async (c) => await serve(c, ask, tools()))
  app.all('/', (c) =>
    c.json(rpcError('This server keeps no sessions: POST each request.'), 405, { Allow: 'POST' }),
  )
  return app
}

/**
 * Today's protocol and, for clients of 2025, theirs. Either way a request is answered whole, as JSON; there is nothing to
 * subscribe to.
 */
async function serve(c: HttpContext, ask: Ask, tools: Map<string, BuiltTool>): Promise<Response> {
  const request = c.req.raw
  if (!isJsonContentType(request.headers.get('content-type'))) {
    return c.json(rpcError('The content type must be application/json.'), 415)
  }
  const parsedBody: unknown = await c.req.json().catch(() => undefined)
  if (parsedBody === undefined) return c.json(rpcError('The body is not valid JSON.', PARSE_ERROR), 400)
  if (Array.isArray(parsedBody) && parsedBody.length > BATCH_AT_MOST) {
    return c.json(rpcError(`A batch has at most ${BATCH_AT_MOST} messages.`, INVALID_REQUEST), 400)
  }
  const newServer = () => serverFor(c, ask, tools)
  if (!(await isLegacyRequest(request, parsedBody))) {
    const handler = createMcpHandler(newServer, { legacy: 'reject', maxSubscriptions: 0 })
    return await handler.fetch(request, { parsedBody })
  }
  const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true })
  await newServer().connect(transport)
  return await transport.handleRequest(request, { parsedBody })
}

/** A page of another origin must not reach this door by a name that it has pointed here (DNS rebinding). */
const fromHere: MiddlewareHandler<App> = async (c, next) => {
  const { publicUrl, mcpHosts, isLocal } = settings(c.env)
  const names = [new URL(publicUrl).hostname, ...mcpHosts, ...(isLocal ? localhostAllowedHostnames() : [])]
  const host = validateHostHeader(c.req.header('host') ?? new URL(c.req.url).host, names)
  if (!host.ok) return c.json(rpcError(host.message), 403)
  const refused = originValidationResponse(c.req.raw, names)
  if (refused) return refused
  await next()
}

/** Whoever is refused for want of a key is told how one is presented (RFC 6750, section 3). */
const challenge: MiddlewareHandler<App> = async (c, next) => {
  await next()
  if (c.res.status === 401) c.res.headers.set('WWW-Authenticate', 'Bearer realm="moltpost"')
}

const rpcError = (message: string, code = REFUSED, data?: unknown) => ({
  jsonrpc: '2.0',
  error: { code, message, ...(data === undefined ? {} : { data }) },
  id: null,
})

/** Only what is refused before a tool is called: the tools answer as their routes do. */
const dialect: Dialect = {
  status: {
    ...STATUS,
    invalid: 400,
    dedupe_key_required: 400,
    batch_too_large: 400,
    template_render_failed: 400,
    template_lint_failed: 400,
  },
  error: OWN_ERROR,
  body: ({ code, message, details }) => rpcError(message, REFUSED, { error: code, ...details }),
}
