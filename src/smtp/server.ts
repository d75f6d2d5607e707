import type { SMTPServerDataStream, SMTPServerSession } from 'smtp-server'
import { SMTPServer } from 'smtp-server'
import type { Api, Login } from './api.ts'
import type { Certificate } from './certificate.ts'
import type { Clients } from './clients.ts'
import { lineOf, loginReply, messageReply, type Reply, refusalReply } from './replies.ts'
import type { Settings } from './settings.ts'

/** Writes one line to the log. It must contain no addresses and no text of the mail. */
export type Log = (event: string, about: Record<string, string | number | boolean>) => void

export type Bridge = {
  server: SMTPServer
  /** Waits until the messages in progress are answered, then ends every session. */
  stop: () => Promise<void>
}

type Context = { api: Api; clients: Clients; log: Log }

/** The most recipients of one message that Moltpost accepts. */
const RECIPIENTS_AT_MOST = 50
/** How long a client may be silent, in ms (RFC 5321, section 4.5.3.2). */
const SILENT_MS = 300_000
/** How long the server waits for messages in progress when it stops, in ms. */
const STOPPING_MS = 30_000

const TOO_LARGE: Reply = {
  code: 552,
  enhanced: '5.3.4',
  text: 'message_too_large: the message is larger than the limit in the SIZE reply to EHLO.',
}
const IS_ENHANCED = /^[245]\.\d{1,3}\.\d{1,3} /

/**
 * Changes two things in the library's replies. A reply that already has an enhanced status code keeps it. AUTH is offered
 * only on an encrypted connection (RFC 4954, section 4).
 */
class SubmissionServer extends SMTPServer {
  override connect(...given: Parameters<SMTPServer['connect']>) {
    super.connect(...given)
    const connection = [...this.connections].at(-1)
    if (!connection) return
    const send = connection.send.bind(connection)
    connection.send = (code, data, context) => {
      if (typeof data === 'string' && IS_ENHANCED.test(data)) return send(code, data, false)
      const isOpen = Array.isArray(data) && !connection.secure
      send(code, isOpen ? data.filter((line) => !line.startsWith('AUTH ')) : data, context)
    }
  }
}

const SENDER_NOT_ALLOWED: Reply = {
  code: 550,
  enhanced: '5.7.1',
  text: 'sender_not_allowed: MAIL FROM must be the address that you logged in with.',
}

/** An SMTP server for mail programs, with STARTTLS or with TLS from the start. Moltpost decides; this translates to SMTP. */
export function bridge(
  settings: Settings,
  certificate: Certificate,
  secure: boolean,
  context: Context,
): Bridge {
  const { api, clients, log } = context
  const pending = new Set<string>()
  const server = new SubmissionServer({
    ...optionsOf(settings, certificate, secure),
    onConnect(session, done) {
      const reply = connectReply(session, context)
      done(reply && refusal(reply))
    },
    onClose({ id, remoteAddress }) {
      clients.leave(remoteAddress, id)
    },
    onAuth({ method, username, password }, { id, remoteAddress }, done) {
      const login = { username: username ?? '', password: password ?? '' }
      answer(done, async () => {
        const reply = await checkLogin(login, remoteAddress, context)
        log('login', { session: id, method, code: reply?.code ?? 235 })
        if (reply) throw refusal(reply)
        return { user: login }
      })
    },
    onMailFrom({ address }, session, done) {
      const own = loginOf(session)?.username.trim().toLowerCase()
      if (address === '' || address.toLowerCase() === own) return done()
      done(refusal(SENDER_NOT_ALLOWED))
    },
    onRcptTo({ address }, session, done) {
      answer(done, async () => {
        const login = loginOf(session)
        const reply = refusalReply(login ? await api.recipient(login, address) : null)
        if (!reply) return undefined
        log('recipient', { session: session.id, code: reply.code, status: reply.enhanced })
        throw refusal(reply)
      })
    },
    onData(stream, session, done) {
      pending.add(session.id)
      answer(
        (error, line) => {
          pending.delete(session.id)
          done(error, line)
        },
        async () => {
          const raw = await read(stream, settings.size)
          if (raw === null) throw refusal(TOO_LARGE)
          return await submit(session, raw, context)
        },
      )
    },
  })
  server.on('error', (error: Error & { code?: string }) =>
    log('connection', { error: error.code ?? error.name }),
  )
  return { server, stop: () => stopped(server, pending) }
}

function optionsOf(settings: Settings, certificate: Certificate, secure: boolean) {
  return {
    ...certificate,
    secure,
    name: settings.host,
    banner: 'Moltpost',
    minVersion: 'TLSv1.2' as const,
    authMethods: ['PLAIN', 'LOGIN'],
    authRequiredMessage: secure ? 'Authentication required' : 'Authentication required, after STARTTLS',
    size: settings.size,
    maxRecipients: RECIPIENTS_AT_MOST,
    hideENHANCEDSTATUSCODES: false,
    disableReverseLookup: true,
    socketTimeout: SILENT_MS,
    maxClients: settings.connections,
    closeTimeout: STOPPING_MS,
    useProxy: settings.proxies,
  }
}

/** The reply to a client that may not connect now, or null. A client that may connect is counted. */
function connectReply({ id, remoteAddress }: SMTPServerSession, { clients, log }: Context): Reply | null {
  if (clients.hasFailedTooOften(remoteAddress, Date.now())) {
    log('refused', { session: id, reason: 'failed logins' })
    return { code: 421, enhanced: '4.7.0', text: 'Too many failed logins. Try again later.' }
  }
  if (clients.enter(remoteAddress, id)) return null
  log('refused', { session: id, reason: 'connections' })
  return { code: 421, enhanced: '4.7.0', text: 'Too many connections from this address.' }
}

/** The reply to a login that failed, or null. */
async function checkLogin(
  login: Login,
  remoteAddress: string,
  { api, clients }: Context,
): Promise<Reply | null> {
  // No mailbox address has a colon, and HTTP basic authentication would read it as the start of the password.
  const found = login.username.includes(':')
    ? { status: 401, body: {}, retryAfterS: null }
    : await api.session(login)
  const reply = loginReply(found)
  if (reply?.code === 535) clients.fail(remoteAddress, Date.now())
  return reply
}

/** Hands one message to the Worker and returns the line that says what became of it. Throws the refusal. */
async function submit(session: SMTPServerSession, raw: Buffer, { api, log }: Context): Promise<string> {
  const since = Date.now()
  const { mailFrom, rcptTo } = session.envelope
  const envelope = {
    from: mailFrom ? mailFrom.address : '',
    to: rcptTo.map(({ address }) => address),
  }
  const login = loginOf(session)
  const found = login ? await api.submission(login, envelope, raw) : null
  const reply = messageReply(found)
  log('message', {
    ...{ session: session.id, code: reply.code, status: reply.enhanced, bytes: raw.byteLength },
    ...{ recipients: rcptTo.length, ms: Date.now() - since, request: String(found?.body.request_id ?? '') },
  })
  if (reply.code >= 300) throw refusal(reply)
  return lineOf(reply)
}

function loginOf({ user }: SMTPServerSession): Login | null {
  return (user as Login | undefined) ?? null
}

/** A refusal as the library expects it: an error with the reply code, whose message is the line. */
function refusal(reply: Reply): Error {
  return Object.assign(new Error(lineOf(reply)), { responseCode: reply.code })
}

function answer<Value>(done: (error: Error | null, value?: Value) => void, work: () => Promise<Value>): void {
  work().then(
    (value) => done(null, value),
    (error: unknown) =>
      done(error instanceof Error ? error : new Error('4.3.0 Something broke on our side.')),
  )
}

/** Reads the message. Null if it is larger than `size`; the rest is read and dropped. */
async function read(stream: SMTPServerDataStream, size: number): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.byteLength
    if (length <= size) chunks.push(chunk)
  }
  return length <= size ? Buffer.concat(chunks) : null
}

async function stopped(server: SMTPServer, pending: Set<string>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(resolve))
  for (const until = Date.now() + STOPPING_MS; pending.size > 0 && Date.now() < until; ) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  for (const connection of server.connections) connection.send(421, 'Server shutting down')
  await closed
}
