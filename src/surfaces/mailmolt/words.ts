import type { MiddlewareHandler } from 'hono'
import { momentText } from '../../core/ground/cursor.ts'
import { Fault } from '../../core/ground/fault.ts'
import type { Place } from '../../core/mail/messages.ts'
import { type App, json, z } from '../http.ts'
import { ErrorView } from './refusals.ts'

/** The errors of every route, for its `responses`. */
export const ERRORS = { default: json(ErrorView, 'An error') }

/** For routes without required fields: without it a body of another content type would count as empty. */
export const jsonOnly: MiddlewareHandler<App> = async (c, next) => {
  if (!/^\s*application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(c.req.header('content-type') ?? '')) {
    throw new Fault('malformed_json', 'The request body must be JSON, with content type application/json.', {
      field: 'body',
    })
  }
  await next()
}

/** For a route that has no body in the published document: if a request has one, it must be JSON. */
export const jsonIfAny: MiddlewareHandler<App> = async (c, next) => {
  if (c.req.header('content-type') === undefined) await next()
  else await jsonOnly(c, next)
}

/** The format of a time, for an error message. */
export const A_MOMENT = 'must be a time with its zone, as in 2026-04-17T14:32:00Z'

/** A position in a list: `next_cursor` of the page before. Empty counts as none. */
export const Cursor = z
  .string()
  .max(300)
  .transform((text, context): Place | null => {
    if (text === '') return null
    const [, at, id] = /^(\d{1,16})\.([\w-]{1,200})$/.exec(text) ?? []
    if (at !== undefined && id !== undefined) return { at: Number(at), id }
    context.addIssue({ code: 'custom', message: 'must be the next_cursor of an earlier answer' })
    return null
  })
  .openapi({ type: 'string' })

export const cursorText = ({ at, id }: Place) => `${at}.${id}`

/** A time in ms, in the format of this API. */
export function stamp(time: Date | number): string {
  return momentText((typeof time === 'number' ? time : time.getTime()) * 1000)
}

/** A flag in a query. */
export const Flag = z.stringbool().openapi({ type: 'boolean' })
