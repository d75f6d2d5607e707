import createClient, { type Client } from 'openapi-fetch'

/** Where the API is, and the key that its calls bear. `agentId` is whom a tenant's key speaks for. */
export type Connecting = {
  baseUrl: string
  key?: string | undefined
  agentId?: string | undefined
  fetch?: (request: Request) => Promise<Response>
}

/**
 * A client whose paths, parameters, bodies, answers and errors are those of the OpenAPI document. A call throws only where
 * no answer came: a refusal is `error`, by the status of `response`.
 */
export function connect<Paths extends object>(connecting: Connecting): Client<Paths> {
  const { baseUrl, key, agentId, fetch } = connecting
  return createClient<Paths>({
    baseUrl,
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(agentId === undefined ? {} : { 'x-agent-id': agentId }),
    },
    ...(fetch === undefined ? {} : { fetch }),
  })
}
