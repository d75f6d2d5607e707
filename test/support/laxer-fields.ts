type Schema = {
  $ref?: string
  properties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
}
type Operation = { requestBody?: { content: Record<string, { schema: Schema } | undefined> } }
type Document = {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

/** The operations of a document that can change something, with the schema of the body of each, if it has one. */
export function writingOperations({ paths }: Document): { route: string; schema: Schema | undefined }[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([method]) => method !== 'get')
      .map(([method, { requestBody }]) => ({
        route: `${method.toUpperCase()} ${path}`,
        schema: requestBody?.content['application/json']?.schema,
      })),
  )
}

/** The paths of all fields that a body may have; `[]` stands for the items of a list. */
export function bodyFields(document: Document, schema: Schema | undefined): string[] {
  return schema ? [...new Set(leaves(document, schema, ''))].filter((path) => path !== '') : []
}

function* leaves(document: Document, schema: Schema, at: string): Generator<string> {
  if (schema.$ref) {
    const named = document.components.schemas[schema.$ref.split('/').at(-1) ?? '']
    return yield* leaves(document, named ?? {}, at)
  }
  const several = schema.anyOf ?? schema.oneOf ?? schema.allOf ?? []
  for (const each of several) yield* leaves(document, each, at)
  const parts = Object.entries(schema.properties ?? {})
  for (const [name, part] of parts) yield* leaves(document, part, at === '' ? name : `${at}.${name}`)
  if (schema.items) yield* leaves(document, schema.items, `${at}[]`)
  if (several.length === 0 && parts.length === 0 && !schema.items && !isNull(schema)) yield at
}

const isNull = (schema: Schema & { type?: unknown }) => schema.type === 'null'
