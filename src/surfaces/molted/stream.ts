import type { Listener } from '../../core/events/listener.ts'
import type { Payload } from '../../core/events/payload.ts'
import { eventStream, listenerFor, missed, stillLives } from '../../core/events/stream.ts'
import { EVENT_TYPES } from '../../core/events/type.ts'
import { Fault } from '../../core/fault.ts'
import { createRoute, type HttpContext, router, z } from '../http.ts'
import { Id } from './words.ts'

/** How often a silent stream says that it lives, and asks whether its key does, in ms. */
const PULSE_MS = 15_000
/** How long a client waits before it connects again, in ms. */
const RETRY_MS = 3_000

const Wishes = z.object({
  tenantId: Id.optional(),
  types: z
    .string()
    .max(1_000)
    .optional()
    .openapi({ description: 'Event types, separated by commas; all where not given.' }),
  follow: z
    .enum(['true', 'false'])
    .default('true')
    .openapi({
      description: 'With "false" the stream ends once what was missed is told.',
      param: { example: 'false' },
    }),
  mailboxId: Id.optional(),
  agentId: Id.optional(),
  lastEventId: Id.optional().openapi({
    description: 'As the Last-Event-ID header, for clients that cannot set it.',
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
    const last = c.req.header('last-event-id') ?? lastEventId ?? null
    const wish = { types: typesIn(types), mailboxId, agentId: agentId ?? null, lastEventId: last }
    const listener = listenerFor(c.var.ctx, wish)
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
  const told: Payload[] = first.done ? [] : first.value
  for await (const page of backlog) told.push(...page)
  await object.resume(socketId, told)
  return response
}

/** The live stream is opened before the backlog is read, so that nothing falls between the two. */
async function eventsFor(c: HttpContext, listener: Listener, last: string | null, isFollowing: boolean) {
  const ctx = c.get('ctx')
  const backlog = missed(ctx, listener, last)
  const first = await backlog.next()
  const live = await eventStream(ctx.env, ctx.tenantId).listen(listener)
  const reader = live.getReader()
  const encoder = new TextEncoder()
  const told = new Set<string>()
  let pulse: ReturnType<typeof setInterval> | undefined
  const end = () => {
    clearInterval(pulse)
    reader.cancel().catch(() => {})
  }
  return new ReadableStream<Uint8Array>({
    async start(controller) {
      const say = (text: string) => controller.enqueue(encoder.encode(text))
      say(`retry: ${RETRY_MS}\n\n`)
      pulse = setInterval(async () => {
        const lives =
          Date.now() < listener.until && (await stillLives(ctx, listener, new Date()).catch(() => true))
        if (lives) return say(': still here\n\n')
        end()
        controller.close()
      }, PULSE_MS)
      const pages = first.done ? [] : [first.value]
      for (const page of pages) for (const event of page) tell(event)
      for await (const page of backlog) for (const event of page) tell(event)
      if (isFollowing) void follow().catch(() => {})
      else {
        end()
        controller.close()
      }

      function tell(event: Payload) {
        told.add(event.id)
        say(frame(event))
      }
      async function follow() {
        for await (const event of lines(reader)) if (!told.delete(event.id)) say(frame(event))
        clearInterval(pulse)
        controller.close()
      }
    },
    cancel: end,
  })
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
