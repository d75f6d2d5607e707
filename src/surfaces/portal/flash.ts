import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { PortalContext } from './context.ts'
import { COOKIE } from './session.ts'

const FLASH = '__Host-moltpost-flash'
const FLASH_S = 60

/** Redirects after a form is done, to a page that shows the message once. */
export function done(c: PortalContext, to: string, message: string) {
  c.set('leadsTo', { to, message })
  setCookie(c, FLASH, encodeURIComponent(message), { ...COOKIE, maxAge: FLASH_S })
  return c.redirect(to, 303)
}

/** The message of the form that led here, which this call also deletes; null where there is none. */
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
