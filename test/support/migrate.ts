import { env, reset } from 'cloudflare:test'
import { migrateLocally } from '../../src/core/ground/migrations.ts'
import { seedDemo } from '../../src/core/local/demo.ts'
import { DEMO } from '../../src/core/local/demo-world.ts'

// The worker may have served another file before: nothing of that is left to sweep, list or count. What sleeps is passed
// over by `reset`, so the one object that files share, the demo tenant's, is woken first.
await env.RATE_WINDOW.get(env.RATE_WINDOW.idFromName(DEMO.tenantId)).refund([], 0)
await reset()
await migrateLocally(env)
await seedDemo(env, new Date())
