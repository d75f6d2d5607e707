import { OpenAPIHono } from '@hono/zod-openapi'
import { momentText, readMoment } from '../../core/ground/cursor.ts'
import { Fault } from '../../core/ground/fault.ts'
import { type App, json, z } from '../http.ts'

const Validation = z.object({
  loc: z.array(z.union([z.string(), z.number()])),
  msg: z.string(),
  type: z.string(),
})

export const ErrorView = z
  .object({
    error: z.object({
      code: z.string().openapi({ example: 'rate_limit_exceeded' }),
      message: z.string(),
      retry_after: z.int().optional().openapi({ description: 'Seconds, same as the Retry-After header.' }),
      details: z.record(z.string(), z.unknown()).optional(),
    }),
    detail: z.union([z.string(), z.array(Validation)]),
  })
  .openapi('EmailError')

type Trouble = {
  code: string
  message: string
  retryAfter?: number | undefined
  details?: Record<string, unknown> | undefined
  /** The errors of the request, one per field. */
  issues?: z.infer<typeof Validation>[] | undefined
}

/** An error body for all clients of this API: some read `error`, some read `detail`. */
export function errorBody({ code, message, retryAfter, details = {}, issues }: Trouble) {
  return {
    error: {
      code,
      message,
      ...(retryAfter === undefined ? {} : { retry_after: retryAfter }),
      ...(Object.keys(details).length > 0 ? { details } : {}),
    },
    detail: issues ?? message,
  } satisfies z.infer<typeof ErrorView>
}

/** The errors of every route, for its `responses`. */
export const ERRORS = { default: json(ErrorView, 'An error') }

/** The rate-limit headers of every answer. */
export const RATE_HEADERS = {
  'X-RateLimit-Limit': { schema: { type: 'integer' as const }, description: 'Sends in the binding window.' },
  'X-RateLimit-Remaining': { schema: { type: 'integer' as const } },
  'X-RateLimit-Reset': { schema: { type: 'integer' as const }, description: 'In Unix seconds.' },
}

const PLACES = {
  json: 'body',
  form: 'body',
  query: 'query',
  param: 'path',
  header: 'header',
  cookie: 'cookie',
}

/** A set of routes of this API. A request that does not match its schema gets one error per field. */
export function routes() {
  return new OpenAPIHono<App>({
    defaultHook(result) {
      if (result.success) return
      const place = PLACES[result.target as keyof typeof PLACES] ?? 'body'
      const issues = result.error.issues.map(({ path, message, code }) => ({
        loc: [place, ...path.map((part) => (typeof part === 'symbol' ? String(part) : part))],
        msg: message,
        type: code,
      }))
      const [first] = issues
      const message = first ? `${first.loc.join('.')}: ${first.msg}` : 'The request is not valid.'
      throw new Fault('invalid', message, { issues })
    },
  })
}

/** A position in a folder: the `created_at` of a message. Empty counts as none. */
export const Cursor = z
  .string()
  .max(128)
  .transform((text, context) => {
    if (text === '') return null
    // The plus sign of a time offset arrives as a space if it was not escaped.
    const at = readMoment(text.replace(' ', '+'))
    if (at === null)
      context.addIssue({ code: 'custom', message: 'must be a time as an earlier answer gave it' })
    return at
  })
  .openapi({ type: 'string', example: '2026-03-13T15:30:00.123Z' })

/** A time in the format of this API. */
export function stamp(time: Date | number): string {
  return momentText((typeof time === 'number' ? time : time.getTime()) * 1000)
}

/** The agent id of this API: the local part of an address in our domain. */
export function agentIdOf(address: string): string {
  return address.slice(0, address.lastIndexOf('@')).toLowerCase()
}
