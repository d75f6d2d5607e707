import { OpenAPIHono } from '@hono/zod-openapi'
import { describeFailure } from './core/failure.ts'
import { sweep } from './core/sweep.ts'
import { type Env, settings } from './env.ts'
import { openLocally } from './local.ts'
import { consume } from './queue/index.ts'
import { dev } from './surfaces/dev/index.tsx'
import { type App, limitBody, opening } from './surfaces/http.ts'
import { mailmolt } from './surfaces/mailmolt/index.ts'
import { molted } from './surfaces/molted/index.ts'
import { unsubscribing } from './surfaces/unsubscribe/index.tsx'

export { ConsensusRequest } from './objects/consensus-request.ts'
export { ContactLease } from './objects/contact-lease.ts'
export { ProviderHealth } from './objects/provider-health.ts'
export { RateWindow } from './objects/rate-window.ts'

const app = new OpenAPIHono<App>()

app.use(opening)
app.use(limitBody)

app.get('/health', async (c) => {
  settings(c.env)
  await c.env.DB.prepare('SELECT 1 FROM tenants LIMIT 1').run()
  return c.json({ status: 'ok' })
})

let document: ReturnType<typeof app.getOpenAPI31Document> | null = null

app.get('/openapi.json', (c) => {
  // Built once: the library builds it anew at each call.
  document ??= app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Moltpost',
      version: '0.1.0',
      description: 'Email for AI agents: one policy pipeline, one decision trace and one delivery machine.',
    },
  })
  return c.json({ ...document, servers: [{ url: settings(c.env).publicUrl }] })
})

app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })

app.route('/dev', dev)
app.route('/u', unsubscribing)
app.route('/v1', molted)
app.route('/v1', mailmolt)

app.notFound((c) =>
  c.json({ error: 'not_found', message: `There is no ${c.req.method} ${c.req.path}.` }, 404),
)

app.onError((error, c) => {
  console.error(
    JSON.stringify({ event: 'internal_error', requestId: c.get('requestId'), ...describeFailure(error) }),
  )
  return c.json({ error: 'internal_error', message: 'Something broke on our side.' }, 500)
})

export default {
  async fetch(request, env, ctx) {
    await openLocally(env, ctx)
    return await app.fetch(request, env, ctx)
  },
  async queue(batch, env) {
    await consume(batch, env)
  },
  async scheduled(controller, env) {
    await sweep(env, new Date(controller.scheduledTime))
  },
} satisfies ExportedHandler<Env>
