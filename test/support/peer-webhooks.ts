import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { json, text } from './peer-http.ts'

/** A request that an endpoint received, with its body as text. */
export type Heard = { at: number; headers: Record<string, string>; body: string }

/** How an endpoint answers: with each status in turn, then always with the last one. `hang` means no answer. */
type Conduct = { statuses?: (number | 'hang')[]; body?: string; headers?: Record<string, string> }

/**
 * A server with webhook endpoints. `POST /<name>` is recorded and answered as set with `PUT /<name>`, else with 200.
 * `GET /<name>` returns the recorded requests. `POST /-verify` with `{secret, headers, body}` returns whether two libraries
 * for receivers accept the signature.
 */
export async function startWebhookEndpoints() {
  const endpoints = new Map<string, { conduct: Conduct; heard: Heard[] }>()
  const server = createServer(async (request, response) => {
    const name = (request.url ?? '/').slice(1)
    const body = await text(request)
    if (name === '-verify') return json(response, 200, verify(JSON.parse(body)))
    const endpoint = endpoints.get(name) ?? { conduct: {}, heard: [] }
    endpoints.set(name, endpoint)
    if (request.method === 'PUT') endpoint.conduct = JSON.parse(body)
    if (request.method !== 'POST') return json(response, 200, endpoint.heard)
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([key, value]) => [key, String(value)]),
    )
    endpoint.heard.push({ at: Date.now(), headers, body })
    const { statuses = [200], body: words = 'thank you', headers: given = {} } = endpoint.conduct
    const status = statuses.length > 1 ? statuses.shift() : statuses[0]
    if (status === 'hang' || status === undefined) return
    response.writeHead(status, { 'content-type': 'text/plain', ...given }).end(words)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

function verify({ secret, headers, body }: { secret: string } & Omit<Heard, 'at'>) {
  const believes = (library: typeof StandardWebhook | typeof SvixWebhook) => {
    try {
      new library(secret).verify(body, headers)
      return true
    } catch {
      return false
    }
  }
  return { standardwebhooks: believes(StandardWebhook), svix: believes(SvixWebhook) }
}
