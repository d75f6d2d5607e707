import { settings } from '../../env.ts'
import { type HttpContext, noSuchRoute, router } from '../http.ts'
import { DOCUMENTED, type Documented } from './documented.ts'
import llms from './llms.txt'
import { Reference } from './page.tsx'
import { SCRIPT } from './script.ts'
import skill from './skill.txt'
import { STYLE } from './style.ts'

/** No inline scripts, nothing from other hosts, no framing. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

/** The files of the library that the page needs. No other file of its folder is served. */
const LIBRARY = ['swagger-ui-bundle.js', 'swagger-ui.css']
const OWN: Record<string, { content: string; type: string }> = {
  'page.js': { content: SCRIPT, type: 'text/javascript; charset=utf-8' },
  'page.css': { content: STYLE, type: 'text/css; charset=utf-8' },
}
const ASSETS_FOR_S = 3_600

/**
 * The documentation: OpenAPI documents and reference pages for everything and for each published API, /skill.md and
 * /llms.txt. `documentOf` gives a document without its servers; null means everything.
 */
export function docs(documentOf: (api: Documented | null) => object) {
  const routes = router()
  for (const api of [null, ...DOCUMENTED]) {
    routes.get(api === null ? '/openapi.json' : `/openapi/${api}.json`, (c) =>
      c.json({ ...documentOf(api), servers: serversOf(c, api) }),
    )
    routes.get(api === null ? '/docs' : `/docs/${api}`, (c) => {
      c.header('Content-Security-Policy', POLICY)
      c.header('X-Content-Type-Options', 'nosniff')
      c.header('Referrer-Policy', 'no-referrer')
      return c.html(`<!doctype html>${<Reference api={api} />}`)
    })
  }
  routes.get('/docs/assets/:name', asset)
  routes.get('/skill.md', (c) =>
    c.body(at(c, skill), 200, { 'content-type': 'text/markdown; charset=utf-8' }),
  )
  routes.get('/llms.txt', (c) => c.text(at(c, llms)))
  return routes
}

async function asset(c: HttpContext) {
  const name = c.req.param('name') ?? ''
  const own = OWN[name]
  if (own === undefined && !LIBRARY.includes(name)) return noSuchRoute(c)
  c.header('Cache-Control', `public, max-age=${ASSETS_FOR_S}`)
  c.header('X-Content-Type-Options', 'nosniff')
  if (own !== undefined) return c.body(own.content, 200, { 'content-type': own.type })
  const { body, headers } = await c.env.ASSETS.fetch(new URL(`/${name}`, c.req.url))
  return c.body(body ?? '', 200, { 'content-type': headers.get('content-type') ?? '' })
}

function serversOf(c: HttpContext, api: Documented | null) {
  const { publicUrl } = settings(c.env)
  return [{ url: api === null || api === 'moltbotden' ? publicUrl : `${publicUrl}/v1` }]
}

function at(c: HttpContext, text: string): string {
  return text.replaceAll('{{BASE_URL}}', settings(c.env).publicUrl)
}
