import { mapValues, type Schema, standalone } from './json-schema.ts'

/** The parts of the OpenAPI document that are read here. */
export type Document = { paths?: object | undefined; components?: object | undefined }

type Parameter = { name: string; in: string; required?: boolean; schema?: Schema; description?: string }
type Paths = Record<string, Record<string, Described | undefined> | undefined>
type Described = {
  summary?: string
  description?: string
  parameters?: Parameter[]
  requestBody?: { content?: Record<string, { schema?: Schema }> }
  responses?: Record<string, { content?: Record<string, { schema?: Schema }> }>
}

/** One route of the application: where each argument goes, and the schemas of its input and output. */
export type Operation = {
  method: string
  path: string
  about: string
  inPath: string[]
  inQuery: string[]
  hasBody: boolean
  input: Schema
  output: Schema
}

/** Reads a route, named as in `GET /v1/messages/{id}`, from the OpenAPI document. Throws if there is none. */
export function operation(document: Document, route: string): Operation {
  const [method = '', path = ''] = route.split(' ')
  const described = (document.paths as Paths)[path]?.[method.toLowerCase()]
  if (!described) throw new Error(`there is no route ${route}`)
  const { schemas: components = {} } = (document.components ?? {}) as { schemas?: Record<string, Schema> }
  const write = (schema: Schema | undefined) => standalone(schema ?? {}, components)

  const parameters = described.parameters ?? []
  const body = described.requestBody?.content?.['application/json']
  const bodySchema = write(body?.schema)
  const status = Object.keys(described.responses ?? {}).find((each) => each.startsWith('2')) ?? ''
  const named = Object.fromEntries(
    parameters.map(({ name, schema, description }) => [
      name,
      { ...write(schema), ...(description === undefined ? {} : { description }) },
    ]),
  )
  const needed = parameters.filter(({ required }) => required).map(({ name }) => name)
  return {
    method,
    path,
    about: [described.summary, described.description]
      .flatMap((text) => (text ? [sentence(text)] : []))
      .join(' '),
    inPath: parameters.filter((each) => each.in === 'path').map(({ name }) => name),
    inQuery: parameters.filter((each) => each.in === 'query').map(({ name }) => name),
    hasBody: body !== undefined,
    input: {
      type: 'object',
      // A parameter of the path or query wins over a body field of the same name.
      properties: { ...mapValues(bodySchema.properties ?? {}, (each) => each), ...named },
      required: [...new Set([...needed, ...(bodySchema.required ?? [])])],
      additionalProperties: false,
    },
    output: objectOf(write(described.responses?.[status]?.content?.['application/json']?.schema)),
  }
}

/** The structured content of MCP must be an object: a bare list becomes `items`. */
function objectOf(schema: Schema): Schema {
  if (schema.type !== 'array') return schema
  return { type: 'object', properties: { items: schema }, required: ['items'] }
}

function sentence(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return /[.!?]$/.test(line) ? line : `${line}.`
}
