import type { MiddlewareHandler } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { type Person, readSession } from '../../core/accounts/sessions.ts'
import { may, mustBeAllowed } from '../../core/ground/ctx.ts'
import { Fault } from '../../core/ground/fault.ts'
import { sha256 } from '../../core/ground/hash.ts'
import { envAndNow, type Portal, type PortalContext } from './context.ts'
import { formOf } from './forms/form.ts'

/** Browsers accept a cookie with this prefix only if it is Secure, has no Domain and has the path `/`. */
const SESSION = '__Host-moltpost'
export const COOKIE = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const
const ABSOLUTE_S = 7 * 86_400

/** Requires a session; a posted form must also carry the token of that session. */
export const signedIn: MiddlewareHandler<Portal> = async (c, next) => {
  const secret = getCookie(c, SESSION) ?? ''
  const person = await readSession(envAndNow(c), secret)
  if (!person) {
    if (c.req.method === 'GET') return c.redirect('/portal/sign-in', 303)
    throw new Fault('unauthorized', 'You are no longer signed in, so nothing was done.')
  }
  c.set('person', person)
  // A form belongs to the account it was opened in, even if another account is chosen since in another tab.
  c.set('csrf', await sha256(`form ${secret} ${person.ctx?.tenantId ?? ''}`))
  if (person.ctx) c.set('ctx', person.ctx)
  if (c.req.method !== 'GET' && (await formOf(c)).csrf !== c.get('csrf')) {
    throw new Fault(
      'insufficient_scope',
      'The form belongs to another session or another account, so nothing was done.',
    )
  }
  await next()
}

/** Requires a chosen tenant; a person with several chooses one first. */
export const inTenant: MiddlewareHandler<Portal> = async (c, next) => {
  const { ctx } = personOf(c)
  if (!ctx) return c.redirect('/portal/accounts', 303)
  // Each verb checks its own permission. This check makes sure that a viewer never changes anything.
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
