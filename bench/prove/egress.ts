import { existsSync, readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { BlockList, connect, createServer, isIPv6, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare, NoOpLog } from 'miniflare'
import { startDoh } from '../../test/support/doh.ts'
import {
  deceptiveZone,
  HOME,
  hostileUrls,
  hostileZone,
  ordinaryUrls,
  ordinaryZone,
  turningNames,
} from '../../test/support/webhook-urls.ts'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    json: { type: 'boolean', default: false },
  },
})
const [file] = positionals

if (options.help || file === undefined) {
  console.log(`Usage: npm run prove -- egress FILE [--json]

Gives the egress guard for webhooks, in workerd, a list of hostile URLs and every address in FILE (one on each line). The
guard must refuse each URL when a webhook is created and when it is called. Host names are resolved by a local
DNS-over-HTTPS server. For some names it answers with a public address at first, and with a private one later.

Listeners on ports 80, 443 and 8443 of all local addresses count connections. With the guard, no listener may get one, and
only the DNS server may be called. The same Worker without the guard must reach the listeners, which shows that they work.

Public addresses in FILE must be allowed; they are not called. This program decides by the registries of IANA which are
public.`)
  process.exit(options.help ? 0 : 2)
}
if (!existsSync(file)) {
  console.error(`The file ${file} does not exist, so nothing was proved.`)
  process.exit(2)
}

type Verb = 'create' | 'deliver' | 'unguarded'
type Verdict = { url: string; outcome: string; reason: string | null }
type Report = { verdicts: Verdict[]; origins: string[] }

/**
 * The Worker that is tested. It returns the outcome for each URL, and the origins that it called. Calls to this machine are
 * made; all others are only recorded. So a hole in the guard shows up here and harms nobody else.
 */
const WORKER = `
import { findTarget, guardedPost } from './src/core/ground/egress/post.ts'
const { fetch } = globalThis
const letter = { headers: { 'content-type': 'application/json' }, body: '{"type":"ping"}', timeoutMs: 3_000 }
const HERE = /^(127\\..*|0\\.0\\.0\\.0|localhost|\\[::1?\\]|\\[::ffff:7f.*\\])$/
let origins = new Set()
let local = []
globalThis.fetch = async (input, init) => {
  const { origin, hostname } = new URL(input)
  origins.add(origin)
  if (!HERE.test(hostname) && !local.includes(hostname)) throw new TypeError('calls to other machines are blocked')
  return await fetch(input, init)
}
const verbs = {
  async create(url, env) {
    const target = await findTarget(env, url)
    return { outcome: target.ok ? 'allowed' : 'refused', reason: target.reason ?? null }
  },
  async deliver(url, env) {
    const posted = await guardedPost(env, url, letter)
    return { outcome: posted.kind, reason: posted.reason ?? String(posted.status) }
  },
  async unguarded(url) {
    return { outcome: await fetch(url, { method: 'POST' }).then(() => 'answered', () => 'failed'), reason: null }
  },
}
export default {
  async fetch(request, env) {
    const { verb, urls, given, hosts } = await request.json()
    local = hosts
    const surroundings = { ...env, ...given }
    origins = new Set()
    const verdicts = await Promise.all(urls.map(async (url) => ({ url, ...(await verbs[verb](url, surroundings)) })))
    return Response.json({ verdicts, origins: [...origins] })
  },
}`

const PORTS = [80, 443, 8443]
const AT_ONCE = 40

const listeners = await listen()
const doh = await startDoh({ ...deceptiveZone, ...ordinaryZone, ...hostileZone })
const miniflare = await openWorker(doh.url)
const failures: string[] = []

const local = localAddresses()
const control = await controls()
const lines = readLines(file)
const hostile = [...hostileUrls.flatMap(({ urls }) => urls), ...lines.hostile]
const names = Object.keys(hostileZone).flatMap((host) => [`https://${host}/hook`, `https://${host}:8443/`])
const changing = Object.entries(turningNames)

listeners.connections = 0
const called = new Set<string>()
const refused = {
  urlsAtCreate: await refusals('create', hostile),
  urlsAtDelivery: await refusals('deliver', hostile),
  namesAtCreate: await refusals('create', names),
  namesAtDelivery: await refusals('deliver', names),
  changedAtDelivery: await refusalsAfterChange(),
}
const redirects = await followRedirects()
const connections = listeners.connections
const wrongly = await wronglyRefused([...ordinaryUrls, ...lines.ordinary])
const strangers = [...called].filter((origin) => origin !== new URL(doh.url).origin)
if (connections > 0) failures.push(`the listeners got ${connections} connections`)
if (strangers.length > 0) failures.push(`called: ${strangers.join(' ')}`)

const report = {
  listeners: { ports: listeners.ports, localAddresses: local, connectionsUnguarded: control },
  file: { lines: lines.count, hostile: lines.hostile.length, ordinary: lines.ordinary.length },
  tried: { urls: hostile.length, names: names.length, changing: changing.length },
  refused,
  redirects,
  connections,
  originsCalled: [...called],
  ordinary: { tried: ordinaryUrls.length + lines.ordinary.length, refused: wrongly },
  failures,
}
await miniflare.dispose()
doh.stop()
listeners.stop()
print()
process.exit(failures.length > 0 ? 1 : 0)

/** Listens on these ports of all local addresses. Counts every connection and closes it. */
async function listen() {
  const servers: Server[] = []
  const stop = () => servers.map((server) => server.close())
  const listening = { connections: 0, ports: [] as number[], stop }
  for (const port of PORTS) {
    const server = createServer((socket) => {
      listening.connections += 1
      socket.on('error', () => {}).destroy()
    })
    const error = await new Promise<NodeJS.ErrnoException | null>((settled) => {
      server.once('error', settled).listen(port, () => settled(null))
    })
    if (error) {
      console.error(`Cannot listen on port ${port}: ${error.code}.`)
      continue
    }
    servers.push(server)
    listening.ports.push(port)
  }
  if (servers.length > 0) return listening
  console.error('No port can be listened on, so nothing was proved.')
  process.exit(2)
}

function localAddresses() {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return own.filter(({ scopeid }) => !scopeid).map(({ address }) => address)
}

function hostOf(address: string) {
  return isIPv6(address) ? `[${address}]` : address
}

/** Checks that the listeners work: this program and the Worker without its guard must reach each of them. */
async function controls() {
  let expected = 0
  for (const address of local)
    for (const port of listeners.ports) {
      expected += 1
      await new Promise<void>((settled) => {
        const socket = connect({ host: address, port })
        socket.on('error', () => {}).on('close', () => settled())
      })
    }
  if (listeners.connections !== expected)
    failures.push(`the listeners got ${listeners.connections} of ${expected} connections from this program`)
  listeners.connections = 0
  const urls = local.flatMap((address) =>
    listeners.ports.map((port) => `${port === 80 ? 'http' : 'https'}://${hostOf(address)}:${port}/`),
  )
  await ask('unguarded', urls)
  if (listeners.connections < urls.length)
    failures.push(
      `without the guard, the listeners got ${listeners.connections} of ${urls.length} connections`,
    )
  return listeners.connections
}

async function refusals(verb: Verb, urls: string[]) {
  const { verdicts, origins } = await ask(verb, urls)
  for (const origin of origins) called.add(origin)
  for (const { url, outcome } of verdicts.filter(({ outcome }) => outcome !== 'refused'))
    failures.push(`${verb}: ${url} was ${outcome}`)
  return verdicts.filter(({ outcome }) => outcome === 'refused').length
}

/** Each host name has a public address when its webhook is created, and a private one when it is called. */
async function refusalsAfterChange() {
  const urls = changing.map(([host]) => `https://${host}:8443/hook`)
  for (const [host, { before }] of changing) doh.zone[host] = before
  const refusedEarly = await wronglyRefused(urls)
  if (refusedEarly > 0) failures.push(`${refusedEarly} names were refused while their address was public`)
  for (const [host, { after }] of changing) doh.zone[host] = after
  return await refusals('deliver', urls)
}

/** Calls a webhook that is allowed and answers with redirects of every kind to the listeners. */
async function followRedirects() {
  const server = createHttpServer((request, response) => {
    const [, status = '', port = ''] = (request.url ?? '').split('/')
    response.writeHead(Number(status), { location: `http://127.0.0.1:${port}/` }).end()
  })
  await new Promise<void>((settled) => server.listen(0, '127.0.0.1', settled))
  const address = server.address()
  const host = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const urls = [301, 302, 303, 307, 308].flatMap((status) =>
    listeners.ports.map((port) => `http://${host}/${status}/${port}`),
  )
  const { verdicts } = await ask('deliver', urls, { LOCAL: '1', EGRESS_ALLOW: host })
  for (const { url, outcome, reason } of verdicts)
    if (outcome !== 'answered' || !url.includes(`/${reason}/`))
      failures.push(`${url} was ${outcome}: ${reason}`)
  server.closeAllConnections()
  server.close()
  return verdicts.length
}

/** Checks that these public URLs are allowed. Returns how many are refused. */
async function wronglyRefused(urls: string[]) {
  const { verdicts, origins } = await ask('create', urls)
  for (const origin of origins) called.add(origin)
  const wrongly = verdicts.filter(({ outcome }) => outcome !== 'allowed')
  for (const { url, reason } of wrongly) failures.push(`refused: ${url}: ${reason}`)
  return wrongly.length
}

async function ask(verb: Verb, urls: string[], given = {}): Promise<Report> {
  const whole: Report = { verdicts: [], origins: [] }
  for (let at = 0; at < urls.length; at += AT_ONCE) {
    const body = JSON.stringify({ verb, urls: urls.slice(at, at + AT_ONCE), given, hosts: local.map(hostOf) })
    const response = await miniflare.dispatchFetch('http://prove/', { method: 'POST', body })
    if (!response.ok) throw new Error(`the Worker answered ${response.status}: ${await response.text()}`)
    const { verdicts, origins } = (await response.json()) as Report
    whole.verdicts.push(...verdicts)
    whole.origins.push(...origins)
  }
  return whole
}

/** Turns the lines of the file into URLs, and separates public addresses by IANA's special-purpose registries. */
function readLines(path: string) {
  const subnets = {
    ipv4:
      '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 ' +
      '192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3',
    ipv6: '::/3 4000::/2 8000::/1 2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20',
  }
  const listOf = (family: 'ipv4' | 'ipv6') => {
    const list = new BlockList()
    for (const [address = '', bits] of subnets[family].split(' ').map((subnet) => subnet.split('/')))
      list.addSubnet(address, Number(bits), family)
    return list
  }
  // Two lists, because a BlockList also checks an IPv4 address, as IPv4-mapped IPv6, against its IPv6 subnets.
  const special = { ipv4: listOf('ipv4'), ipv6: listOf('ipv6') }
  const hosts = readFileSync(path, 'utf8')
    .split(/\s+/)
    .filter((line) => line !== '')
  const written = hosts.map((host) => (host.includes(':') ? `[${host}]` : host))
  const isOrdinary = (host: string) => {
    if (!URL.canParse(`https://${host}/`)) return false
    const address = new URL(`https://${host}/`).hostname.replace(/^\[|\]$/g, '')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    return !special[family].check(address, family)
  }
  const ordinary = written.filter(isOrdinary)
  const hostile = written.filter((host) => !isOrdinary(host))
  return {
    count: hosts.length,
    ordinary: ordinary.map((host) => `https://${host}/hook`),
    hostile: hostile.flatMap((host) => [`https://${host}/hook`, `https://${host}:8443/`, `http://${host}/`]),
  }
}

async function openWorker(resolver: string) {
  const { outputFiles } = await build({
    stdin: { contents: WORKER, resolveDir: join(import.meta.dirname, '../..'), loader: 'js' },
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    external: ['node:*'],
    logLevel: 'error',
  })
  return new Miniflare(
    convertV4MiniflareOptions({
      modules: [{ type: 'ESModule', path: 'worker.js', contents: outputFiles[0]?.text ?? '' }],
      compatibilityDate: '2026-11-01',
      compatibilityFlags: ['nodejs_compat', 'global_fetch_strictly_public'],
      bindings: { ...HOME, CARRIERS: 'capture:1', DNS_RESOLVER: resolver },
      host: '127.0.0.1',
      port: 0,
      log: new NoOpLog(),
      handleStructuredLogs: () => {},
      telemetry: { enabled: false },
      cf: false,
    }),
  )
}

function print() {
  if (options.json) return console.log(JSON.stringify(report, null, 2))
  const { tried, ordinary } = report
  console.log(`listeners           ports ${report.listeners.ports.join(', ')} of ${local.join(', ')}
without the guard   ${control} connections from the Worker
hostile URLs        ${tried.urls}, of these ${lines.hostile.length} from ${lines.count} lines of the file
  refused           ${refused.urlsAtCreate} at create, ${refused.urlsAtDelivery} at delivery
hostile names       ${tried.names}
  refused           ${refused.namesAtCreate} at create, ${refused.namesAtDelivery} at delivery
names that change   ${tried.changing}, refused at delivery ${refused.changedAtDelivery}
redirects           ${redirects} to the listeners
connections         ${connections}
called              ${report.originsCalled.join(', ')} (the resolver is ${new URL(doh.url).origin})
ordinary URLs       ${ordinary.tried}, of these ${lines.ordinary.length} public addresses from the file; refused ${ordinary.refused}`)
  for (const failure of failures) console.log(`FAILED  ${failure}`)
}
