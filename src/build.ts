import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { type Described, typesOf } from './client/types.ts'

const root = join(import.meta.dirname, '..')
const out = resolve(root, process.argv[2] ?? 'dist')
/** Bundled CommonJS packages call `require`, which a module does not have. */
const banner = {
  js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)",
}

/** Replaces the modules that only workerd has: the routes describe themselves without them. */
const withoutRuntime: Plugin = {
  name: 'without-runtime',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^cloudflare:/ }, ({ path }) => ({ path, namespace: 'runtime' }))
    onLoad({ filter: /.*/, namespace: 'runtime' }, () => ({ contents: 'module.exports = {}' }))
  },
}

/** The types of the client, published beside its code. */
const TYPES = `import type { Client } from 'openapi-fetch'
import type { components, paths } from './api.js'
export type { components, paths }
/** The address of the API and the key to call it with. \`agentId\` names the agent that a tenant's key acts for. */
export type Connecting = {
  baseUrl: string
  key?: string | undefined
  agentId?: string | undefined
  fetch?: (request: Request) => Promise<Response>
}
/** A client of the whole API. A refusal is returned as \`error\`; a call throws only if no answer came. */
export declare function connect(connecting: Connecting): Client<paths>
`

await Promise.all([buildCommand(), buildClient()])

/** The `molted` command, in one file. */
async function buildCommand() {
  await build({
    entryPoints: [join(root, 'src/cli/bin.ts')],
    outfile: join(out, 'molted.js'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    banner,
  })
}

/** The client and its types, which are made from the OpenAPI document. */
async function buildClient() {
  const [document] = await Promise.all([
    documentOfRoutes(),
    build({
      entryPoints: [join(root, 'src/client/connect.ts')],
      outfile: join(out, 'client.js'),
      bundle: true,
      format: 'esm',
      target: 'es2022',
      external: ['openapi-fetch'],
    }),
  ])
  await writeFile(join(out, 'client.d.ts'), TYPES)
  await writeFile(join(out, 'api.d.ts'), typesOf(document))
}

async function documentOfRoutes(): Promise<Described> {
  const scratch = await mkdtemp(join(tmpdir(), 'moltpost-client-'))
  try {
    const outfile = join(scratch, 'app.mjs')
    await build({
      entryPoints: [join(root, 'src/app.ts')],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      jsx: 'automatic',
      jsxImportSource: 'hono/jsx',
      loader: { '.txt': 'text', '.sql': 'text' },
      banner,
      plugins: [withoutRuntime],
    })
    const { openApi } = await import(pathToFileURL(outfile).href)
    return openApi(null)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
