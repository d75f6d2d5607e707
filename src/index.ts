import { app } from './app.ts'
import { arrive } from './core/arrivals/arrive.ts'
import { timed } from './core/ground/log.ts'
import { sweep } from './core/overview/sweep.ts'
import type { Env } from './env.ts'
import { openLocally } from './local.ts'
import { consume } from './queue/index.ts'

export { CarrierHealth } from './objects/carrier-health.ts'
export { ConsensusRequest } from './objects/consensus-request.ts'
export { ContactLease } from './objects/contact-lease.ts'
export { EventStream } from './objects/event-stream.ts'
export { RateWindow } from './objects/rate-window.ts'

export default {
  async fetch(request, env, ctx) {
    await openLocally(env, ctx)
    return await app.fetch(request, env, ctx)
  },
  async email(message, env, ctx) {
    await openLocally(env, ctx)
    await timed('mail', async () => {
      const raw = new Uint8Array(await new Response(message.raw).arrayBuffer())
      const reception = await arrive(env, new Date(), { from: message.from, to: message.to, raw })
      if (reception.accepted) return { outcome: 'accepted' }
      message.setReject(reception.reason)
      return { outcome: 'refused', reason: reception.reason }
    })
  },
  async queue(batch, env) {
    await consume(batch, env)
  },
  async scheduled(controller, env) {
    await timed('cron', async () => ({ count: await sweep(env, new Date(controller.scheduledTime)) }))
  },
} satisfies ExportedHandler<Env>
