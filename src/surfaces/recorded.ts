import type { MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { type Facts, learn, tell, within } from '../core/ground/log.ts'
import type { App, HttpContext } from './http.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const SEND_ID = /^req_[0-9a-z]{36}$/

/**
 * Writes one log line for each request: its surface and route, the caller, the outcome and the duration. A request that the
 * Worker makes to itself shares the line of the request it serves. A healthy `/health` writes none.
 * `surfaceOf` names the surface of a route.
 */
export function recorded(surfaceOf: (route: string) => string | null): MiddlewareHandler<App> {
  return async (c, next) => {
    if (c.get('errand') !== null) return await next()
    await within({ requestId: c.get('requestId') }, async () => {
      const startedAt = Date.now()
      await next()
      const { status } = c.res
      const { method, path } = answeredBy(c)
      const route = path.replace(/:(\w+)(\{[^}]*\})?/g, '{$1}')
      if (route === '/health' && status === 200) return
      const facts: Facts = { surface: surfaceOf(`${method} ${path}`), method: methodOf(c), route }
      learn(sendNamed(c))
      tell(status >= 500 ? 'error' : 'info', 'request', { ...facts, status, ms: Date.now() - startedAt })
    })
  }
}

/** The route of the request, also if a middleware refused it first. */
function answeredBy(c: HttpContext): { method: string; path: string } {
  const matched = matchedRoutes(c)
  const reached = matched.slice(c.req.routeIndex)
  return reached.find(({ method }) => method !== 'ALL') ?? reached[0] ?? { method: 'ALL', path: '*' }
}

function methodOf(c: HttpContext): string {
  return METHODS.includes(c.req.method) ? c.req.method : 'OTHER'
}

/** The send that a route names in its path. */
function sendNamed(c: HttpContext): Facts {
  const named: string | undefined = c.req.param('requestId')
  return named !== undefined && SEND_ID.test(named) ? { sendId: named } : {}
}
