import { Hono } from 'hono'
import { eventStream } from '../../core/ground/event-stream.ts'
import { listenerFor, stillStands } from '../../core/publishing/stream.ts'
import type { Portal } from './context.ts'
import { personOf } from './session.ts'

/** How often a comment is sent that keeps a silent stream open, in ms. */
const PULSE_MS = 20_000
/** How long a browser waits before it connects again, in ms. */
const RETRY_MS = 3_000

/** Tells open pages the type of each event of the tenant, and nothing more. The pages then fetch themselves again. */
export const live = new Hono<Portal>()

live.get('/live', async (c) => {
  const { ctx } = c.var
  const wish = { types: null, mailboxId: undefined, agentId: null, lastEventId: null }
  const listener = await listenerFor(ctx, wish, personOf(c).session.id)
  const reader = (await eventStream(ctx.env, ctx.tenantId).listen(listener)).getReader()
  const [encoder, decoder] = [new TextEncoder(), new TextDecoder()]
  let pulse: ReturnType<typeof setInterval> | undefined
  let isEnded = false
  const end = () => {
    isEnded = true
    clearInterval(pulse)
    reader.cancel().catch(() => {})
  }
  const stream = new ReadableStream<Uint8Array>({
    async start(controller) {
      const say = (text: string) => controller.enqueue(encoder.encode(text))
      say(`retry: ${RETRY_MS}\n\n`)
      const finish = () => {
        if (isEnded) return
        end()
        controller.close()
      }
      pulse = setInterval(async () => {
        const stands = await stillStands(ctx, listener, new Date()).catch(() => Date.now() < listener.until)
        if (isEnded) return
        if (stands) say(': still here\n\n')
        else finish()
      }, PULSE_MS)
      void follow()
        .catch(() => {})
        .finally(finish)

      async function follow() {
        let rest = ''
        for (;;) {
          const { done, value } = await reader.read()
          if (done) return
          const lines = (rest + decoder.decode(value, { stream: true })).split('\n')
          rest = lines.pop() ?? ''
          if (isEnded || Date.now() >= listener.until) return
          for (const line of lines) say(`data: ${(JSON.parse(line) as { type: string }).type}\n\n`)
        }
      }
    },
    cancel: end,
  })
  return c.body(stream, 200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
})
