import type { OpenAPIHono } from '@hono/zod-openapi'
import { type App, dialectOf } from '../http.ts'
import { type Illustrated, illustrate, type Schemas } from './example.ts'
import { TAGS } from './tags.ts'

type Document = ReturnType<OpenAPIHono<App>['getOpenAPI31Document']>
type Operation = Illustrated & {
  operationId?: string
  tags?: string[]
  security?: object[]
  responses: Record<string, object>
}

/** A surface and the path where it is mounted. */
type Mounted = { at: string; surface: OpenAPIHono<App> }

const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const

const made = new Map<string, Document>()
const described = new WeakMap<OpenAPIHono<App>, Document>()

/**
 * The OpenAPI 3.1 document of these surfaces together. Every operation has an id, a tag with a description, its security,
 * and each error that it may answer, in the form of its surface.
 */
export function documentOf(mounted: Mounted[], title: string): Document {
  const known = made.get(title)
  if (known) return known
  const whole = { paths: {}, schemas: {}, responses: {} }
  for (const { at, surface } of mounted) {
    const { paths = {}, components = {} } = describe(surface, at)
    for (const [path, item] of Object.entries(paths)) add(whole.paths, `${at}${path}`, item)
    for (const [name, schema] of Object.entries(components.schemas ?? {})) add(whole.schemas, name, schema)
    for (const [name, answer] of Object.entries(components.responses ?? {}))
      add(whole.responses, name, answer)
  }
  const { paths, ...components } = whole
  const operations = operationsOf(paths).map(({ operation }) => operation)
  const tags = new Set(operations.flatMap((each) => each.tags ?? []))
  const schemes = new Set(
    operations.flatMap(({ security = [] }) => security.flatMap((each) => Object.keys(each))),
  )
  const document: Document = {
    openapi: '3.1.0',
    info: {
      title,
      version: '0.1.0',
      description:
        'Email infrastructure for AI agents: one policy judges every send, one trace records it, one state machine delivers it.',
      license: { name: 'UNLICENSED', identifier: 'LicenseRef-UNLICENSED' },
    },
    tags: [...tags].map((name) => ({ name, description: TAGS[name] ?? '' })),
    paths,
    components: {
      ...components,
      securitySchemes: Object.fromEntries(Object.entries(SECURITY).filter(([name]) => schemes.has(name))),
    },
  }
  made.set(title, document)
  return document
}

/** The document of one surface, with paths below its mount point. Cached, because the library builds it at each call. */
function describe(surface: OpenAPIHono<App>, at: string): Document {
  const known = described.get(surface)
  if (known) return known
  const document = surface.getOpenAPI31Document({ openapi: '3.1.0', info: { title: '', version: '' } })
  const { status, error } = dialectOf(surface)
  const responses: NonNullable<NonNullable<Document['components']>['responses']> = {}
  const answer = (kind: keyof typeof ERRORS) => {
    const name = `${error.name}${kind}`
    const schema = { $ref: `#/components/schemas/${error.name}` }
    responses[name] = { description: ERRORS[kind], content: { 'application/json': { schema } } }
    return { $ref: `#/components/responses/${name}` }
  }
  for (const { path, method, operation } of operationsOf(document.paths ?? {})) {
    operation.operationId ??= operationId(method, at === '/v1' ? path : at + path)
    operation.security ??= []
    const { parameters = [], requestBody, security } = operation
    const errors: [code: string | number, kind: keyof typeof ERRORS, isAnswered: boolean][] = [
      [status.invalid, 'Invalid', requestBody !== undefined || parameters.length > 0],
      [status.malformed_json, 'Malformed', requestBody !== undefined],
      [status.unauthorized, 'Unauthorized', security.length > 0],
      [status.insufficient_scope, 'Forbidden', security.length > 0],
      [status.not_found, 'NotFound', path.includes('{')],
      [status.rate_limited, 'TooMany', true],
      ['default', 'Otherwise', true],
    ]
    illustrate(operation, path, (document.components?.schemas ?? {}) as Schemas)
    // An operation that declares its own 401 has declared all of its answers.
    const isComplete = operation.responses[status.unauthorized] !== undefined
    for (const [code, kind, isAnswered] of errors) {
      if (isAnswered && (!isComplete || code === 'default')) operation.responses[code] ??= answer(kind)
    }
  }
  document.components = { ...document.components, responses }
  described.set(surface, document)
  return document
}

function operationsOf(paths: object): { path: string; method: string; operation: Operation }[] {
  return Object.entries(paths as Record<string, Partial<Record<string, Operation>>>).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method]
      return operation ? [{ path, method, operation }] : []
    }),
  )
}

/** `GET /v1/agent/sends/{requestId}` is `getAgentSendsByRequestId`. */
function operationId(method: string, path: string): string {
  const words = path.replaceAll('{', 'by-').match(/[A-Za-z0-9]+/g) ?? []
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
}

/** Two surfaces may share a path, and a component if both define it alike. */
function add(into: Record<string, object>, name: string, value: object) {
  const known = into[name]
  if (known === undefined || name.startsWith('/')) into[name] = { ...known, ...value }
  else if (JSON.stringify(known) !== JSON.stringify(value))
    throw new Error(`two different components have the name ${name}`)
}

const ERRORS = {
  Invalid: 'The request is not JSON or does not match its schema. The answer names the field.',
  Malformed: 'The body is not JSON, or its content type is not application/json.',
  Unauthorized: 'The key is missing, unknown or revoked.',
  Forbidden: 'The key does not have the permission, or not for this mailbox, or not for this agent.',
  NotFound: 'It does not exist, or this key may not see it.',
  TooMany: 'Too many requests. Retry-After gives the seconds to wait.',
  Otherwise: 'An error: a code, and a message that says what is wrong and how to fix it.',
}

const SECURITY = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'A key of a tenant or of an agent. It may also be sent in the header `X-API-Key`.',
  },
  operator: { type: 'http', scheme: 'bearer', description: 'The key of the operator of this Worker.' },
  smtp: { type: 'http', scheme: 'basic', description: 'An SMTP credential: address and password.' },
} as const
