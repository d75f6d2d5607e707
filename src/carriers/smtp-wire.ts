import { connect } from 'cloudflare:sockets'

export type Reply = { code: number; lines: string[] }

/** The conversation ended without a reply. */
export class WireError extends Error {
  readonly code: 'closed' | 'timeout' | 'protocol'
  constructor(code: WireError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** A longer reply is an attack or a defect; RFC 5321 allows lines of 512 octets. */
const REPLY_LIMIT = 65_536
const CHUNK = 65_536

export type Wire = {
  /** Waits until the connection is open. */
  opened(limitMs: number): Promise<void>
  /** Reads one whole reply within the limit. */
  reply(limitMs: number): Promise<Reply>
  /** Writes all of it within the limit. */
  write(bytes: Uint8Array, limitMs: number): Promise<void>
  /** True if the server has sent more than the replies that were read. */
  ahead(): boolean
  /** Replaces the connection by a TLS one that has read nothing yet. */
  upgrade(limitMs: number): Promise<Wire>
  close(): void
}

/** Opens a connection. The caller must close it in every case. */
export function dial(host: string, port: number, secure: 'on' | 'starttls' | 'off'): Wire {
  return wire(connect({ hostname: host, port }, { secureTransport: secure, allowHalfOpen: false }))
}

function wire(socket: Socket): Wire {
  const reader: ReadableStreamDefaultReader<Uint8Array> = socket.readable.getReader()
  const writer: WritableStreamDefaultWriter<Uint8Array> = socket.writable.getWriter()
  for (const promise of [socket.opened, socket.closed, reader.closed, writer.closed]) promise.catch(() => {})
  const lines = lineReader(reader)

  return {
    opened: async (limitMs) => void (await within(limitMs, socket.opened)),
    reply: (limitMs) => readReply(lines, Date.now() + limitMs),
    async write(bytes, limitMs) {
      const deadline = Date.now() + limitMs
      for (let start = 0; start < bytes.length; start += CHUNK)
        await within(deadline - Date.now(), writer.write(bytes.subarray(start, start + CHUNK)))
    },
    ahead: () => lines.isAhead(),
    async upgrade(limitMs) {
      reader.releaseLock()
      writer.releaseLock()
      const secured = wire(socket.startTls())
      try {
        await secured.opened(limitMs)
        return secured
      } catch (error) {
        secured.close()
        throw error
      }
    },
    close: () => void socket.close().catch(() => {}),
  }
}

type Lines = {
  /** The next line without its end, and its length in octets. Throws if it is longer than `room`. */
  next(deadline: number, room: number): Promise<{ text: string; length: number }>
  /** True if octets have been read that belong to no line yet returned. */
  isAhead(): boolean
}

function lineReader(reader: ReadableStreamDefaultReader<Uint8Array>): Lines {
  let buffer = new Uint8Array(0)
  return {
    isAhead: () => buffer.length > 0,
    async next(deadline, room) {
      for (let seen = 0; ; ) {
        const end = buffer.indexOf(10, seen)
        if (end >= 0) {
          const text = new TextDecoder().decode(buffer.subarray(0, end)).replace(/\r$/, '')
          buffer = buffer.slice(end + 1)
          return { text, length: end + 1 }
        }
        if (buffer.length > room) throw new WireError('protocol', 'the reply is too long')
        seen = buffer.length
        const { done, value } = await within(deadline - Date.now(), reader.read())
        if (done) throw new WireError('closed', 'the server hung up')
        const grown = new Uint8Array(buffer.length + value.length)
        grown.set(buffer)
        grown.set(value, buffer.length)
        buffer = grown
      }
    },
  }
}

/** One reply of one or more lines with the same code (RFC 5321, section 4.2.1). */
async function readReply(lines: Lines, deadline: number): Promise<Reply> {
  const words: string[] = []
  let code: string | undefined
  for (let room = REPLY_LIMIT; ; ) {
    const { text, length } = await lines.next(deadline, room)
    room -= length
    const [, digits, mark, rest = ''] = /^([2-5]\d\d)(?:([ -])(.*))?$/.exec(text) ?? []
    if (digits === undefined || (code !== undefined && digits !== code))
      throw new WireError('protocol', 'the answer is not an SMTP reply')
    code = digits
    words.push(rest)
    if (mark !== '-') return { code: Number(code), lines: words }
  }
}

/** The promise, or a timeout. Any other failure of a socket means that the connection is lost. */
async function within<T>(limitMs: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new WireError('timeout', 'no answer in time')), Math.max(0, limitMs))
  })
  try {
    return await Promise.race([promise, late])
  } catch (error) {
    throw error instanceof WireError ? error : new WireError('closed', 'the connection was lost')
  } finally {
    clearTimeout(timer)
  }
}
