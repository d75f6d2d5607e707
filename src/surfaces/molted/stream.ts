import { eventStream } from '../../core/ground/event-stream.ts'
import { Fault } from '../../core/ground/fault.ts'
import { EVENT_TYPES } from '../../core/journal/event-types.ts'
import type { Listener } from '../../core/policy/listener.ts'
import type { Payload } from '../../core/publishing/payload.ts'
import { listenerFor, missed, stillStands } from '../../core/publishing/stream.ts'
import { createRoute, type HttpContext, router, z } from '../http.ts'
import { Id } from './words.ts'

/** How often an idle stream sends a keep-alive and checks that its key is still valid, in ms. */
const PULSE_MS = 15_000
/** How long a client waits before it connects again, in ms. */
const RETRY_MS = 3_000

const Wishes = z.object({
  tenantId: Id.optional(),
  types: z
    .string()
    .max(1_000)
    .optional()
    .openapi({ description: 'Event types, separated by commas. Without it: all types.' }),
  follow: z
    .enum(['true', 'false'])
    .default('true')
    .openapi({
      description: 'With "false" the stream ends after the missed events.',
      param: { example: 'false' },
    }),
  mailboxId: Id.optional(),
  agentId: Id.optional(),
  lastEventId: Id.optional().openapi({
    description: 'Same as the Last-Event-ID header, for clients that cannot set it.',
  }),
})

export const stream = router()

stream.openapi(
  createRoute({
    method: 'get',
    path: '/agent/events/stream',
    tags: ['events'],
    summary: 'Events as they happen',
    description:
      'Server-sent events; with `Upgrade: websocket` a WebSocket with one JSON text for each event, which answers "ping" with "pong". After Last-Event-ID what was missed comes first; an event may then come twice, with the same id. A stream ends after an hour at the latest: connect again.',
    security: [{ bearer: [] }],
    request: { query: Wishes },
    responses: {
      101: { description: 'A WebSocket' },
      200: { description: 'A stream', content: { 'text/event-stream': { schema: z.string() } } },
    },
  }),
  async (c) => {
    const { types, mailboxId, agentId, lastEventId, follow } = c.req.valid('query')
    const last = c.req.header('last-event-id') || lastEventId || null
    const wish = { types: typesIn(types), mailboxId, agentId: agentId ?? null, lastEventId: last }
    const listener = await listenerFor(c.var.ctx, wish)
    if (c.req.header('upgrade')?.toLowerCase() === 'websocket') return await socket(c, listener, last)
    return new Response(await eventsFor(c, listener, last, follow === 'true'), {
      headers: {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      },
    })
  },
)

function typesIn(text: string | undefined) {
  if (text === undefined) return null
  const types = text.split(',').map((type) => type.trim())
  const known = EVENT_TYPES.filter((type) => types.includes(type))
  const unknown = types.find((type) => !EVENT_TYPES.some((each) => each === type))
  if (unknown !== undefined) {
    throw new Fault('invalid', `There is no event type "${unknown.slice(0, 50)}".`, { field: 'types' })
  }
  return known
}

async function socket(c: HttpContext, listener: Listener, last: string | null): Promise<Response> {
  const { env, tenantId } = c.get('ctx')
  const backlog = missed(c.get('ctx'), listener, last)
  const first = await backlog.next()
  const socketId = crypto.randomUUID()
  const object = eventStream(env, tenantId)
  const response = await object.fetch(c.req.url, {
    headers: { upgrade: 'websocket', 'x-listener': JSON.stringify({ ...listener, socketId }) },
  })
  if (!first.done) await object.catchUp(socketId, first.value)
  for await (const page of backlog) await object.catchUp(socketId, page)
  if (await stillStands(c.get('ctx'), listener, new Date())) await object.resume(socketId)
  else await object.leave(listener.right)
  return response
}

/**
 * The live stream is opened before the backlog is read, so that no event is lost between the two. Both are read no
 * faster than the client reads.
 */
async function eventsFor(c: HttpContext, listener: Listener, last: string | null, isFollowing: boolean) {
  const ctx = c.get('ctx')
  const backlog = missed(ctx, listener, last)
  const first = await backlog.next()
  const live = (await eventStream(ctx.env, ctx.tenantId).listen(listener)).getReader()
  const { readable, writable } = new IdentityTransformStream()
  const writer = writable.getWriter()
  const encoder = new TextEncoder()
  const say = (text: string) => writer.write(encoder.encode(text))
  let isEnded = false
  const check = async () => {
    if (await stillStands(ctx, listener, new Date()).catch(() => Date.now() < listener.until)) return true
    end()
    return false
  }
  const pulse = setInterval(async () => {
    if (await check()) await say(': still here\n\n').catch(end)
  }, PULSE_MS)
  writer.closed.catch(() => {}).finally(end)
  // The stream of the object ends with the right, also while this one is still busy with what was missed.
  live.closed.catch(() => {}).finally(end)
  await check()
  tell()
    .catch(() => {})
    .finally(end)
  return readable

  async function tell() {
    const told = new Set<string>()
    await say(`retry: ${RETRY_MS}\n\n`)
    for await (const page of pages()) {
      for (const event of page) {
        if (isOver()) return
        told.add(event.id)
        await say(frame(event))
      }
    }
    if (!isFollowing) return
    for await (const event of lines(live)) {
      if (isOver()) return
      if (!told.delete(event.id)) await say(frame(event))
    }
  }
  async function* pages() {
    if (!first.done) yield first.value
    yield* backlog
  }
  function isOver() {
    return isEnded || Date.now() >= listener.until
  }
  function end() {
    isEnded = true
    clearInterval(pulse)
    live.cancel().catch(() => {})
    writer.close().catch(() => {})
  }
}

function frame(event: Payload): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

async function* lines(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Payload> {
  const decoder = new TextDecoder()
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    text += decoder.decode(value, { stream: true })
    const whole = text.split('\n')
    text = whole.pop() ?? ''
    for (const line of whole) yield JSON.parse(line) as Payload
  }
}
