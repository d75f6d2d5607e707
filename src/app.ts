import { OpenAPIHono } from '@hono/zod-openapi'
import { recordReports } from './core/delivery/reports.ts'
import { describeFailure } from './core/failure.ts'
import { Fault } from './core/fault.ts'
import { settings } from './env.ts'
import { documentOf } from './openapi.ts'
import { readReport } from './providers/events/index.ts'
import { claiming } from './surfaces/claim/index.tsx'
import { dev } from './surfaces/dev/index.tsx'
import { type Documented, docs } from './surfaces/docs/index.ts'
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

app.route('/', docs(openApi))
app.route('/dev', dev)
app.route('/u', unsubscribing)
app.route('/', claiming)
app.route('/portal', portal)
app.route(
  '/events',
  providerEvents({ read: readReport, record: (env, now, events) => recordReports(env, events, now) }),
)
app.route(
  '/mcp',
  mcp({ document: () => openApi(null), ask: (request, c) => app.fetch(request, c.env, c.executionCtx) }),
)
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

/** The document of everything, or of one published API as it is mounted. */
function openApi(api: Documented | null) {
  if (api === null) return documentOf(app, 'Moltpost')
  return documentOf({ molted, moltbotden, mailmolt }[api], `Moltpost, as ${api} publishes it`)
}
