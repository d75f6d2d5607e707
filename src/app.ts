import { OpenAPIHono } from '@hono/zod-openapi'
import type { Hono, Env as HonoEnv, Schema } from 'hono'
import { readReport } from './carriers/events/index.ts'
import { carrierPort } from './carriers/index.ts'
import { chosenCarriers } from './core/delivery/choice.ts'
import { isWatched } from './core/delivery/health.ts'
import { ownDelivery } from './core/delivery/mailbox.ts'
import { Fault } from './core/ground/fault.ts'
import { learn, tellFailure } from './core/ground/log.ts'
import { recordReports } from './core/signals/reports.ts'
import type { Env } from './env.ts'
import { carrierEvents } from './surfaces/carrier-events/index.ts'
import { claiming } from './surfaces/claim/index.tsx'
import { dev } from './surfaces/dev/index.tsx'
import type { Documented } from './surfaces/docs/documented.ts'
import { docs } from './surfaces/docs/index.tsx'
import { health } from './surfaces/health/index.ts'
import { type App, type HttpContext, limitBody, noSuchRoute, opening } from './surfaces/http.ts'
import { mailmolt } from './surfaces/mailmolt/index.ts'
import { mcp } from './surfaces/mcp/index.ts'
import { moltbotden } from './surfaces/moltbotden/index.ts'
import { molted } from './surfaces/molted/index.ts'
import { documentOf } from './surfaces/openapi/document.ts'
import { operator } from './surfaces/operator/index.ts'
import { metrics } from './surfaces/operator/metrics.ts'
import { portal } from './surfaces/portal/index.tsx'
import { recorded } from './surfaces/recorded.ts'
import { unsubscribing } from './surfaces/unsubscribe/index.tsx'

const reporting = carrierEvents({
  read: readReport,
  record: (env, now, events) => recordReports(env, events, now),
})

const counting = metrics({ carriers: (env) => chosenOf(env).filter(isWatched) })

/** The surfaces that the OpenAPI document describes, with the path that each is mounted at below. */
const PUBLISHED = [
  { at: '/v1', surface: molted },
  { at: '/v1', surface: mailmolt },
  { at: '', surface: moltbotden },
  { at: '/admin', surface: counting },
  { at: '/admin', surface: operator },
  { at: '/events', surface: reporting },
]

/** All routes of the Worker. More specific paths are mounted first. */
export const app = new OpenAPIHono<App>()

/** The surface of each route, for the log. */
const surfaces = new Map<string, string>()

app.use(opening)
app.use(recorded((route) => surfaces.get(route) ?? null))
// MoltbotDen's surface has its own answer to a body that is too large.
for (const area of ['/v1/*', '/u/*', '/claim/*', '/verify/*', '/portal/*']) app.use(area, limitBody)

mount('health', '/', health({ carriers: chosenOf }))
mount('docs', '/', docs(openApi))
mount('dev', '/dev', dev)
mount('unsubscribe', '/u', unsubscribing)
mount('claim', '/', claiming)
mount('portal', '/portal', portal)
mount('events', '/events', reporting)
mount(
  'mcp',
  '/mcp',
  mcp({ document: () => openApi(null), ask: (request, c) => app.fetch(request, c.env, c.executionCtx) }),
)
mount('operator', '/admin', counting)
mount('operator', '/admin', operator)
mount('molted', '/v1', molted)
mount('mailmolt', '/v1', mailmolt)
mount('moltbotden', '/', moltbotden)
app.all('*', noSuchRoute)

app.onError((error, c: HttpContext) => {
  if (error instanceof Fault) {
    const { code, message, details } = error
    learn({ reason: code })
    const status = code === 'payload_too_large' ? 413 : code === 'not_found' ? 404 : 400
    return c.json({ error: code, message, ...details }, status)
  }
  tellFailure('internal_error', error)
  const message = `Something broke on our side. If you report it, give the request id ${c.get('requestId')}.`
  return c.json({ error: 'internal_error', message }, 500)
})

function mount<E extends HonoEnv, S extends Schema, P extends string>(
  surface: string,
  path: string,
  routes: Hono<E, S, P>,
) {
  const before = app.routes.length
  app.route(path, routes)
  for (const route of app.routes.slice(before)) surfaces.set(`${route.method} ${route.path}`, surface)
}

/** The carriers that CARRIERS names. Throws if one of them cannot be used. */
function chosenOf(env: Env) {
  return chosenCarriers(
    env,
    carrierPort(env),
    ownDelivery(env, () => new Date()),
  )
}

/** The OpenAPI document of all routes, or of one published API. */
export function openApi(api: Documented | null) {
  if (api === null) return documentOf(PUBLISHED, 'Moltpost')
  const surface = { molted, moltbotden, mailmolt }[api]
  return documentOf([{ at: '', surface }], `Moltpost, as ${api} publishes it`)
}
