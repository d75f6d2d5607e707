import type { Tool } from '@modelcontextprotocol/server'
import { CATALOGUE, type Listed } from './catalogue.ts'
import { type Schema, without } from './json-schema.ts'
import { type Document, type Operation, operation } from './operation.ts'
import { fencedSchema, type Outside } from './untrusted.ts'

/** A tool as clients see it, with its route. */
export type BuiltTool = { listed: Listed; operation: Operation; tool: Tool }

/** The answer to a send that the policy refused, for routes that answer a refusal by an HTTP status. */
export const BLOCKED: Schema = {
  type: 'object',
  properties: {
    status: { const: 'blocked' },
    reason: {
      type: 'string',
      description: 'The rule that refused the send, such as cooldown or suppressed.',
    },
    message: { type: 'string' },
    retryAt: { type: 'string', description: 'When the same send may be allowed.' },
    leaseHolder: { type: 'object', description: 'The agent that holds the lease on the contact.' },
  },
  required: ['status', 'reason', 'message'],
}

/** If the recipients come from a received message, the message of a refusal may contain a stranger's text. */
export const SAID_OF_STRANGERS: Outside = { fields: ['message'], trusted: [] }

const KEY: Schema = {
  type: 'string',
  pattern: '^[\\x21-\\x7e][\\x20-\\x7e]{0,255}$',
  description:
    'A name that you choose for this one message. A second call with the same key sends nothing and returns the first answer.',
}

/** The tools by name, in the order of the catalogue. Each has the schemas and the description of its route. */
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

/** The schema of the route's answer, without the fields that the tool drops. */
export function answerSchema({ dropped = [] }: Listed, { output }: Operation): Schema {
  return without(output, dropped)
}

function outputOf(listed: Listed, route: Operation): Schema {
  const answer = answerSchema(listed, route)
  const shown = listed.outside ? fencedSchema(answer, listed.outside) : answer
  // The routes that answer a refusal by an HTTP status are exactly those that take the key in a header.
  return listed.takesKey
    ? { anyOf: [shown, listed.outside ? fencedSchema(BLOCKED, SAID_OF_STRANGERS) : BLOCKED] }
    : shown
}
