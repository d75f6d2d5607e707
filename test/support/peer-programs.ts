import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Carriers' own programs for local use: Amazon SES as aws-ses-v2-local, Resend as emulate. */
export async function startPrograms() {
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
  const [ses, resend] = await Promise.all([
    start(
      'aws-ses-v2-local/dist/cli.js',
      (port) => ['--host', '127.0.0.1', '--port', String(port)],
      '/health-check',
    ),
    start('emulate/dist/index.js', (port) => ['start', '--service', 'resend', '-p', String(port)], '/emails'),
  ])
  return {
    ses,
    resend,
    stop: async () => {
      const running = children.filter((child) => child.exitCode === null && child.signalCode === null)
      const ended = Promise.all(running.map((child) => once(child, 'exit')))
      process.off('exit', end)
      end()
      await ended
    },
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
