import { Agent, request } from 'node:http'

/** One request, and what its answer must hold to count: a wrong answer cannot look fast. */
export type Shot = {
  method: 'GET' | 'POST'
  path: string
  key: string | null
  body: unknown
  /** Whether the parsed body of a 200 is the answer expected. */
  expects: (answer: Answer) => boolean
}

export type Answer = {
  status?: string
  requestId?: string
  results?: { status?: string }[]
  data?: unknown[]
}

/** Fires shots over that many connections for some ms and returns the mean time per request, in ms. */
export async function slice(
  address: URL,
  { connections, ms, shots }: { connections: number; ms: number; shots: () => Shot },
): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  let count = 0
  const begun = performance.now()
  await Promise.all(
    Array.from({ length: connections }, async () => {
      do {
        await fire(address, agent, shots())
        count++
      } while (performance.now() - begun < ms)
    }),
  )
  const elapsed = performance.now() - begun
  agent.destroy()
  return elapsed / count
}

/** Sends one request and returns its answer. Throws where that is not the one expected. */
export function fire(
  address: URL,
  agent: Agent,
  { method, path, key, body, expects }: Shot,
): Promise<Answer> {
  const content = body === undefined ? '' : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        agent,
        method,
        path,
        host: address.hostname,
        port: address.port,
        headers: {
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
          ...(content === ''
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) }),
        },
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', reject)
        response.on('end', () => {
          const answer = response.statusCode === 200 ? (JSON.parse(text) as Answer) : null
          if (answer && expects(answer)) return resolve(answer)
          reject(new Error(`${method} ${path} was answered ${response.statusCode}: ${text.slice(0, 500)}`))
        })
      },
    )
    sent.on('error', reject)
    sent.end(content)
  })
}
