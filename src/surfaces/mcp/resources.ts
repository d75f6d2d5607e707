import type { Resource, ResourceTemplateType } from '@modelcontextprotocol/server'

/** The resources with a fixed address. Reading one calls its tool with these arguments. */
export const RESOURCES: readonly (Resource & { tool: string; given: Record<string, unknown> })[] = [
  {
    uri: 'moltpost://inbox',
    name: 'inbox',
    title: 'Inbox',
    description: 'The 20 newest messages of the mailbox.',
    mimeType: 'application/json',
    tool: 'list_messages',
    given: { limit: 20 },
  },
]

export const TEMPLATES: readonly (ResourceTemplateType & { tool: string; argument: string })[] = [
  {
    uriTemplate: 'moltpost://messages/{id}',
    name: 'message',
    title: 'Message',
    description: 'One message with its text.',
    mimeType: 'application/json',
    tool: 'read_message',
    argument: 'id',
  },
  {
    uriTemplate: 'moltpost://threads/{id}',
    name: 'thread',
    title: 'Conversation',
    description: 'A conversation with its messages, oldest first.',
    mimeType: 'application/json',
    tool: 'read_thread',
    argument: 'id',
  },
  {
    uriTemplate: 'moltpost://sends/{requestId}',
    name: 'trace',
    title: 'Trace of a send',
    description: 'The policy decision for a send, and each delivery attempt.',
    mimeType: 'application/json',
    tool: 'send_status',
    argument: 'requestId',
  },
]

/** The tool that reads the resource at an address, with its arguments. Null if there is no such resource. */
export function resourceAt(uri: string): { tool: string; given: Record<string, unknown> } | null {
  const fixed = RESOURCES.find((each) => each.uri === uri)
  if (fixed) return { tool: fixed.tool, given: fixed.given }
  for (const { uriTemplate, tool, argument } of TEMPLATES) {
    const prefix = uriTemplate.slice(0, uriTemplate.indexOf('{'))
    const rest = uri.startsWith(prefix) ? uri.slice(prefix.length) : ''
    if (/^[\w.-]{1,200}$/.test(rest)) return { tool, given: { [argument]: rest } }
  }
  return null
}
