import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { json } from './peer-http.ts'
import { freePort, type Program, ROOT, sleep, startProgram } from './program.ts'

/** One request to the Worker with the answer that it gave. */
export type Exchange = {
  method: string
  /** With its query, as it was asked for. */
  path: string
  request: { headers: Record<string, string>; body: string | null }
  answer: { status: number; headers: Record<string, string>; body: string }
}

/** One thing that a document does not allow, as Prism notes it in a header of what it hands on. */
type Violation = { location: string[]; message: string }

/**
 * Prism as a proxy with the published document of MailMolt, unmodified, in front of the suite. workerd under test listens
 * on no port, so a test hands over each exchange (`POST` to `url`), and the same request goes through Prism to a server
 * that gives the same answer. The answer to the test is what in it breaks the document. What of ours goes beyond it on
 * purpose, statuses that it does not name and requests that it would not take, is counted, and told at the end. Null
 * where `MAILMOLT_OPENAPI` names no document.
 */
export async function startPrism(): Promise<{ url: string | null; stop: () => Promise<void> }> {
  const document = process.env.MAILMOLT_OPENAPI
  if (!document) return { url: null, stop: async () => {} }
  const { paths } = JSON.parse(await readFile(document, 'utf8')) as { paths: object }
  const holes = (template: string) => template.split('{').length
  const templates = Object.keys(paths).sort((one, other) => holes(one) - holes(other))
  const answers = new Map<string, Exchange['answer']>()
  const upstream = await serve(async (request, response) => {
    const id = String(request.headers['x-exchange'])
    const answer = answers.get(id)
    answers.delete(id)
    if (!answer) return json(response, 500, { error: 'nobody was answered so' })
    const { 'content-length': _, ...headers } = answer.headers
    response.writeHead(answer.status, headers).end(answer.body)
  })
  const port = await freePort()
  const program = runPrism('proxy', document, `${upstream.url}/v1`, '-h', '127.0.0.1', '-p', String(port))
  await listening(program)

  const tally = { exchanges: 0, violations: 0, unreadable: 0, beside: new Map<string, number>() }
  const held = await serve(async (request, response) => {
    const exchange = JSON.parse(await textOf(request)) as Exchange
    const template = templateOf(exchange.path, templates)
    if (template === null) return json(response, 200, [])
    if (!isReadable(exchange)) {
      tally.unreadable += 1
      return json(response, 200, [])
    }
    const operation = `${exchange.method} ${template}`
    const id = String(++tally.exchanges)
    answers.set(id, exchange.answer)
    const { status } = exchange.answer
    const wrong: string[] = []
    for (const { location, message } of await seenThrough(`http://127.0.0.1:${port}`, id, exchange)) {
      const beside = besideTheDocument(status, location, message)
      if (beside === null) wrong.push(`${operation} ${status}: ${location.join('.')}: ${message}`)
      else if (beside !== '') count(tally.beside, `${operation} ${beside}`)
    }
    tally.violations += wrong.length
    json(response, 200, wrong)
  })
  return {
    url: held.url,
    stop: async () => {
      await program.kill('SIGTERM')
      for (const server of [held, upstream]) server.stop()
      const beside = [...tally.beside].sort().map(([what, times]) => `  ${what} (${times})`)
      console.warn(
        [
          `Prism in front of the suite, the unmodified document: ${tally.exchanges} exchanges, ${tally.violations} violations`,
          `left out, since Prism cannot read them: ${tally.unreadable} requests with a body that is no JSON, or a broken path`,
          `beside the document, on purpose:`,
          ...beside,
        ].join('\n'),
      )
    },
  }
}

/** What we add on purpose, in a few words; empty where a request was refused as the document wants; null for a violation. */
function besideTheDocument(status: number, location: string[], message: string): string | null {
  if (location[0] === 'request') return status < 300 ? `takes more: ${message}` : ''
  return /Unable to match the returned status code/.test(message) ? `may answer ${status}` : null
}

async function seenThrough(
  proxy: string,
  id: string,
  { method, path, request }: Exchange,
): Promise<Violation[]> {
  const headers = { ...request.headers, 'x-exchange': id }
  const url = `${proxy}${path.replace(/^\/v1/, '')}`
  const seen = await fetch(url, { method, headers, body: request.body, signal: AbortSignal.timeout(20_000) })
  await seen.arrayBuffer()
  return JSON.parse(seen.headers.get('sl-violations') ?? '[]')
}

/** Prism never answers a body that is no JSON, and dies of a path that cannot be decoded. */
function isReadable({ path, request }: Exchange): boolean {
  try {
    JSON.parse(request.body ?? 'null')
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

function templateOf(path: string, templates: string[]): string | null {
  if (!path.startsWith('/v1/')) return null
  const given = (path.slice('/v1'.length).split('?')[0] ?? '').split('/')
  const fits = (template: string) => {
    const parts = template.split('/')
    return (
      parts.length === given.length && parts.every((part, at) => part.startsWith('{') || part === given[at])
    )
  }
  return templates.find(fits) ?? null
}

function count(counts: Map<string, number>, what: string) {
  counts.set(what, (counts.get(what) ?? 0) + 1)
}

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>) {
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => json(response, 500, { error: String(error) }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts).toString()
}

/** Starts Prism, which is one of the packages of `bench/package.json`. */
export function runPrism(...args: string[]): Program {
  const program = join(ROOT, 'bench/node_modules/.bin/prism')
  if (!existsSync(program)) throw new Error('Prism is not installed. Run: npm ci --prefix bench')
  return startProgram(program, args)
}

/** Waits until the proxy says that it listens, 20 s at most. */
export async function listening(program: Program): Promise<void> {
  for (let left = 200; !/Prism is listening/.test(program.output()); left--) {
    if (left === 0 || program.code() !== null) throw new Error(`Prism did not start:\n${program.output()}`)
    await sleep(100)
  }
}
