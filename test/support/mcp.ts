import { exports } from 'cloudflare:workers'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

/** The public URL of the Worker under test. */
export const AT = 'http://localhost:8787/mcp'

export type Called = {
  isError: boolean
  /** The structured answer, or the body of an error. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the wire brings
  body: any
  text: string
}

/** The official client, connected with this key. It checks every structured answer against the schema that was listed. */
export async function connect(key: string, headers: Record<string, string> = {}) {
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(
    new StreamableHTTPClientTransport(new URL(AT), {
      fetch: (url, init) => exports.default.fetch(new Request(url, init as RequestInit)),
      requestInit: { headers: { authorization: `Bearer ${key}`, ...headers } },
    }),
  )
  const { tools } = await client.listTools()
  const use = async (name: string, given: Record<string, unknown> = {}): Promise<Called> => {
    const { content, structuredContent, isError } = await client.callTool({ name, arguments: given })
    const [first] = content as { text: string }[]
    const text = first?.text ?? ''
    const body = isError ? JSON.parse(text) : structuredContent
    return { isError: isError === true, body, text }
  }
  return { client, tools, use }
}

export type Connection = Awaited<ReturnType<typeof connect>>

/** Posts one JSON-RPC message. */
export async function post(
  message: unknown,
  headers: Record<string, string> = {},
  { method = 'POST', at = AT } = {},
) {
  const response = await exports.default.fetch(at, {
    method,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    ...(method === 'POST' ? { body: typeof message === 'string' ? message : JSON.stringify(message) } : {}),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the wire brings
    body: (text === '' ? null : JSON.parse(text)) as any,
  }
}

/** The arguments of a tool for a route's path, query and body. */
export function argumentsOf(
  route: string,
  {
    path,
    query = {},
    body = {},
  }: { path: string; query?: Record<string, string>; body?: Record<string, unknown> },
): Record<string, unknown> {
  const names = [...route.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '')
  const pattern = new RegExp(`${route.split(' ')[1]?.replace(/\{\w+\}/g, '([^/]+)')}$`)
  const values = pattern.exec(path)?.slice(1) ?? []
  const named = names.map((name, at) => [name, decodeURIComponent(values[at] ?? '')])
  const { tenantId: _, ...fields } = body
  return { ...fields, ...query, ...Object.fromEntries(named) }
}

/** The answer of the route: the fields of `untrusted` are put back into their place. */
export function unfenced(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unfenced)
  if (typeof value !== 'object' || value === null) return value
  const { notice: _, untrusted, ...ours } = value as Record<string, unknown>
  const { begin: __, end: ___, ...theirs } = (untrusted ?? {}) as Record<string, unknown>
  return Object.fromEntries(
    Object.entries({ ...ours, ...theirs }).map(([name, field]) => [name, unfenced(field)]),
  )
}
