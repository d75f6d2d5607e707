import type { MiddlewareHandler } from 'hono'
import { momentText } from '../../core/ground/cursor.ts'
import { Fault } from '../../core/ground/fault.ts'
import type { Place } from '../../core/mail/messages.ts'
import { type App, json, z } from '../http.ts'
import { ErrorView } from './refusals.ts'

/** Errors that every route may answer, for its `responses`. */
export const ERRORS = { default: json(ErrorView, 'An error') }

/** For routes whose every field may be left out: a body of another type must not pass for an empty one. */
export const jsonOnly: MiddlewareHandler<App> = async (c, next) => {
  if (!/^\s*application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(c.req.header('content-type') ?? '')) {
    throw new Fault('malformed_json', 'The request body must be JSON, with content type application/json.', {
      field: 'body',
    })
  }
  await next()
}

/** For a route that the published document gives no body: one may come all the same, and must be JSON. */
export const jsonIfAny: MiddlewareHandler<App> = async (c, next) => {
  if (c.req.header('content-type') === undefined) await next()
  else await jsonOnly(c, next)
}

/** What a time must be, as the end of a sentence. */
export const A_MOMENT = 'must be a time with its zone, as in 2026-04-17T14:32:00Z'

/** A place in a list, as `next_cursor` of the page before gave it. Empty is none. */
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

/** A time of the database, in ms, as this API prints times. */
export function stamp(time: Date | number): string {
  return momentText((typeof time === 'number' ? time : time.getTime()) * 1000)
}

/** A flag in a query. */
export const Flag = z.stringbool().openapi({ type: 'boolean' })
