/** The keywords of JSON Schema that are read here. */
export type Schema = {
  type?: string | string[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  enum?: unknown[]
  const?: unknown
  additionalProperties?: boolean | Schema
  [word: string]: unknown
}

/** A schema without references: each `$ref` is replaced by the component, and each `allOf` is merged into one object. */
export function standalone(schema: Schema, components: Record<string, Schema>): Schema {
  const write = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(write)
    if (typeof part !== 'object' || part === null) return part
    const { $ref, allOf, ...rest } = mapValues(part as Schema, write) as Schema
    const parts = (allOf ?? []).reduce(joined, rest)
    if (typeof $ref !== 'string') return parts
    const named = components[$ref.split('/').at(-1) ?? '']
    if (!named) throw new Error(`the OpenAPI document has no component ${$ref}`)
    return joined(write(named) as Schema, parts)
  }
  return write(schema) as Schema
}

/** Merges two schemas. If both set a keyword, the second wins. */
function joined(one: Schema, other: Schema): Schema {
  const properties = { ...one.properties, ...other.properties }
  const required = [...new Set([...(one.required ?? []), ...(other.required ?? [])])]
  return {
    ...one,
    ...other,
    ...(Object.keys(properties).length > 0 ? { properties } : {}),
    ...(required.length > 0 ? { required } : {}),
  }
}

export function mapValues<From, To>(record: Record<string, From>, change: (value: From) => To) {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))
}

/** A copy of the schema without these properties, at any depth. */
export function without(schema: Schema, names: readonly string[]): Schema {
  const { properties, required, items, anyOf, ...rest } = schema
  const kept = Object.entries(properties ?? {}).filter(([name]) => !names.includes(name))
  return {
    ...rest,
    ...(anyOf ? { anyOf: anyOf.map((each) => without(each, names)) } : {}),
    ...(items ? { items: without(items, names) } : {}),
    ...(properties
      ? { properties: Object.fromEntries(kept.map(([name, each]) => [name, without(each, names)])) }
      : {}),
    ...(required ? { required: required.filter((name) => !names.includes(name)) } : {}),
  }
}
