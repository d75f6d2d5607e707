import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare, NoOpLog } from 'miniflare'

export type Tenant = { tenantId: string; mailboxId: string; secret: string }

export type World = {
  address: URL
  /** Whether the state is in memory. Then no write to a disk is measured. */
  isInMemory: boolean
  tenants: Tenant[]
  end: () => Promise<void>
}

const root = join(import.meta.dirname, '../..')
const MEMORY = '/dev/shm'

/** Starts a local Worker with an empty state, the bindings of wrangler.toml and the object of the floor. No queue is consumed. */
export async function openWorld(tenantCount: number): Promise<World> {
  const isInMemory = isWritable(MEMORY)
  const state = mkdtempSync(join(isInMemory ? MEMORY : tmpdir(), 'moltpost-bench-'))
  const forget = () => rmSync(state, { recursive: true, force: true })
  process.once('exit', forget)
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      ...(await workerOptions()),
      modules: [{ type: 'ESModule', path: 'worker.js', contents: await bundle() }],
      unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
      host: '127.0.0.1',
      port: 0,
      resourcePersistencePath: state,
      log: new NoOpLog(),
      // The Worker still writes its log, and this cost is measured. Nobody needs to read the log here.
      handleStructuredLogs: () => undefined,
      logRequests: false,
      unsafeObservability: false,
      unsafeLocalExplorer: false,
      telemetry: { enabled: false },
      cf: false,
    }),
  )
  const address = await miniflare.unsafeGetDirectURL()
  const response = await fetch(new URL('/bench/seed', address), {
    method: 'POST',
    body: JSON.stringify({ count: tenantCount }),
  })
  if (!response.ok) throw new Error(`POST /bench/seed: ${response.status} ${await response.text()}`)
  return {
    address,
    isInMemory,
    tenants: (await response.json()) as Tenant[],
    async end() {
      await miniflare.dispose()
      forget()
    },
  }
}

/** The options from wrangler.toml, as on a deployed Worker: without LOCAL. Cron and the consumers of the queues are off. */
async function workerOptions() {
  // Otherwise Wrangler prints to standard output, which is only for the report.
  process.env.WRANGLER_LOG = 'error'
  const { unstable_getMiniflareWorkerOptions } = await import('wrangler')
  const { workerOptions } = unstable_getMiniflareWorkerOptions(join(root, 'wrangler.toml'))
  const { LOCAL: _, ...bindings } = workerOptions.bindings as Record<string, string>
  return {
    ...workerOptions,
    bindings,
    cronTriggers: [],
    queueConsumers: {},
    durableObjects: {
      ...(workerOptions.durableObjects as Record<string, { className: string; useSQLite: boolean }>),
      BENCH_WINDOW: { className: 'BenchWindow', useSQLite: true },
    },
  }
}

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'bench/world/worker.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    platform: 'browser',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    loader: { '.sql': 'text' },
    define: { 'process.env.NODE_ENV': '"production"' },
    logLevel: 'error',
  })
  const [file] = outputFiles
  if (!file) throw new Error('the bench Worker was not built')
  return file.text
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}
