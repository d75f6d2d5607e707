import { DurableObject } from 'cloudflare:workers'
import { type Announced, type Hearers, hears, type Listener } from '../core/policy/listener.ts'

type Reader = { listener: Listener; write: (text: string) => void; end: () => void }

/** New sockets that are still being sent the events they missed. Events announced meanwhile wait here. */
const waiting = new Map<WebSocket, { announced: Announced[]; sent: Set<string> }>()

/** A stream whose unread bytes exceed this is closed. */
const BEHIND_AT_MOST = 4_000_000
const GOING_AWAY = 1001
const KEY_REVOKED = 4001

/** One object per tenant. Holds the open event streams and sockets; it hibernates while the sockets are idle. */
export class EventStream extends DurableObject {
  private readonly readers = new Set<Reader>()

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env as never)
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
  }

  /** Opens a socket for the listener in the header. Send it the missed events with `catchUp`, then call `resume`. */
  override async fetch(request: Request): Promise<Response> {
    const listener = JSON.parse(request.headers.get('x-listener') ?? '{}') as Listener & { socketId: string }
    const { 0: client, 1: server } = new WebSocketPair()
    this.ctx.acceptWebSocket(server, [listener.socketId, listener.keyId])
    server.serializeAttachment(listener)
    waiting.set(server, { announced: [], sent: new Set() })
    return new Response(null, { status: 101, webSocket: client })
  }

  /** Sends a socket some of the events it missed. Call it again for the next ones. */
  catchUp(socketId: string, missed: Announced[]): void {
    const [socket] = this.ctx.getWebSockets(socketId)
    if (!socket) return
    for (const event of missed) {
      waiting.get(socket)?.sent.add(event.id)
      socket.send(JSON.stringify(event))
    }
  }

  /** Sends a socket the events announced since it was opened. From now on it gets new events at once. */
  resume(socketId: string): void {
    const [socket] = this.ctx.getWebSockets(socketId)
    if (!socket) return
    const { announced, sent } = waiting.get(socket) ?? { announced: [], sent: new Set() }
    waiting.delete(socket)
    for (const event of announced) if (!sent.has(event.id)) socket.send(JSON.stringify(event))
  }

  /** A stream with one line of JSON for each event that the listener may see. It ends when the reader stops reading. */
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

  /** Sends published events, in order, to every stream and socket that may see them. */
  announce(events: Announced[], now: number, hearers: Hearers = {}): void {
    for (const socket of this.ctx.getWebSockets()) {
      const listener = socket.deserializeAttachment() as Listener
      if (now >= listener.until) {
        socket.close(GOING_AWAY, 'Connect again: the key must be checked again.')
        continue
      }
      const heard = events.filter((event) => hears(listener, event, hearers, now))
      const queue = waiting.get(socket)?.announced
      if (queue) queue.push(...heard)
      else for (const event of heard) socket.send(JSON.stringify(event))
    }
    for (const reader of this.readers) {
      const heard = events.filter((event) => hears(reader.listener, event, hearers, now))
      if (heard.length > 0) reader.write(heard.map((event) => `${JSON.stringify(event)}\n`).join(''))
    }
  }

  /** Ends every stream and socket that was opened with this key. */
  leave(keyId: string): void {
    for (const socket of this.ctx.getWebSockets(keyId)) socket.close(KEY_REVOKED, 'The key is revoked.')
    for (const reader of this.readers) if (reader.listener.keyId === keyId) reader.end()
  }

  /** Ends every stream and socket. */
  erase(): void {
    for (const socket of this.ctx.getWebSockets()) socket.close(KEY_REVOKED, 'The key is revoked.')
    for (const reader of this.readers) reader.end()
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    waiting.delete(socket)
    socket.close(code === 1005 || code === 1006 ? 1000 : code)
  }
}
