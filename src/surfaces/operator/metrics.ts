import { mustBeOperator } from '../../core/governance/operator.ts'
import { readMetrics } from '../../core/overview/metrics/read.ts'
import { type App, createRoute, OWN_ERROR, presentedKey, surface, z } from '../http.ts'
import { STATUS } from '../status.ts'

const EXAMPLE = `# HELP moltpost_sends_total How often a send has come to this state, and the code that says why.
# TYPE moltpost_sends_total counter
moltpost_sends_total{status="blocked",reason="cooldown"} 3
`

/** The carriers whose health the metrics show. */
type Watched = { carriers: (env: App['Bindings']) => string[] }

/** The metrics of all tenants, for the operator's Prometheus. */
export function metrics({ carriers }: Watched) {
  const app = surface({
    status: STATUS,
    error: OWN_ERROR,
    body: ({ code, message }) => ({ error: code, message }),
  })
  app.openapi(
    createRoute({
      tags: ['operator'],
      security: [{ operator: [] }],
      method: 'get',
      path: '/metrics',
      summary: 'Counters and gauges over all tenants, in the text format of Prometheus',
      responses: {
        200: {
          description: 'The metrics, up to five seconds old',
          content: { 'text/plain': { schema: z.string().openapi({ example: EXAMPLE }) } },
        },
      },
    }),
    async (c) => {
      mustBeOperator(c.env, presentedKey(c))
      const text = await readMetrics(c.env, c.get('now'), carriers(c.env))
      c.header('Cache-Control', 'private, max-age=5')
      return c.text(text, 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
    },
  )
  return app
}
