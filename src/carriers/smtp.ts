import type { Carrier, Outcome, OutgoingMessage, RefusedRecipient } from '../core/delivery/carrier.ts'
import { ambiguous } from './http.ts'
import { base64, carrierOf } from './message.ts'
import { allRefused, answered, positive, queueId, refuse, throttling, words } from './smtp-outcome.ts'
import { dial, type Reply, type Wire, WireError } from './smtp-wire.ts'

export type SmtpSecurity = 'starttls' | 'tls' | 'none'

export type SmtpTimeouts = {
  connectMs: number
  /** For each command and its reply. */
  stepMs: number
  /** From the first byte to the final dot. A session that takes longer is ended, and nothing is sent. */
  sessionMs: number
  /** For the reply to the final dot, in addition to all others. Without a reply the attempt is ambiguous. */
  finalMs: number
}

export type SmtpSettings = {
  host: string
  port: number
  security: SmtpSecurity
  username?: string
  password?: string
  /** The name we give in EHLO. */
  clientName: string
  timeouts?: Partial<SmtpTimeouts>
}

/** Much shorter than RFC 5321 allows, so that an attempt ends within 80 seconds whatever the server does. */
const TIMEOUTS: SmtpTimeouts = { connectMs: 10_000, stepMs: 15_000, sessionMs: 45_000, finalMs: 30_000 }

/** Any relay that speaks SMTP. Until the final dot is sent every failure is definite. SMTP knows no idempotency key. */
export function smtp(settings: SmtpSettings): Carrier {
  return carrierOf('smtp', async (message) => {
    return refuseSettings(settings) ?? refuseRaw(message.raw) ?? (await talk(settings, message))
  })
}

function refuseSettings({ host, port, clientName, username, password }: SmtpSettings): Outcome | null {
  if (port === 25)
    return refuse('refused_retry', 'port_25', 'Workers cannot reach port 25: use the relay on 465 or 587')
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    return refuse('refused_retry', 'settings', `${port} is not a port number`)
  const areNamesUsable = [host, clientName].every((word) => /^[\w.:[\]-]{1,253}$/.test(word))
  const areSecretsUsable = [username, password].every(
    (secret) => secret === undefined || /^[^\0]+$/.test(secret),
  )
  return areNamesUsable && areSecretsUsable
    ? null
    : refuse('refused_retry', 'settings', 'host, client name or credentials cannot be used')
}

/** Some servers read a lone CR or LF as a line end; a second message could be smuggled in behind it. */
function refuseRaw(raw: Uint8Array): Outcome | null {
  for (let at = 0; at < raw.length; at++) {
    const lone = raw[at] === 13 ? raw[at + 1] !== 10 : raw[at] === 10 && raw[at - 1] !== 13
    if (lone || raw[at] === 0)
      return refuse('refused_permanent', 'line_end', 'the message holds a NUL, a lone CR or a lone LF')
  }
  return null
}

/** Thrown to end the conversation with a refusal. */
class Refusal extends Error {
  readonly outcome: Outcome
  constructor(outcome: Outcome) {
    super(outcome.kind)
    this.outcome = outcome
  }
}

type Session = { wire: Wire; features: Map<string, string>; until: number; limits: SmtpTimeouts }

async function talk(settings: SmtpSettings, message: OutgoingMessage): Promise<Outcome> {
  const limits = { ...TIMEOUTS, ...settings.timeouts }
  const secure = { tls: 'on', starttls: 'starttls', none: 'off' } as const
  let session: Session | null = null
  try {
    const wire = await during('connect', async () =>
      dial(settings.host, settings.port, secure[settings.security]),
    )
    session = { wire, features: new Map(), until: Date.now() + limits.sessionMs, limits }
    const outcome = await converse(session, settings, message)
    await farewell(session)
    return outcome
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return error.outcome
  } finally {
    session?.wire.close()
  }
}

async function converse(session: Session, settings: SmtpSettings, message: OutgoingMessage) {
  await during('connect', () => greet(session, settings))
  if (settings.security === 'starttls')
    await during('tls', () => secureConnection(session, settings.clientName))
  if (settings.username !== undefined) await during('auth', () => authenticate(session, settings))
  return during('transaction', () => transact(session, message))
}

/** Runs one part of the conversation. A failure in it is a definite refusal named after the part. */
async function during<T>(part: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof Refusal) throw error
    const detail = error instanceof WireError ? `${error.code}: ${error.message}` : 'the connection failed'
    throw new Refusal(refuse('refused_retry', part, detail))
  }
}

async function greet(session: Session, { clientName }: SmtpSettings) {
  await session.wire.opened(Math.min(session.limits.connectMs, session.until - Date.now()))
  const greeting = await session.wire.reply(stepMs(session))
  if (greeting.code !== 220) throw relayRefusal('connect', greeting)
  await hello(session, clientName)
}

async function hello(session: Session, clientName: string) {
  const reply = await ask(session, `EHLO ${clientName}`)
  if (reply.code !== 250) throw relayRefusal('connect', reply)
  session.features = new Map(
    reply.lines.slice(1).map((line) => {
      const [, word = '', rest = ''] = /^([A-Za-z0-9-]*)[ =]?(.*)$/.exec(line) ?? []
      return [word.toUpperCase(), rest.toUpperCase()]
    }),
  )
}

/** Never goes on without encryption, and ignores what was said before the handshake (RFC 3207, section 4.2). */
async function secureConnection(session: Session, clientName: string) {
  if (!session.features.has('STARTTLS'))
    throw new Refusal(refuse('refused_retry', 'tls', 'the server does not offer STARTTLS'))
  const reply = await ask(session, 'STARTTLS')
  if (reply.code !== 220) throw relayRefusal('tls', reply)
  if (session.wire.ahead())
    throw new Refusal(refuse('refused_retry', 'tls', 'the server spoke before the handshake'))
  session.wire = await session.wire.upgrade(stepMs(session))
  await hello(session, clientName)
}

async function authenticate(session: Session, { username = '', password = '' }: SmtpSettings) {
  const offered = session.features.get('AUTH')?.split(/\s+/) ?? []
  let reply: Reply
  if (offered.includes('PLAIN')) {
    reply = await ask(session, `AUTH PLAIN ${base64(bytes(`\0${username}\0${password}`))}`)
  } else if (offered.includes('LOGIN')) {
    reply = await ask(session, 'AUTH LOGIN')
    if (reply.code === 334) reply = await ask(session, base64(bytes(username)))
    if (reply.code === 334) reply = await ask(session, base64(bytes(password)))
  } else
    throw new Refusal(refuse('refused_retry', 'auth', 'the server offers neither AUTH PLAIN nor AUTH LOGIN'))
  // The server's words are not kept: some servers repeat the credentials.
  if (reply.code !== 235) throw relayRefusal('auth', { code: reply.code, lines: [] })
}

async function transact(session: Session, message: OutgoingMessage): Promise<Outcome> {
  const body = stuffed(message.raw)
  const mail = await ask(
    session,
    `MAIL FROM:<${message.envelopeFrom}>${parameters(session, message, body.length)}`,
  )
  if (!positive(mail)) return answered(mail)

  const refused: RefusedRecipient[] = []
  const replies: Reply[] = []
  for (const email of new Set(message.recipients)) {
    const reply = await ask(session, `RCPT TO:<${email}>`)
    replies.push(reply)
    if (reply.code === 421) return answered(reply, refused)
    if (!positive(reply))
      refused.push({ email, permanent: reply.code >= 500, code: String(reply.code), detail: words(reply) })
  }
  if (refused.length === replies.length) return allRefused(replies, refused)

  const data = await ask(session, 'DATA')
  if (data.code !== 354) return answered(data, refused)
  await session.wire.write(body, session.until - Date.now())
  if (session.wire.ahead()) throw new WireError('protocol', 'the server answered before the message ended')
  return finish(session, refused)
}

/** From here on the server may have the message. Only a readable reply to the final dot tells whether it has. */
async function finish({ wire, limits }: Session, refused: RefusedRecipient[]): Promise<Outcome> {
  try {
    const deadline = Date.now() + limits.finalMs
    await wire.write(bytes('.\r\n'), limits.finalMs)
    const reply = await wire.reply(deadline - Date.now())
    if (positive(reply))
      return { kind: 'accepted', carrierMessageId: queueId(reply), delivered: false, refused }
    return reply.code >= 400
      ? answered(reply, refused)
      : ambiguous('final_reply', `unexpected ${words(reply)}`)
  } catch (error) {
    return ambiguous(
      'final_reply',
      error instanceof WireError ? `${error.code}: ${error.message}` : 'connection lost',
    )
  }
}

/** RFC 1870 SIZE, RFC 6152 8BITMIME and RFC 6531 SMTPUTF8, if the message or the server needs them. */
function parameters({ features }: Session, { raw, envelopeFrom, recipients }: OutgoingMessage, size: number) {
  const refuseTo = (
    code: string,
    detail: string,
    kind: 'refused_permanent' | 'refused_retry' = 'refused_retry',
  ) => new Refusal(refuse(kind, code, detail))
  const limit = Number(features.get('SIZE') || 0)
  if (limit > 0 && size > limit)
    throw refuseTo('size', `the message has ${size} octets, the server takes ${limit}`, 'refused_permanent')
  const eightBit = raw.some((byte) => byte > 127)
  if (eightBit && !features.has('8BITMIME'))
    throw refuseTo('8bitmime', 'the server takes 7-bit messages only')
  const international =
    [envelopeFrom, ...recipients].some((email) => /\P{ASCII}/u.test(email)) || eightBitHeader(raw)
  if (international && !features.has('SMTPUTF8'))
    throw refuseTo('smtputf8', 'the server does not take addresses or headers beyond ASCII')
  return [
    features.has('SIZE') ? ` SIZE=${size}` : '',
    eightBit ? ' BODY=8BITMIME' : '',
    international ? ' SMTPUTF8' : '',
  ].join('')
}

function eightBitHeader(raw: Uint8Array) {
  for (let at = 0; at < raw.length; at++) {
    if ((raw[at] ?? 0) > 127) return true
    if (raw[at] === 10 && raw[at + 1] === 13) return false
  }
  return false
}

/** The message as it is sent: a dot added to every line that begins with one, and a line end at the end. */
function stuffed(raw: Uint8Array) {
  const startsLine = (at: number) => at === 0 || raw[at - 1] === 10
  const dots = raw.reduce((count, byte, at) => count + (byte === 46 && startsLine(at) ? 1 : 0), 0)
  const ended = raw.at(-1) === 10
  const body = new Uint8Array(raw.length + dots + (ended ? 0 : 2))
  let to = 0
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at] ?? 0
    if (byte === 46 && startsLine(at)) body[to++] = 46
    body[to++] = byte
  }
  if (!ended) body.set([13, 10], to)
  return body
}

/** A courtesy: the outcome is known, so we do not wait long for the answer. */
async function farewell(session: Session) {
  try {
    await session.wire.write(bytes('QUIT\r\n'), 500)
    await session.wire.reply(500)
  } catch {}
}

async function ask(session: Session, command: string) {
  if (session.wire.ahead()) throw new WireError('protocol', 'the server answered before it was asked')
  await session.wire.write(bytes(`${command}\r\n`), stepMs(session))
  return session.wire.reply(stepMs(session))
}

function stepMs({ limits, until }: Session) {
  return Math.min(limits.stepMs, until - Date.now())
}

const bytes = (text: string) => new TextEncoder().encode(text)

/** A refusal before the message was mentioned. It is about the relay, so another carrier may take the message. */
function relayRefusal(part: string, reply: Reply) {
  return new Refusal(throttling(reply) ? answered(reply) : refuse('refused_retry', part, words(reply)))
}
