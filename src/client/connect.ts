import createClient, { type Client } from 'openapi-fetch'

/** The address of the API, and the key for its calls. `agentId` names the agent that a tenant's key speaks for. */
export type Connecting = {
  baseUrl: string
  key?: string | undefined
  agentId?: string | undefined
  fetch?: (request: Request) => Promise<Response>
}

/**
 * A client with the paths, parameters, bodies, answers and errors of the OpenAPI document. A call throws only if there is no
 * answer. An error status gives `error`; the status is in `response`.
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
