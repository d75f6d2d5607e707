import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '..', '..')

export type Program = {
  /** Everything that the program has printed so far. */
  output: () => string
  /** Its exit code, or null while it runs. */
  code: () => number | null
  /** Sends a signal to the whole process group and waits until all its processes have ended. */
  kill: (signal?: NodeJS.Signals) => Promise<void>
}

export type DevServer = Program & { address: string }

const live = new Set<number>()
process.on('exit', () => {
  for (const group of live) signalGroup(group, 'SIGKILL')
})

/** Starts a program in its own process group, in the folder `root`. If it still runs when this process exits, it is killed. */
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
        if (left === 0) throw new Error(`process group ${pid} still runs after ${signal}\n${output()}`)
        await sleep(20)
      }
      live.delete(pid)
    },
  }
}

/** Runs a program to its end and returns what it printed. Throws if it fails, unless `mayFail` is true. */
export async function runProgram(command: string, args: string[], { mayFail = false } = {}) {
  const program = startProgram(command, args)
  for (const until = Date.now() + 180_000; program.code() === null && Date.now() < until; ) await sleep(20)
  const code = program.code()
  await program.kill()
  if (code !== 0 && !mayFail) throw new Error(`${command} ${args.join(' ')}: ${code}\n${program.output()}`)
  return { code, output: program.output() }
}

/** Starts `npm run dev` on its own port and state folder. Resolves when it has printed its welcome. */
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

/** Starts `wrangler dev` on its own port and state folder. Resolves when it is ready. */
export async function startWrangler(state: string, args: string[] = []): Promise<DevServer> {
  const port = await freePort()
  const own = ['--port', String(port), '--inspector-port', '0', '--persist-to', state]
  const program = startProgram('node_modules/.bin/wrangler', ['dev', ...own, ...args], { CI: '1' })
  await printed(program, /Ready on http/)
  return { ...program, address: `http://localhost:${port}` }
}

/** Returns a free port, below the range from which the system takes ports for outgoing connections. */
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

/** Sends a signal to a process group. Signal 0 only checks. Returns false if no process of the group is left. */
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
