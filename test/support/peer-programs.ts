import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Programs for local use: Amazon SES as aws-ses-v2-local, Resend and Stripe as emulate. */
export async function startPrograms(reportsTo: string) {
  const children: ChildProcess[] = []
  const end = () => children.map((child) => child.kill('SIGKILL'))
  process.once('exit', end)
  const start = async (path: string, args: (port: number) => string[], answersAt: string) => {
    const port = await freePort()
    const program = join(import.meta.dirname, '../../node_modules', path)
    const child = spawn(process.execPath, [program, ...args(port)], { stdio: 'ignore' })
    children.push(child)
    const url = `http://127.0.0.1:${port}`
    await answering(`${url}${answersAt}`, child)
    return url
  }
  const scratch = await mkdtemp(join(tmpdir(), 'moltpost-'))
  const seed = join(scratch, 'stripe.json')
  await writeFile(seed, JSON.stringify({ stripe: stripeSeed(reportsTo) }))
  const [ses, resend, stripe] = await Promise.all([
    start(
      'aws-ses-v2-local/dist/cli.js',
      (port) => ['--host', '127.0.0.1', '--port', String(port)],
      '/health-check',
    ),
    start('emulate/dist/index.js', (port) => ['start', '--service', 'resend', '-p', String(port)], '/emails'),
    start(
      'emulate/dist/index.js',
      (port) => ['start', '--service', 'stripe', '-p', String(port), '--seed', seed],
      '/v1/prices',
    ),
  ])
  await rm(scratch, { recursive: true })
  return {
    ses,
    resend,
    stripe,
    stop: async () => {
      const running = children.filter((child) => child.exitCode === null && child.signalCode === null)
      const ended = Promise.all(running.map((child) => once(child, 'exit')))
      process.off('exit', end)
      end()
      await ended
    },
  }
}

/** The prices of our plans, and where webhooks go. */
function stripeSeed(reportsTo: string) {
  const prices = ['starter', 'growth', 'team', 'enterprise']
  return {
    products: [{ id: 'prod_moltpost', name: 'Moltpost' }],
    prices: prices.map((plan, at) => ({
      ...{ id: `price_${plan}`, product_name: 'Moltpost', currency: 'usd', unit_amount: 1900 * 10 ** at },
    })),
    webhooks: [{ url: `${reportsTo}/-reports`, events: ['*'], secret: 'whsec_of_the_tests' }],
  }
}

async function answering(url: string, child: ChildProcess) {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(50)) {
    if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(' ')} ended with ${child.exitCode}`)
    const answered = await fetch(url).then(
      (response) => response.body?.cancel().then(() => true) ?? true,
      () => false,
    )
    if (answered) return
  }
  throw new Error(`nothing answers at ${url}`)
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
