import { OpenAPIHono } from '@hono/zod-openapi'
import { recordReports } from './core/delivery/reports.ts'
import { describeFailure } from './core/failure.ts'
import { Fault } from './core/fault.ts'
import { settings } from './env.ts'
import { readReport } from './providers/events/index.ts'
import { claiming } from './surfaces/claim/index.tsx'
import { dev } from './surfaces/dev/index.tsx'
import { type App, type HttpContext, limitBody, noSuchRoute, opening } from './surfaces/http.ts'
import { mailmolt } from './surfaces/mailmolt/index.ts'
import { mcp } from './surfaces/mcp/index.ts'
import { moltbotden } from './surfaces/moltbotden/index.ts'
import { molted } from './surfaces/molted/index.ts'
import { operator } from './surfaces/operator/index.ts'
import { portal } from './surfaces/portal/index.tsx'
import { providerEvents } from './surfaces/provider-events/index.ts'
import { unsubscribing } from './surfaces/unsubscribe/index.tsx'

/** Every door of the Worker. More specific paths are mounted first. */
export const app = new OpenAPIHono<App>()

app.use(opening)
// MoltbotDen's surface refuses in its own words what is too large.
for (const area of ['/v1/*', '/u/*', '/claim/*', '/verify/*', '/portal/*']) app.use(area, limitBody)

app.get('/health', async (c) => {
  settings(c.env)
  await c.env.DB.prepare('SELECT 1 FROM tenants LIMIT 1').run()
  return c.json({ status: 'ok' })
})

app.get('/openapi.json', (c) => c.json({ ...openApi(), servers: [{ url: settings(c.env).publicUrl }] }))

app.route('/dev', dev)
app.route('/u', unsubscribing)
app.route('/', claiming)
app.route('/portal', portal)
app.route(
  '/events',
  providerEvents({ read: readReport, record: (env, now, events) => recordReports(env, events, now) }),
)
app.route('/mcp', mcp({ document: openApi, ask: (request, c) => app.fetch(request, c.env, c.executionCtx) }))
app.route('/admin', operator)
app.route('/v1', molted)
app.route('/v1', mailmolt)
app.route('/', moltbotden)
app.all('*', noSuchRoute)

app.onError((error, c: HttpContext) => {
  if (error instanceof Fault) {
    const { code, message, details } = error
    const status = code === 'payload_too_large' ? 413 : code === 'not_found' ? 404 : 400
    return c.json({ error: code, message, ...details }, status)
  }
  const requestId = c.get('requestId')
  console.error(JSON.stringify({ event: 'internal_error', requestId, ...describeFailure(error) }))
  return c.json(
    { error: 'internal_error', message: `Something broke on our side. Quote request ${requestId}.` },
    500,
  )
})

app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })
app.openAPIRegistry.registerComponent('securitySchemes', 'operator', { type: 'http', scheme: 'bearer' })
app.openAPIRegistry.registerComponent('securitySchemes', 'smtp', { type: 'http', scheme: 'basic' })

type Document = ReturnType<typeof app.getOpenAPI31Document>

let document: Document | null = null

/** The OpenAPI document of everything that is built, made once: the library would make it anew at each call. */
function openApi(): Document {
  if (document) return document
  document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Moltpost',
      version: '0.1.0',
      description: 'Email for AI agents: one policy pipeline, one decision trace and one delivery machine.',
    },
  })
  for (const path of Object.values(document.paths ?? {})) {
    for (const operation of Object.values(path)) {
      if (typeof operation !== 'object' || !('responses' in operation)) continue
      operation.responses.default ??= {
        description: 'An error: `error` is its code, `message` says what is wrong and how to mend it.',
        content: { 'application/json': { schema: ERROR } },
      }
    }
  }
  return document
}

const ERROR = {
  type: 'object',
  required: ['error', 'message'],
  properties: {
    statusCode: { type: 'integer' },
    error: { type: 'string', examples: ['mailbox_scope_denied'] },
    message: { type: 'string' },
    field: { type: 'string' },
  },
} as const
