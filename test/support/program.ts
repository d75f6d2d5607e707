import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '..', '..')

export type Program = {
  /** Everything it has printed so far. */
  output: () => string
  /** Its exit code, or null while it runs. */
  code: () => number | null
  /** Sends a signal to the whole process group and waits until none of it is left. */
  kill: (signal?: NodeJS.Signals) => Promise<void>
}

export type DevServer = Program & { address: string }

const live = new Set<number>()
process.on('exit', () => {
  for (const group of live) signalGroup(group, 'SIGKILL')
})

/** Starts a program in a process group of its own, in the root of a project. It ends with this process at the latest. */
export function startProgram(
  command: string,
  args: string[],
  env: Record<string, string> = {},
  root = ROOT,
): Program {
  const child = spawn(command, args, {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false', ...env },
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`${command} cannot be started`)
  live.add(pid)
  const output = collect(child)
  return {
    output,
    code: () => child.exitCode,
    async kill(signal = 'SIGKILL') {
      for (let left = 500; signalGroup(pid, left === 500 ? signal : 0); left--) {
        if (left === 0) throw new Error(`process group ${pid} outlives ${signal}\n${output()}`)
        await sleep(20)
      }
      live.delete(pid)
    },
  }
}

/** Runs a program to its end and gives what it printed. Throws where it fails, unless `mayFail`. */
export async function runProgram(command: string, args: string[], { mayFail = false } = {}) {
  const program = startProgram(command, args)
  for (const until = Date.now() + 180_000; program.code() === null && Date.now() < until; ) await sleep(20)
  const code = program.code()
  await program.kill()
  if (code !== 0 && !mayFail) throw new Error(`${command} ${args.join(' ')}: ${code}\n${program.output()}`)
  return { code, output: program.output() }
}

/** `npm run dev` on a port and state folder of its own, once it has printed its welcome. */
export async function startDev(
  state: string,
  env: Record<string, string> = {},
  root?: string,
): Promise<DevServer> {
  const port = await freePort()
  const settings = { PORT: String(port), MOLTPOST_STATE: state, ...env }
  const program = startProgram('npm', ['run', 'dev'], settings, root)
  await printed(program, /^Try it:[\s\S]*^ {4}-d '.*'$/m)
  return { ...program, address: `http://localhost:${port}` }
}

/** `wrangler dev` on a port and state folder of its own, once it is ready. */
export async function startWrangler(state: string, args: string[] = []): Promise<DevServer> {
  const port = await freePort()
  const own = ['--port', String(port), '--inspector-port', '0', '--persist-to', state]
  const program = startProgram('node_modules/.bin/wrangler', ['dev', ...own, ...args], { CI: '1' })
  await printed(program, /Ready on http/)
  return { ...program, address: `http://localhost:${port}` }
}

/** A port that nobody listens on, below those that the system hands out meanwhile for connections of all kinds. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000)
    const server = createServer().listen(port, 'localhost')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function printed(program: Program, pattern: RegExp, withinMs = 180_000) {
  for (const until = Date.now() + withinMs; !pattern.test(program.output()); await sleep(50)) {
    if (Date.now() < until && program.code() === null) continue
    await program.kill()
    throw new Error(`not ready (exit code ${program.code()}):\n${program.output()}`)
  }
}

/** Signals a process group; 0 only asks. False where nothing of it is left. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal)
    return true
  } catch {
    return false
  }
}

function collect(child: ChildProcess): () => string {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  }
  return () => text
}
