import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * `refuse` is a definite refusal after which another carrier may do (403), `reject` is about the message (400, 422).
 * `cut`, `hang`, `garbage`, `stall` and `503-taken` take the message and lose the answer; `503` takes nothing.
 */
export const modes = [
  ...[
    'ok',
    'refuse',
    'reject',
    'conflict',
    '429',
    '429-date',
    '503',
    '503-taken',
    'hang',
    'cut',
    'garbage',
    'stall',
  ],
  ...['flood', 'redirect'],
] as const

type Taken = { id: string; key: string | null; path: string; body: unknown; authorization: string | null }
type Conduct = {
  mode: string
  status?: number
  headers?: Record<string, string>
  body?: unknown
  after?: number
}
type CarrierState = {
  conduct: Conduct
  next: Conduct | null
  requests: number
  taken: Taken[]
  keys: Map<string, { id: string; body: string }>
}

/**
 * An HTTP carrier whose behaviour the test chooses. Its base is `/<name>`: a name that begins with a mode starts in that mode
 * (`503`, `503.mine`), any other in `ok`. `PUT /<name>` with `{mode, after?}` changes the mode after that many more requests.
 * The path decides which API it speaks. Mode `say` answers with the given `status`, `headers` and `body`. `GET /<name>`
 * returns what it took, `DELETE /<name>` deletes that. It honours Idempotency-Key, so `taken` counts mails, not requests.
 */
export async function startHttpCarrier() {
  const carriers = new Map<string, CarrierState>()
  const server = createServer(async (request, response) => {
    const [, name = '', ...rest] = new URL(request.url ?? '/', 'http://x').pathname.split('/')
    const body = await text(request)
    const shape = shapes.find(({ path }) => path.test(`/${rest.join('/')}`)) ?? resend
    if (request.method === 'DELETE') carriers.delete(name)
    const carrier = carriers.get(name) ?? begin(name)
    carriers.set(name, carrier)
    if (request.method === 'PUT') {
      const conduct: Conduct = JSON.parse(body)
      if (conduct.after) carrier.next = { ...conduct, after: carrier.requests + conduct.after }
      else Object.assign(carrier, { conduct, next: null })
    }
    if (request.method !== 'POST')
      return json(response, 200, { requests: carrier.requests, taken: carrier.taken })
    carrier.requests += 1
    if (carrier.next && carrier.requests > (carrier.next.after ?? 0))
      Object.assign(carrier, { conduct: carrier.next, next: null })
    await serve(carrier, shape, request, body, response)
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

function begin(name: string): CarrierState {
  const mode = modes.find((known) => known === name.split('.')[0]) ?? 'ok'
  return { conduct: { mode }, next: null, requests: 0, taken: [], keys: new Map() }
}

/** The acceptance and the refusal of a message in each carrier's API. */
type Shape = {
  path: RegExp
  accept: (response: ServerResponse, id: string) => void
  reject: [status: number, name: string]
}

const resend: Shape = {
  path: /^\/emails$/,
  accept: (response, id) => json(response, 200, { id }),
  reject: [422, 'validation_error'],
}

const shapes: Shape[] = [
  {
    path: /^\/(.+\/)?v2\/email\/outbound-emails$/,
    accept: (response, id) => json(response, 200, { MessageId: id }),
    reject: [400, 'MessageRejected'],
  },
  {
    path: /^\/email$/,
    accept: (response, id) => json(response, 200, { ErrorCode: 0, Message: 'OK', MessageID: id }),
    reject: [422, 'InvalidEmailRequest'],
  },
  {
    path: /^\/v3\/mail\/send$/,
    accept: (response, id) => response.writeHead(202, { 'x-message-id': id }).end(),
    reject: [400, 'bad_request'],
  },
  {
    path: /^\/v3\/[^/]+\/messages\.mime$/,
    accept: (response, id) => json(response, 200, { id: `<${id}>`, message: 'Queued. Thank you.' }),
    reject: [400, 'bad_request'],
  },
]

async function serve(
  carrier: CarrierState,
  shape: Shape,
  request: IncomingMessage,
  body: string,
  response: ServerResponse,
) {
  const { mode, status = 500, headers = {}, body: words = {} } = carrier.conduct
  if (mode === 'say') return json(response, status, words, headers)
  const refusal = (status: number, name: string, headers: Record<string, string> = {}) =>
    json(
      response,
      status,
      { statusCode: status, name, ErrorCode: status === 422 ? 300 : status, message: `${name} said ${mode}` },
      {
        'x-amzn-errortype': name,
        ...headers,
      },
    )

  if (mode === 'refuse') return refusal(403, 'invalid_api_key')
  if (mode === 'reject') return refusal(...shape.reject)
  if (mode === 'conflict') return refusal(409, 'concurrent_idempotent_requests')
  if (mode === '429') return refusal(429, 'rate_limit_exceeded', { 'retry-after': '7' })
  if (mode === '429-date')
    return refusal(429, 'rate_limit_exceeded', { 'retry-after': new Date(Date.now() + 60_000).toUTCString() })
  if (mode === '503') return refusal(503, 'unavailable')
  if (mode === 'redirect') {
    response.writeHead(307, { location: '/ok/emails' }).end()
    return
  }

  const header = request.headers['idempotency-key']
  const key = typeof header === 'string' ? header : null
  const replayed = key === null ? undefined : carrier.keys.get(key)
  if (replayed && replayed.body !== body) return refusal(409, 'invalid_idempotent_request')
  const id = replayed?.id ?? `taken-${crypto.randomUUID()}`
  if (!replayed) {
    const { authorization = null, 'x-postmark-server-token': token = null } = request.headers
    const path = new URL(request.url ?? '/', 'http://x').pathname
    const read = await parse(body, request.headers['content-type'] ?? '')
    carrier.taken.push({ id, key, path, body: read, authorization: authorization ?? String(token) })
    if (key !== null) carrier.keys.set(key, { id, body })
  }
  if (mode === 'cut') return void request.socket.resetAndDestroy()
  if (mode === 'hang') return
  if (mode === 'garbage') return void response.writeHead(200).end('<html>thank you</html>')
  if (mode === '503-taken') return refusal(503, 'unavailable')
  if (mode === 'stall') return void response.writeHead(200, { 'content-length': '100' }).write('{"id":')
  if (mode === 'flood') {
    const go = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', go)
    return go()
  }
  shape.accept(response, id)
}

/** JSON, or a form as the list of its fields. */
async function parse(body: string, type: string): Promise<unknown> {
  if (type.startsWith('application/json')) return JSON.parse(body)
  const form = await new Response(body, { headers: { 'content-type': type } }).formData()
  return Promise.all(
    [...form].map(async ([name, value]) => [name, typeof value === 'string' ? value : await value.text()]),
  )
}

/** The body of a request, as text. */
export async function text(request: IncomingMessage) {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/** Answers with JSON. */
export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}
