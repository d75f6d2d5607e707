import type { MiddlewareHandler } from 'hono'
import { Fault } from '../../core/ground/fault.ts'
import { APART } from '../page.tsx'
import type { Portal, PortalContext } from './context.ts'

/** The policy of every page: no inline scripts or styles, nothing loaded from other sites, no framing. */
const POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

/** The policy of untrusted content: it runs nothing, loads nothing and has no origin. */
const SANDBOX_POLICY =
  "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

/** Adds the security headers to every answer of the portal. */
export const withHeaders: MiddlewareHandler<Portal> = async (c, next) => {
  await next()
  const { headers } = c.res
  if (!headers.has('Cache-Control')) c.header('Cache-Control', 'no-store')
  if (!headers.has('Content-Security-Policy')) {
    c.header('Content-Security-Policy', POLICY)
    c.header('X-Frame-Options', 'DENY')
  }
  c.header('Strict-Transport-Security', 'max-age=31536000')
  for (const [name, value] of Object.entries(APART)) c.header(name, value)
  c.header('Cross-Origin-Resource-Policy', 'same-origin')
  c.header('Permissions-Policy', 'camera=(), geolocation=(), microphone=()')
}

/** Answers with HTML that an agent or a stranger wrote, for a sandboxed frame. */
export function sandboxed(c: PortalContext, html: string) {
  c.header('Content-Security-Policy', SANDBOX_POLICY)
  c.header('X-Frame-Options', 'SAMEORIGIN')
  return c.html(html)
}

/** Refuses every request that would change something unless a page of the portal sent it. */
export const sameOrigin: MiddlewareHandler<Portal> = async (c, next) => {
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD' && !isFromPortal(c)) {
    throw new Fault('insufficient_scope', 'This request came from another site, so nothing was done.')
  }
  await next()
}

function isFromPortal(c: PortalContext): boolean {
  const site = c.req.header('sec-fetch-site')
  if (site !== undefined) return site === 'same-origin'
  return c.req.header('origin') === new URL(c.req.url).origin
}
