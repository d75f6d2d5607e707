import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { type Described, typesOf } from './types.ts'

const root = join(import.meta.dirname, '../..')
const out = join(root, process.argv[2] ?? 'dist')

/** The routes describe themselves without a runtime: what only workerd has is nothing here. */
const withoutRuntime: Plugin = {
  name: 'without-runtime',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^cloudflare:/ }, ({ path }) => ({ path, namespace: 'runtime' }))
    onLoad({ filter: /.*/, namespace: 'runtime' }, () => ({ contents: 'module.exports = {}' }))
  },
}

/** The types of the client beside its code. */
const TYPES = `import type { Client } from 'openapi-fetch'
import type { components, paths } from './api.js'
export type { components, paths }
/** Where the API is, and the key that its calls bear. \`agentId\` is whom a tenant's key speaks for. */
export type Connecting = {
  baseUrl: string
  key?: string | undefined
  agentId?: string | undefined
  fetch?: (request: Request) => Promise<Response>
}
/** A client of the whole API. A call throws only where no answer came: a refusal is \`error\`. */
export declare function connect(connecting: Connecting): Client<paths>
`

await build({
  entryPoints: [join(root, 'src/client/connect.ts')],
  outfile: join(out, 'client.js'),
  bundle: true,
  format: 'esm',
  target: 'es2022',
  external: ['openapi-fetch'],
})
await writeFile(join(out, 'client.d.ts'), TYPES)
await writeFile(join(out, 'api.d.ts'), typesOf(await documentOfRoutes()))

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
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      },
      plugins: [withoutRuntime],
    })
    const { openApi } = await import(pathToFileURL(outfile).href)
    return openApi(null)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
