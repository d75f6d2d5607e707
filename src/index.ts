import { app } from './app.ts'
import { sweep } from './core/sweep.ts'
import type { Env } from './env.ts'
import { openLocally } from './local.ts'
import { consume } from './queue/index.ts'

export { ConsensusRequest } from './objects/consensus-request.ts'
export { ContactLease } from './objects/contact-lease.ts'
export { ProviderHealth } from './objects/provider-health.ts'
export { RateWindow } from './objects/rate-window.ts'

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
