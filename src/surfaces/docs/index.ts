import { settings } from '../../env.ts'
import { type HttpContext, router } from '../http.ts'
import llms from './llms.txt'
import skill from './skill.txt'

/** The published APIs that have a document of their own. */
export const DOCUMENTED = ['molted', 'moltbotden', 'mailmolt'] as const
export type Documented = (typeof DOCUMENTED)[number]

/**
 * What programs and models read before they call: the OpenAPI document of everything and of each published API, and the
 * same in plain words. `documentOf` gives a document without its servers, of everything where no API is named.
 */
export function docs(documentOf: (api: Documented | null) => object) {
  const routes = router()
  routes.get('/openapi.json', (c) => c.json({ ...documentOf(null), servers: serversOf(c, null) }))
  for (const api of DOCUMENTED) {
    routes.get(`/openapi/${api}.json`, (c) => c.json({ ...documentOf(api), servers: serversOf(c, api) }))
  }
  routes.get('/skill.md', (c) =>
    c.body(at(c, skill), 200, { 'content-type': 'text/markdown; charset=utf-8' }),
  )
  routes.get('/llms.txt', (c) => c.text(at(c, llms)))
  return routes
}

function serversOf(c: HttpContext, api: Documented | null) {
  const { publicUrl } = settings(c.env)
  return [{ url: api === null || api === 'moltbotden' ? publicUrl : `${publicUrl}/v1` }]
}

function at(c: HttpContext, text: string): string {
  return text.replaceAll('{{BASE_URL}}', settings(c.env).publicUrl)
}
