type Schema = {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  additionalProperties?: boolean | Schema
  allOf?: Schema[]
  anyOf?: Schema[]
  oneOf?: Schema[]
}
type Answer = { $ref?: string; content?: Record<string, { schema?: Schema }> }
type Operation = {
  summary?: string
  parameters?: { name: string; in: string; required?: boolean; schema?: Schema }[]
  requestBody?: { required?: boolean; content: Record<string, { schema?: Schema }> }
  responses: Record<string, Answer>
}
/** The parts of an OpenAPI document that become types. */
export type Described = {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema>; responses: Record<string, Answer> }
}

/** Writes the types `paths` and `components` of a document, as openapi-fetch expects them. */
export function typesOf({ paths, components }: Described): string {
  const answerOf = ({ $ref, ...answer }: Answer) =>
    $ref ? (components.responses[$ref.split('/').at(-1) ?? ''] ?? {}) : answer
  const operation = ({ summary, parameters = [], requestBody, responses }: Operation) => {
    const places = ['query', 'header', 'path', 'cookie'].map((place) => {
      const here = parameters.filter((each) => each.in === place)
      if (here.length === 0) return `${place}?: never`
      const isNeeded = here.some(({ required }) => required)
      return `${place}${isNeeded ? '' : '?'}: ${record(here.map(({ name, required, schema }) => [name, required === true, schema ?? {}]))}`
    })
    const answers = Object.entries(responses).map(
      ([status, answer]) =>
        `${status}: { headers: { [name: string]: unknown }; ${contentOf(answerOf(answer).content)} }`,
    )
    const taken = requestBody
      ? `requestBody${requestBody.required ? '' : '?'}: { ${contentOf(requestBody.content)} }`
      : 'requestBody?: never'
    const about = summary ? `/** ${summary.replaceAll('*/', '* /')} */\n    ` : ''
    return {
      about,
      text: `{ parameters: { ${places.join('; ')} }; ${taken}; responses: { ${answers.join('; ')} } }`,
    }
  }
  const routes = Object.entries(paths).map(([path, item]) => {
    const methods = Object.entries(item).map(([method, each]) => {
      const { about, text } = operation(each)
      return `    ${about}${method}: ${text}`
    })
    return `  ${JSON.stringify(path)}: {\n${methods.join('\n')}\n  }`
  })
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) => `    ${JSON.stringify(name)}: ${typeOf(schema)}`,
  )
  return `// Generated from the OpenAPI document by npm run build.
export interface paths {
${routes.join('\n')}
}
export interface components {
  schemas: {
${schemas.join('\n')}
  }
}
`
}

function contentOf(content: Answer['content']): string {
  if (!content) return 'content?: never'
  const types = Object.entries(content).map(
    ([type, { schema = {} }]) => `${JSON.stringify(type)}: ${typeOf(schema)}`,
  )
  return `content: { ${types.join('; ')} }`
}

function typeOf(schema: Schema): string {
  if (schema.$ref) return `components['schemas'][${JSON.stringify(schema.$ref.split('/').at(-1))}]`
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  const { allOf, ...own } = schema
  if (allOf)
    return [...allOf, ...(own.properties ? [own] : [])].map((part) => `(${typeOf(part)})`).join(' & ')
  const several = schema.anyOf ?? schema.oneOf
  if (several) return several.map((part) => `(${typeOf(part)})`).join(' | ')
  return (
    [schema.type ?? []]
      .flat()
      .map((type) => plainTypeOf(type, schema))
      .join(' | ') || 'unknown'
  )
}

function plainTypeOf(
  type: string,
  { properties, required = [], items, additionalProperties }: Schema,
): string {
  if (type === 'integer') return 'number'
  if (type === 'array') return `(${typeOf(items ?? {})})[]`
  if (type !== 'object') return type
  if (properties)
    return record(Object.entries(properties).map(([name, each]) => [name, required.includes(name), each]))
  const value = typeof additionalProperties === 'object' ? typeOf(additionalProperties) : 'unknown'
  return `{ [name: string]: ${value} }`
}

function record(fields: [name: string, isNeeded: boolean, schema: Schema][]): string {
  const lines = fields.map(
    ([name, isNeeded, schema]) => `${JSON.stringify(name)}${isNeeded ? '' : '?'}: ${typeOf(schema)}`,
  )
  return `{ ${lines.join('; ')} }`
}
