import type { Tool } from '@modelcontextprotocol/server'
import { CATALOGUE, type Listed } from './catalogue.ts'
import { type Schema, without } from './json-schema.ts'
import { type Document, type Operation, operation } from './operation.ts'
import { fencedSchema, type Outside } from './untrusted.ts'

/** A tool as it is listed, with the route behind it. */
export type BuiltTool = { listed: Listed; operation: Operation; tool: Tool }

/** Where a route does not say so itself: what a refusal by the policy looks like. */
export const BLOCKED: Schema = {
  type: 'object',
  properties: {
    status: { const: 'blocked' },
    reason: { type: 'string', description: 'The rule that refused, such as cooldown or suppressed.' },
    message: { type: 'string' },
    retryAt: { type: 'string', description: 'When the same send may be judged otherwise.' },
    leaseHolder: { type: 'object', description: 'The agent that holds the contact.' },
  },
  required: ['status', 'reason', 'message'],
}

/** Where whom a message goes to was not the caller's word, what is said of it may hold a stranger's. */
export const SAID_OF_STRANGERS: Outside = { fields: ['message'], ours: [] }

const KEY: Schema = {
  type: 'string',
  pattern: '^[\\x21-\\x7e][\\x20-\\x7e]{0,255}$',
  description: 'Your own name for this one message: repeated with the same key it is sent once.',
}

/** The tools by name, in the order of the catalogue, each with the schemas and the words of its route. */
export function buildTools(document: Document): Map<string, BuiltTool> {
  return new Map(CATALOGUE.map((listed) => [listed.name, build(listed, operation(document, listed.route))]))
}

function build(listed: Listed, route: Operation): BuiltTool {
  const { name, title, when, effect } = listed
  const { properties = {}, ...input } = without(route.input, listed.hidden ?? [])
  const inputSchema = {
    ...input,
    properties: { ...properties, ...(listed.takesKey ? { idempotencyKey: KEY } : {}) },
  }
  const tool: Tool = {
    name,
    title,
    description: `${when}\n\n${route.about}`,
    inputSchema: inputSchema as Tool['inputSchema'],
    outputSchema: { type: 'object', ...outputOf(listed, route) } as Tool['outputSchema'],
    annotations: {
      title,
      readOnlyHint: effect === 'reads',
      destructiveHint: listed.destroys === true,
      idempotentHint: effect !== 'acts',
      openWorldHint: listed.reachesOut === true,
    },
  }
  return { listed, operation: route, tool }
}

/** The answers of the route that its tool passes on. */
export function answerSchema({ dropped = [] }: Listed, { output }: Operation): Schema {
  return without(output, dropped)
}

function outputOf(listed: Listed, route: Operation): Schema {
  const answer = answerSchema(listed, route)
  const shown = listed.outside ? fencedSchema(answer, listed.outside) : answer
  // The routes that answer a refusal by a status of its own are those whose key travels in a header.
  return listed.takesKey
    ? { anyOf: [shown, listed.outside ? fencedSchema(BLOCKED, SAID_OF_STRANGERS) : BLOCKED] }
    : shown
}
