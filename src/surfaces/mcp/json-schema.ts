/** JSON Schema, as far as this door looks at it. */
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

/**
 * A schema that stands by itself: what it refers to among the components is written out in its place, and an object that
 * is put together from several is one.
 */
export function standalone(schema: Schema, components: Record<string, Schema>): Schema {
  const write = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(write)
    if (typeof part !== 'object' || part === null) return part
    const { $ref, allOf, ...rest } = mapValues(part as Schema, write) as Schema
    const parts = (allOf ?? []).reduce(joined, rest)
    if (typeof $ref !== 'string') return parts
    const named = components[$ref.split('/').at(-1) ?? '']
    if (!named) throw new Error(`the document refers to ${$ref} and does not have it`)
    return joined(write(named) as Schema, parts)
  }
  return write(schema) as Schema
}

/** One schema for what fits both; of what both say, the second counts. */
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

/** A schema of which these properties are left out, wherever in it they stand. */
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
