import type { OpenAPIHono } from '@hono/zod-openapi'
import type { App } from './surfaces/http.ts'

export type Document = ReturnType<OpenAPIHono<App>['getOpenAPI31Document']>

const made = new WeakMap<OpenAPIHono<App>, Document>()

/**
 * The OpenAPI 3.1 document of all routes of an app, with the error that each may answer. Made once: the library would make
 * it anew at each call.
 */
export function documentOf(app: OpenAPIHono<App>, title: string): Document {
  const known = made.get(app)
  if (known) return known
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title,
      version: '0.1.0',
      description: 'Email for AI agents: one policy pipeline, one decision trace and one delivery machine.',
    },
  })
  for (const [path, operations] of Object.entries(document.paths ?? {})) {
    for (const operation of Object.values(operations)) {
      if (typeof operation !== 'object' || !('responses' in operation)) continue
      const { responses, security = [] } = operation
      responses.default ??= refused(
        'An error: `error` is its code, `message` says what is wrong and how to mend it.',
      )
      if (security.length > 0) responses[401] ??= refused('The key is missing, unknown or revoked.')
      if (path.includes('{')) responses[404] ??= refused('There is no such thing, or not for this key.')
    }
  }
  document.components = { ...document.components, securitySchemes: SECURITY }
  made.set(app, document)
  return document
}

function refused(description: string) {
  return { description, content: { 'application/json': { schema: ERROR } } }
}

const SECURITY = {
  bearer: { type: 'http', scheme: 'bearer' },
  operator: { type: 'http', scheme: 'bearer' },
  smtp: { type: 'http', scheme: 'basic' },
} as const

const ERROR = {
  type: 'object',
  required: ['error', 'message'],
  properties: {
    statusCode: { type: 'integer' },
    error: { type: 'string', examples: ['mailbox_scope_denied'] },
    message: { type: 'string' },
    field: { type: 'string' },
  },
} as const
