import type { z } from '@hono/zod-openapi'
import { strictly } from './unknown-fields.ts'

/**
 * A JSON request body with this schema, for a route's `request`. Fields that the schema does not know are refused by name,
 * except those in `ignored`. By default its example is made from the schema.
 */
export function body<Schema extends z.ZodType>(
  schema: Schema,
  example?: z.input<Schema>,
  ignored?: string[],
) {
  return openBody(strictly(schema, ignored ? { ignored } : {}), example)
}

/** A body of a published route. Only near misses of its fields are refused; other unknown fields are dropped. */
export function publishedBody<Schema extends z.ZodType>(
  schema: Schema,
  example?: z.input<Schema>,
  ignored: string[] = [],
) {
  return openBody(strictly(schema, { ignored, refused: 'near misses' }), example)
}

/** A body that may be left out. */
export function optionalBody<Schema extends z.ZodType>(schema: Schema) {
  return {
    body: { required: false as const, content: { 'application/json': { schema: strictly(schema) } } },
  }
}

/** A body whose unknown fields are all dropped, for the published routes that promise so. */
export function openBody<Schema extends z.ZodType>(schema: Schema, example?: unknown) {
  const shown = example === undefined ? {} : { example }
  return { body: { required: true as const, content: { 'application/json': { schema, ...shown } } } }
}
