import { EXAMPLES, NOUNS } from './words.ts'

type Schema = {
  $ref?: string
  type?: string | string[]
  format?: string
  example?: unknown
  examples?: unknown[]
  enum?: unknown[]
  const?: unknown
  default?: unknown
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  additionalProperties?: boolean | Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  minimum?: number
}
type Content = Record<string, { schema?: Schema; example?: unknown }>
export type Illustrated = {
  parameters?: { name: string; required?: boolean; schema?: Schema; example?: unknown }[]
  requestBody?: { content?: Content }
  responses: Record<string, { content?: Content }>
}
export type Schemas = Record<string, Schema>

/** What a value is called, and what its object is: the `id` of a thread is another than that of a message. */
type Name = { word: string; noun: string }

const JSON_TYPE = 'application/json'

/**
 * Gives an operation an example of each parameter that it needs, of its request and of each answer that is no error, where
 * its route has none: what the schema needs, in the words of the published documents. Where a word has no example there is
 * none at all, and a test tells.
 */
export function illustrate(operation: Illustrated, path: string, schemas: Schemas): void {
  for (const parameter of operation.parameters ?? []) {
    if (!parameter.required) continue
    parameter.example ??= exampleOf(
      parameter.schema ?? {},
      schemas,
      named(parameter.name, nounBefore(path, parameter.name)),
    )
  }
  const noun = nounOf(path)
  const give = (content: Content | undefined) => {
    const json = content?.[JSON_TYPE]
    if (!json?.schema || json.example !== undefined) return
    const example = exampleOf(json.schema, schemas, named('', noun))
    if (example !== undefined) json.example = example
  }
  give(operation.requestBody?.content)
  for (const [status, { content }] of Object.entries(operation.responses)) {
    if (status.startsWith('2')) give(content)
  }
}

/** An example of a schema: its own, or one made of its parts. Undefined where a part has none. */
function exampleOf(schema: Schema, schemas: Schemas, name: Name): unknown {
  const own = schema.example ?? schema.examples?.[0] ?? schema.const
  if (own !== undefined) return own
  if (schema.$ref) return exampleOf(schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {}, schemas, name)
  if (schema.properties && !schema.allOf) {
    return objectOf(schema, schemas, name) ?? (isNullable(schema) ? null : undefined)
  }
  if (isNullable(schema))
    return IDENTIFYING.test(name.word) && isText(schema) ? (wordFor(name) ?? null) : null
  if (schema.enum) return schema.enum[0]
  if (schema.default !== undefined) return schema.default
  const several = schema.anyOf ?? schema.oneOf
  if (several) return exampleOf(several[0] ?? {}, schemas, name)
  if (schema.allOf) {
    const { allOf, ...own } = schema
    const parts = (own.properties ? [...allOf, own] : allOf).map((part) => exampleOf(part, schemas, name))
    return parts.includes(undefined) ? undefined : Object.assign({}, ...parts)
  }
  if (schema.type === 'object') return {}
  if (schema.type === 'array') return listOf(schema, schemas, name)
  const word = wordFor(name)
  if (schema.type === 'boolean') return word ?? true
  if (schema.type === 'integer' || schema.type === 'number') return word ?? schema.minimum ?? 1
  return word ?? EXAMPLES[schema.format ?? '']
}

function objectOf({ properties = {}, required = [] }: Schema, schemas: Schemas, { word, noun }: Name) {
  const inner = word in NOUNS ? word : noun
  const entries = Object.entries(properties)
    .filter(([key, part]) => required.includes(key) || part.example !== undefined)
    .map(([key, part]) => [key, exampleOf(part, schemas, named(key, inner))] as const)
  if (entries.some(([, value]) => value === undefined)) return undefined
  return Object.fromEntries(entries)
}

function listOf({ items = {} }: Schema, schemas: Schemas, name: Name) {
  if (Object.keys(items).length === 0) return []
  const item = exampleOf(items, schemas, name)
  return item === undefined ? undefined : [item]
}

function wordFor({ word, noun }: Name): unknown {
  if (word === 'id') return NOUNS[noun]
  return EXAMPLES[word]
}

/** What may be missing, and is shown all the same. */
const IDENTIFYING = /(?:Id|Name|Email|Text)$/

const isText = ({ type, anyOf }: Schema) =>
  [type].flat().includes('string') || (anyOf?.some((part) => part.type === 'string') ?? false)

function isNullable({ type, anyOf }: Schema): boolean {
  return (
    (Array.isArray(type) && type.includes('null')) || (anyOf?.some((part) => part.type === 'null') ?? false)
  )
}

const named = (word: string, noun: string): Name => ({
  word: word.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
  noun,
})

/** What a path is about: `/webhooks/{id}/deliveries/{deliveryId}/replay` is about deliveries. */
const nounOf = (path: string) =>
  path
    .split('/')
    .filter((step) => step in NOUNS)
    .at(-1) ?? ''

const nounBefore = (path: string, name: string) => nounOf(path.split(`{${name}}`)[0] ?? '')
