import { type Check, readiness } from '../../core/overview/readiness.ts'
import { type App, router } from '../http.ts'

/** A further check: throws if a chosen carrier cannot be used. */
type Looked = { carriers: (env: App['Bindings']) => unknown }

/** `/health` says that the Worker runs, without any work. `/ready` says whether it can do its work. */
export function health({ carriers }: Looked) {
  const routes = router()
  routes.get('/health', (c) => c.json({ status: 'ok' }))
  routes.get('/ready', async (c) => {
    const checks: Check[] = await readiness(c.env, carriers)
    const isReady = checks.every(({ ok }) => ok)
    c.header('Cache-Control', 'no-store')
    return c.json({ status: isReady ? 'ready' : 'not_ready', checks }, isReady ? 200 : 503)
  })
  return routes
}
