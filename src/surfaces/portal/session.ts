import type { Context, MiddlewareHandler } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { type Person, readSession } from '../../core/accounts/sessions.ts'
import { may, mustBeAllowed } from '../../core/ground/ctx.ts'
import { Fault } from '../../core/ground/fault.ts'
import { sha256 } from '../../core/ground/hash.ts'
import type { App } from '../http.ts'
import { APART } from '../page.tsx'
import { type Form, formOf, type Wrong } from './forms/form.ts'

export type Portal = {
  Bindings: App['Bindings']
  Variables: App['Variables'] & {
    person?: Person
    csrf?: string
    /** What was written in a form that was posted, and what is wrong with it: for the page that shows it again. */
    given?: Form
    wrong?: Wrong
    /** Where a form that has done its work leads, and what is said there. */
    leadsTo?: { to: string; message: string }
  }
}
export type PortalContext = Context<Portal>

/** The name makes browsers refuse it unless it is Secure, of this host alone and for all of it. */
const SESSION = '__Host-moltpost'
const FLASH = '__Host-moltpost-flash'
const COOKIE = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const
const ABSOLUTE_S = 7 * 86_400
const FLASH_S = 60

/** What every page of the portal is sent with. Nothing inline runs, nothing from elsewhere loads, nobody frames it. */
const POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

/** What somebody else wrote, shown as its recipient will see it: it runs nothing, loads nothing and is of no origin. */
const FOREIGN_POLICY =
  "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

export const guarded: MiddlewareHandler<Portal> = async (c, next) => {
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

/** Answers with what somebody else wrote, for a sandboxed frame. */
export function foreign(c: PortalContext, html: string) {
  c.header('Content-Security-Policy', FOREIGN_POLICY)
  c.header('X-Frame-Options', 'SAMEORIGIN')
  return c.html(html)
}

/** Refuses whatever would change something and was not sent from a page of ours. */
export const sameOrigin: MiddlewareHandler<Portal> = async (c, next) => {
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD' && !isFromHere(c)) {
    throw new Fault('insufficient_scope', 'This was sent from another site, so nothing was done.')
  }
  await next()
}

function isFromHere(c: PortalContext): boolean {
  const site = c.req.header('sec-fetch-site')
  if (site !== undefined) return site === 'same-origin'
  return c.req.header('origin') === new URL(c.req.url).origin
}

/** Everything below this needs a session; a form must bear the token of its session as well. */
export const signedIn: MiddlewareHandler<Portal> = async (c, next) => {
  const secret = getCookie(c, SESSION) ?? ''
  const person = await readSession({ env: c.env, now: c.get('now') }, secret)
  if (!person) {
    if (c.req.method === 'GET') return c.redirect('/portal/sign-in', 303)
    throw new Fault('unauthorized', 'You are not signed in any more, so nothing was done.')
  }
  c.set('person', person)
  c.set('csrf', await sha256(`form ${secret}`))
  if (person.ctx) c.set('ctx', person.ctx)
  if (c.req.method !== 'GET' && (await formOf(c)).csrf !== c.get('csrf')) {
    throw new Fault('insufficient_scope', 'The form does not belong to this session, so nothing was done.')
  }
  await next()
}

/** Everything below this is about one tenant; who has several chooses first. */
export const inTenant: MiddlewareHandler<Portal> = async (c, next) => {
  const { ctx } = personOf(c)
  if (!ctx) return c.redirect('/portal/accounts', 303)
  // The verbs judge what each may do; that a viewer changes nothing is not left to each of them.
  if (c.req.method !== 'GET' && !may(ctx, 'approve')) mustBeAllowed(ctx, 'manage')
  await next()
}

export function personOf(c: PortalContext): Person {
  const person = c.get('person')
  if (!person) throw new Fault('unauthorized', 'You are not signed in.')
  return person
}

export function sessionSecret(c: PortalContext): string | null {
  return getCookie(c, SESSION) ?? null
}

export function startSession(c: PortalContext, secret: string) {
  setCookie(c, SESSION, secret, { ...COOKIE, maxAge: ABSOLUTE_S })
}

export function endSession(c: PortalContext) {
  deleteCookie(c, SESSION, COOKIE)
}

/** After a form has done its work: on to a page, which says so once. */
export function done(c: PortalContext, to: string, message: string) {
  c.set('leadsTo', { to, message })
  setCookie(c, FLASH, encodeURIComponent(message), { ...COOKIE, maxAge: FLASH_S })
  return c.redirect(to, 303)
}

export function takeFlash(c: PortalContext): string | null {
  const message = getCookie(c, FLASH)
  if (message === undefined) return null
  deleteCookie(c, FLASH, COOKIE)
  try {
    return decodeURIComponent(message).slice(0, 300)
  } catch {
    return null
  }
}
