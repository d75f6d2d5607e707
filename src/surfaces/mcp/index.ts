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

/** The JSON-RPC error code for requests that the server refuses. */
const REFUSED = -32_000
/** The protocol version of March 2025 allows a list of requests in one POST. */
const BATCH_AT_MOST = 20

/** The application: its OpenAPI document, and a way to call its routes. */
type Behind = { document: () => Document; ask: Ask }

/** The MCP endpoint. Streamable HTTP without sessions, so any isolate can answer any request. */
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
    c.json(rpcError('This server has no sessions. Send each request by POST.'), 405, { Allow: 'POST' }),
  )
  return app
}

/** Answers one request as JSON, in the current protocol or in that of 2025. There are no subscriptions. */
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

/** Refuses requests with a foreign Host or Origin, so that no web page can reach this endpoint by DNS rebinding. */
const fromHere: MiddlewareHandler<App> = async (c, next) => {
  const { publicUrl, mcpHosts, isLocal } = settings(c.env)
  const names = [new URL(publicUrl).hostname, ...mcpHosts, ...(isLocal ? localhostAllowedHostnames() : [])]
  const host = validateHostHeader(c.req.header('host') ?? new URL(c.req.url).host, names)
  if (!host.ok) return c.json(rpcError(host.message), 403)
  const refused = originValidationResponse(c.req.raw, names)
  if (refused) return refused
  await next()
}

/** A 401 names the authentication scheme (RFC 6750, section 3). */
const challenge: MiddlewareHandler<App> = async (c, next) => {
  await next()
  if (c.res.status === 401) c.res.headers.set('WWW-Authenticate', 'Bearer realm="moltpost"')
}

const rpcError = (message: string, code = REFUSED, data?: unknown) => ({
  jsonrpc: '2.0',
  error: { code, message, ...(data === undefined ? {} : { data }) },
  id: null,
})

/** For requests that are refused before a tool is called. Tools answer as their routes do. */
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
