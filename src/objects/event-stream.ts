import { DurableObject } from 'cloudflare:workers'
import { type Announced, hears, type Listener } from '../core/policy/listener.ts'

type Reader = { listener: Listener; write: (text: string) => void; end: () => void }

/** What a socket that has just been opened missed is still being looked up: what is announced meanwhile waits. */
const waiting = new Map<WebSocket, { announced: Announced[]; told: Set<string> }>()

/** What waits for a reader that does not read, in bytes, before it is left. */
const BEHIND_AT_MOST = 4_000_000
const GOING_AWAY = 1001
const KEY_REVOKED = 4001

/** One object per tenant: whoever listens to its events at this moment. It keeps nothing but sockets, and sleeps with them. */
export class EventStream extends DurableObject {
  private readonly readers = new Set<Reader>()

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env as never)
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
  }

  /** A socket that hears what the listener, given as a header, is to hear. What it missed is told by `catchUp`, then `resume`. */
  override async fetch(request: Request): Promise<Response> {
    const listener = JSON.parse(request.headers.get('x-listener') ?? '{}') as Listener & { socketId: string }
    const { 0: client, 1: server } = new WebSocketPair()
    this.ctx.acceptWebSocket(server, [listener.socketId, listener.keyId])
    server.serializeAttachment(listener)
    waiting.set(server, { announced: [], told: new Set() })
    return new Response(null, { status: 101, webSocket: client })
  }

  /** Tells a socket a part of what it missed; the next part goes on where this one ends. */
  catchUp(socketId: string, missed: Announced[]): void {
    const [socket] = this.ctx.getWebSockets(socketId)
    if (!socket) return
    for (const event of missed) {
      waiting.get(socket)?.told.add(event.id)
      socket.send(JSON.stringify(event))
    }
  }

  /** Tells a socket that has been told what it missed all that has been announced since it was opened. */
  resume(socketId: string): void {
    const [socket] = this.ctx.getWebSockets(socketId)
    if (!socket) return
    const { announced, told } = waiting.get(socket) ?? { announced: [], told: new Set() }
    waiting.delete(socket)
    for (const event of announced) if (!told.has(event.id)) socket.send(JSON.stringify(event))
  }

  /** One line of JSON for each event that the listener is to hear, for as long as somebody reads. */
  listen(listener: Listener): ReadableStream<Uint8Array> {
    const { readable, writable } = new IdentityTransformStream()
    const writer = writable.getWriter()
    const encoder = new TextEncoder()
    let behind = 0
    const reader: Reader = {
      listener,
      write: (text) => {
        const bytes = encoder.encode(text)
        behind += bytes.byteLength
        if (behind > BEHIND_AT_MOST) return reader.end()
        writer.write(bytes).then(
          () => {
            behind -= bytes.byteLength
          },
          () => this.readers.delete(reader),
        )
      },
      end: () => {
        this.readers.delete(reader)
        writer.abort().catch(() => {})
      },
    }
    this.readers.add(reader)
    writer.closed.catch(() => {}).finally(() => this.readers.delete(reader))
    return readable
  }

  /** Tells everybody what has been published, in order. */
  announce(events: Announced[], now: number): void {
    for (const socket of this.ctx.getWebSockets()) {
      const listener = socket.deserializeAttachment() as Listener
      if (now >= listener.until) {
        socket.close(GOING_AWAY, 'Connect again: the key must be checked anew.')
        continue
      }
      const heard = events.filter((event) => hears(listener, event, now))
      const queue = waiting.get(socket)?.announced
      if (queue) queue.push(...heard)
      else for (const event of heard) socket.send(JSON.stringify(event))
    }
    for (const reader of this.readers) {
      const heard = events.filter((event) => hears(reader.listener, event, now))
      if (heard.length > 0) reader.write(heard.map((event) => `${JSON.stringify(event)}\n`).join(''))
    }
  }

  /** Ends every stream that was opened with this key. */
  leave(keyId: string): void {
    for (const socket of this.ctx.getWebSockets(keyId)) socket.close(KEY_REVOKED, 'The key is revoked.')
    for (const reader of this.readers) if (reader.listener.keyId === keyId) reader.end()
  }

  /** Ends every stream. */
  erase(): void {
    for (const socket of this.ctx.getWebSockets()) socket.close(KEY_REVOKED, 'The key is revoked.')
    for (const reader of this.readers) reader.end()
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    waiting.delete(socket)
    socket.close(code === 1005 || code === 1006 ? 1000 : code)
  }
}
