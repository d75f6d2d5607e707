import { settings } from '../../env.ts'
import { type HttpContext, noSuchRoute, router } from '../http.ts'
import { DOCUMENTED, type Documented } from './documented.ts'
import llms from './llms.txt'
import { Reference } from './page.tsx'
import { SCRIPT } from './script.ts'
import skill from './skill.txt'
import { STYLE } from './style.ts'

/** Nothing inline runs, nothing from elsewhere loads, nobody frames it. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

/** What of the library the page needs; nothing else of its folder is shown. */
const LIBRARY = ['swagger-ui-bundle.js', 'swagger-ui.css']
const OWN: Record<string, { content: string; type: string }> = {
  'page.js': { content: SCRIPT, type: 'text/javascript; charset=utf-8' },
  'page.css': { content: STYLE, type: 'text/css; charset=utf-8' },
}
const ASSETS_FOR_S = 3_600

/**
 * What people, programs and models read before they call: the OpenAPI document of everything and of each published API, a
 * reference in the browser made of it, and the same in plain words. `documentOf` gives a document without its servers, of
 * everything where no API is named.
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
