import { ENTRIES, type World } from './matrix.ts'

type Schema = {
  $ref?: string
  type?: string | string[]
  format?: string
  enum?: unknown[]
  const?: unknown
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  additionalProperties?: boolean | Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  minimum?: number
}
type Operation = { requestBody?: { content: Record<string, { schema: Schema } | undefined> } }
export type Document = {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

/** A request in parts, so that each field has its own path. */
export type Request = {
  method: string
  path: string[]
  query: Record<string, string>
  body: unknown
  headers: Record<string, string>
}
type Answered = { status: number; body: Record<string, unknown> }

type Leaf = { at: string[]; format: string | undefined; filler: unknown }
/** A field, its name, and the forms to try for its word, the preferred one first. */
type Field = { at: string[]; name: string; forms: string[] }

/** Routes of the operator, of carriers and of links, which no key of a tenant opens. */
const NOT_A_TENANTS = /^\/(?:admin|events|dev|u|claim|verify|v1\/claim|v1\/compliance\/delete)(?:\/|$)/

/** The routes through which a tenant writes, in the order of the document. */
export function writingRoutes({ paths }: Document): string[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    NOT_A_TENANTS.test(path)
      ? []
      : Object.keys(operations)
          .filter((method) => ['post', 'put', 'patch'].includes(method))
          .map((method) => `${method.toUpperCase()} ${path}`),
  )
}

/**
 * Sends the matrix's request for a route with a unique word in every field that accepts one. A refused field is tried in its
 * other forms, then with its original value. Null if the world refuses the original request.
 */
export async function plant(
  document: Document,
  route: string,
  world: World,
  wordFor: (name: string) => string,
  ask: (request: Request) => Promise<Answered>,
) {
  const [method = '', pattern = ''] = route.split(' ')
  const { path, query = {}, body } = ENTRIES[route]?.request(world.ids) ?? { path: '' }
  const plain: Request = { method, path: path.split('/'), query, body, headers: {} }
  const schema = document.paths[pattern]?.[method.toLowerCase()]?.requestBody?.content['application/json']
  const isId = (value: unknown) =>
    typeof value === 'string' && !value.includes('@') && Object.values(world.ids).includes(value)
  const isText = ({ at }: Leaf) => at.at(-1) !== 'tenantId' && !isId(valueAt(plain, at))
  const leaves = [
    ...leavesOf(document, schema?.schema ?? {}, ['body'], false),
    ...valuesOf(body, ['body']),
  ].filter(({ at }, nth, all) => !all.slice(0, nth).some((other) => overlap(other.at, at)))
  const params = pattern.split('/').flatMap((step, nth) => (step.startsWith('{') ? [['path', `${nth}`]] : []))
  const texts: Leaf[] = [
    ...leaves.filter(({ filler }) => filler === undefined),
    ...params.map((at) => ({ at, format: undefined, filler: undefined })),
    ...(method === 'POST'
      ? [{ at: ['headers', 'idempotency-key'], format: undefined, filler: undefined }]
      : []),
  ]
  const fields = texts.filter(isText).map(({ at, format }): Field => {
    const name = `${route} ${at.join('.')}`
    return { at, name, forms: formsOf(wordFor(name), format, valueAt(plain, at)) }
  })
  const fillers = leaves.filter(({ at, filler }) => filler !== undefined && valueAt(plain, at) === undefined)

  const write = (chosen: Field[]) => {
    const beside = fillers.filter(({ at }) => chosen.some((field) => overlap(at.slice(0, -1), field.at)))
    const values: [string[], unknown][] = [
      ...chosen.map(({ at, forms }): [string[], unknown] => [at, forms[0]]),
      ...beside.map(({ at, filler }): [string[], unknown] => [at, filler]),
    ]
    return values.reduce<unknown>((request, [at, value]) => put(request, at, value), plain) as Request
  }
  let chosen = fields
  for (;;) {
    const request = write(chosen)
    const answer = await ask(request)
    const done = (sent: Field[], by: Request) => ({
      request: by,
      planted: sent.map(({ name }) => name),
      left: fields.filter((field) => !sent.includes(field)).map(({ name }) => name),
      ids: texts.length - fields.length,
    })
    const refusal = refusalIn(answer)
    if (!refusal) return done(chosen, request)
    let culprit = chosen.find(({ at }) => isTold(refusal, at))
    for (const field of culprit ? [] : chosen) {
      const others = chosen.filter((other) => other !== field)
      const without = write(others)
      const other = refusalIn(await ask(without))
      if (!other) return done(others, without)
      if (JSON.stringify(reasonOf(other)) === JSON.stringify(reasonOf(refusal))) continue
      culprit = field
      break
    }
    if (!culprit) return null
    culprit.forms.shift()
    chosen = chosen.filter(({ forms }) => forms.length > 0)
  }
}

/** The leaves that a schema allows: texts, and the fields required beside them. */
function* leavesOf(document: Document, schema: Schema, at: string[], isNeeded: boolean): Generator<Leaf> {
  if (schema.$ref) {
    const named = document.components.schemas[schema.$ref.split('/').at(-1) ?? '']
    return yield* leavesOf(document, named ?? {}, at, isNeeded)
  }
  const several = schema.anyOf ?? schema.oneOf ?? schema.allOf
  for (const each of several ?? []) yield* leavesOf(document, each, at, isNeeded)
  const types = [schema.type ?? []].flat()
  for (const [name, part] of Object.entries(schema.properties ?? {}))
    yield* leavesOf(document, part, [...at, name], schema.required?.includes(name) ?? false)
  if (schema.items) yield* leavesOf(document, schema.items, [...at, '0'], true)
  if (schema.additionalProperties && !schema.properties)
    yield { at: [...at, 'matrix'], format: undefined, filler: undefined }
  const filler =
    schema.const ??
    schema.enum?.[0] ??
    (types.includes('boolean')
      ? true
      : types.some((type) => type === 'integer' || type === 'number')
        ? (schema.minimum ?? 1)
        : undefined)
  if (types.includes('string') && filler === undefined) yield { at, format: schema.format, filler }
  if (filler !== undefined && isNeeded) yield { at, format: undefined, filler }
}

/** The texts that the request already has, even if the document does not describe them. */
function* valuesOf(value: unknown, at: string[]): Generator<Leaf> {
  if (typeof value === 'string') yield { at, format: undefined, filler: undefined }
  if (typeof value !== 'object' || value === null) return
  for (const [name, part] of Object.entries(value)) yield* valuesOf(part, [...at, name])
}

function formsOf(word: string, format: string | undefined, given: unknown): string[] {
  const address = `${word}@example.com`
  const text = typeof given === 'string' ? given : ''
  if (format === 'byte') return [btoa(word)]
  if (format === 'email' || text.includes('@')) return [address]
  if (/^https?:/.test(text)) return [`${text}/${word}`]
  if (/^[a-z-]+(?:\.[a-z-]+)+$/.test(text)) return [`${word}.example.org`]
  return [word, address, `text/${word}`, `https://example.com/${word}`]
}

/** The refused part: the whole request, or one of its items. */
function refusalIn({ status, body }: Answered): Answered['body'] | null {
  if (status >= 300) return body
  const items = Array.isArray(body.results) ? (body.results as Answered['body'][]) : []
  return items.find((item) => item.status === 'error') ?? null
}

/** Whether an error names this field, its parent or its child. The error of an item names fields relative to the item. */
function isTold(body: Answered['body'], at: string[]): boolean {
  const { field } = reasonOf(body)
  const told = field.split('.')
  return field !== '' && (overlap(at.slice(1), told) || (at.length > 3 && overlap(at.slice(3), told)))
}

// biome-ignore lint/suspicious/noExplicitAny: three surfaces, three ways to say what is wrong
function reasonOf(body: any): { field: string; text: string } {
  const told = body.field ?? body.details?.field ?? body.error?.details?.field
  const place = Array.isArray(body.detail) ? body.detail[0]?.loc?.slice(1).join('.') : undefined
  return { field: String(told ?? place ?? ''), text: String(body.message ?? body.error?.message) }
}

/** Whether one path equals the other or lies below it. */
const overlap = (one: string[], other: string[]) =>
  one.slice(0, other.length).join('.') === other.slice(0, one.length).join('.')

const valueAt = (from: unknown, at: string[]): unknown =>
  at.reduce<unknown>((value, step) => (value as Record<string, unknown> | undefined)?.[step], from)

function put(into: unknown, [step, ...rest]: string[], value: unknown): unknown {
  if (step === undefined) return value
  const known = into as Record<string, unknown> | undefined
  const entry = put(known?.[step], rest, value)
  if (!/^\d+$/.test(step)) return { ...known, [step]: entry }
  return Object.assign([...((into as unknown[]) ?? [])], { [step]: entry })
}
