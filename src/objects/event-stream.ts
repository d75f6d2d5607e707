import { DurableObject } from 'cloudflare:workers'
import {
  type Announced,
  type Hearers,
  hears,
  isOver,
  type Listener,
  nameOf,
  type Right,
} from '../core/policy/listener.ts'

type Reader = { listener: Listener; write: (text: string) => void; end: () => void }

/** The rights that were looked up for some events, those of them that exist, and the agents for which each event exists. */
type Audience = { checked: Right[]; standing: Right[]; hearers?: Hearers }

/** New sockets that are still being sent the events they missed. Events announced meanwhile wait here. */
const waiting = new Map<WebSocket, { announced: Announced[]; sent: Set<string> }>()

/** A stream whose unread bytes exceed this is closed. */
const BEHIND_AT_MOST = 4_000_000
const GOING_AWAY = 1001
const RIGHT_ENDED = 4001

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
    this.ctx.acceptWebSocket(server, [listener.socketId])
    server.serializeAttachment(listener)
    waiting.set(server, { announced: [], sent: new Set() })
    await this.tidyUpAt(listener.until)
    return new Response(null, { status: 101, webSocket: client })
  }

  /** Sends a socket some of the events it missed. Call it again for the next ones. */
  catchUp(socketId: string, missed: Announced[]): void {
    const socket = this.open(socketId)
    if (!socket) return
    for (const event of missed) {
      waiting.get(socket)?.sent.add(event.id)
      socket.send(JSON.stringify(event))
    }
  }

  /** Sends a socket the events announced since it was opened. From now on it gets new events at once. */
  resume(socketId: string): void {
    const socket = this.open(socketId)
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

  /** The rights that the open streams and sockets rest on. */
  rights(): Right[] {
    const listeners = [
      ...this.sockets().map(listenerOf),
      ...[...this.readers].map(({ listener }) => listener),
    ]
    return [...new Map(listeners.map(({ right }) => [nameOf(right), right])).values()]
  }

  /**
   * Sends published events, in order, to every stream and socket that may see them. `checked` are the rights that were looked up
   * for it, and `standing` those that exist: streams of the others end here. A stream that was opened after the look-up is sent
   * nothing: these events are older than it is, and it reads them from the history if it missed them.
   */
  announce(events: Announced[], now: number, { checked, standing, hearers = {} }: Audience): void {
    this.keep(checked, standing)
    const names = new Set(standing.map(nameOf))
    for (const socket of this.sockets()) {
      const listener = listenerOf(socket)
      if (isOver(listener, Math.max(now, Date.now()))) {
        close(socket, GOING_AWAY, 'Connect again: the key must be checked again.')
        continue
      }
      if (!names.has(nameOf(listener.right))) continue
      const heard = events.filter((event) => hears(listener, event, hearers, now))
      const queue = waiting.get(socket)?.announced
      if (queue) queue.push(...heard)
      else for (const event of heard) socket.send(JSON.stringify(event))
    }
    for (const reader of this.readers) {
      if (isOver(reader.listener, Math.max(now, Date.now()))) reader.end()
      else if (names.has(nameOf(reader.listener.right))) {
        const heard = events.filter((event) => hears(reader.listener, event, hearers, now))
        if (heard.length > 0) reader.write(heard.map((event) => `${JSON.stringify(event)}\n`).join(''))
      }
    }
  }

  /** Ends the streams and sockets whose right was looked up and does not exist. */
  keep(checked: Right[], standing: Right[]): void {
    const names = new Set(standing.map(nameOf))
    for (const right of checked) if (!names.has(nameOf(right))) this.leave(right)
  }

  /** Ends every stream and socket that rests on this right. */
  leave(right: Right): void {
    const rests = ({ right: other }: Listener) => nameOf(other) === nameOf(right)
    for (const socket of this.sockets()) {
      if (rests(listenerOf(socket)))
        close(socket, RIGHT_ENDED, 'The key was revoked or changed, or has expired.')
    }
    for (const reader of this.readers) if (rests(reader.listener)) reader.end()
  }

  /** Ends every stream and socket. */
  erase(): void {
    for (const socket of this.sockets()) close(socket, RIGHT_ENDED, 'The account is being deleted.')
    for (const reader of this.readers) reader.end()
  }

  /** Ends what is over. Nothing depends on it: each event is judged by the time at which it is sent. */
  override async alarm(): Promise<void> {
    const now = Date.now()
    for (const socket of this.sockets()) {
      const listener = listenerOf(socket)
      if (isOver(listener, now)) close(socket, GOING_AWAY, 'Connect again: the key must be checked again.')
      else await this.tidyUpAt(listener.until)
    }
  }

  private sockets(): WebSocket[] {
    return this.ctx.getWebSockets().filter(isOpen)
  }

  private open(socketId: string): WebSocket | undefined {
    return this.ctx
      .getWebSockets(socketId)
      .find((socket) => isOpen(socket) && !isOver(listenerOf(socket), Date.now()))
  }

  private async tidyUpAt(until: number): Promise<void> {
    const planned = await this.ctx.storage.getAlarm()
    if (planned === null || planned > until) await this.ctx.storage.setAlarm(until)
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    waiting.delete(socket)
    socket.close(code === 1005 || code === 1006 ? 1000 : code)
  }
}

const listenerOf = (socket: WebSocket) => socket.deserializeAttachment() as Listener

const isOpen = ({ readyState }: WebSocket) => readyState === WebSocket.OPEN

/** Closes a socket. What was kept for it is dropped. */
function close(socket: WebSocket, code: number, reason: string) {
  waiting.delete(socket)
  socket.close(code, reason)
}
