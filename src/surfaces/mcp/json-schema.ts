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

/** A schema that stands by itself: what it refers to among the components is written out in its place. */
export function standalone(schema: Schema, components: Record<string, Schema>): Schema {
  const write = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(write)
    if (typeof part !== 'object' || part === null) return part
    const { $ref, ...rest } = part as Schema
    if (typeof $ref !== 'string') return mapValues(rest, write)
    const named = components[$ref.split('/').at(-1) ?? '']
    if (!named) throw new Error(`the document refers to ${$ref} and does not have it`)
    return { ...(write(named) as Schema), ...mapValues(rest, write) }
  }
  return write(schema) as Schema
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
