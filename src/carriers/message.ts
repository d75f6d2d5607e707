import type {
  Carrier,
  CarrierName,
  Outcome,
  OutgoingMessage,
  Party,
  RefusedRecipient,
} from '../core/delivery/carrier.ts'
import { CAPABILITIES } from './capability.ts'

/** A carrier. It refuses a message with an unsafe field before anything is opened. */
export function carrierOf(name: CarrierName, send: (message: OutgoingMessage) => Promise<Outcome>): Carrier {
  return {
    name,
    idempotencyMs: CAPABILITIES[name].idempotencyMs,
    send: async (message) => refuseUnsafe(message) ?? (await send(message)),
  }
}

/** An address without a character that could end a line, a path or a list in a carrier's protocol. */
const ADDRESS = /^[^\s\p{C}<>(),;:@"\\]+@[^\s\p{C}<>(),;@"\\]+$/u
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}]/u
const FIELD_NAME = /^[!-9;-~]+$/
const TOKEN = /^[!-~]{1,256}$/

/** The refusal of a message with a field that could break a command, a header or a request line; null if it is safe. */
function refuseUnsafe(message: OutgoingMessage): Outcome | null {
  const parties: [string, Party[]][] = [
    ['from', [message.from]],
    ['to', message.to],
    ['cc', message.cc],
    ['bcc', message.bcc],
    ['replyTo', message.replyTo ? [message.replyTo] : []],
  ]
  const faults = [
    message.envelopeFrom !== '' && !isAddress(message.envelopeFrom) ? 'envelopeFrom' : null,
    message.recipients.length > 0 && message.recipients.every(isAddress) ? null : 'recipients',
    ...parties.map(([field, list]) =>
      list.every(({ email, name }) => isAddress(email) && !UNPRINTABLE.test(name ?? '')) ? null : field,
    ),
    UNPRINTABLE.test(message.subject) ? 'subject' : null,
    Object.entries(message.headers).every(
      ([name, value]) => FIELD_NAME.test(name) && !UNPRINTABLE.test(value),
    )
      ? null
      : 'headers',
    message.attachments.every(({ filename, contentType }) => !UNPRINTABLE.test(filename + contentType))
      ? null
      : 'attachments',
    TOKEN.test(message.tenantId) ? null : 'tenantId',
    TOKEN.test(message.sendId) ? null : 'sendId',
    TOKEN.test(message.messageId) ? null : 'messageId',
    TOKEN.test(message.idempotencyKey) ? null : 'idempotencyKey',
  ]
  const field = faults.find((fault) => fault !== null)
  if (field === undefined) return null
  return {
    kind: 'refused_permanent',
    code: 'unsafe_field',
    detail: `${field} holds what no carrier may be given`,
    recipients: [],
  }
}

function isAddress(email: string) {
  return ADDRESS.test(email) && new TextEncoder().encode(email).length <= 254
}

/** Base64 (RFC 4648, section 4) of any length. */
export function base64(bytes: Uint8Array) {
  let binary = ''
  for (let start = 0; start < bytes.length; start += 0x8000)
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000))
  return btoa(binary)
}

/** The recipients of this call by the field that names them. One that no field names is a blind copy. */
export function stillToServe(message: OutgoingMessage) {
  const open = new Map(
    message.recipients.map((email) => [email.toLowerCase(), { email, name: null } as Party]),
  )
  const take = (parties: Party[]) => parties.filter(({ email }) => open.delete(email.toLowerCase()))
  const [to, cc, bcc] = [take(message.to), take(message.cc), take(message.bcc)]
  return { to, cc, bcc: [...bcc, ...open.values()] }
}

/**
 * The recipients of this call for a carrier that needs a To recipient. If none is left, the Cc recipients become To, as they
 * see each other anyway; without any, the first blind copy does.
 */
export function addressed(message: OutgoingMessage): Pick<OutgoingMessage, 'to' | 'cc' | 'bcc'> {
  const { to, cc, bcc } = stillToServe(message)
  if (to.length > 0) return { to, cc, bcc }
  if (cc.length > 0) return { to: cc, cc: [], bcc }
  return { to: bcc.slice(0, 1), cc: [], bcc: bcc.slice(1) }
}

const SIGNATURE = new TextEncoder().encode('DKIM-Signature:')

/** A message without the DKIM signature it begins with, for a carrier that rewrites signed fields and signs by itself. */
export function unsigned(raw: Uint8Array): Uint8Array {
  if (!SIGNATURE.every((octet, at) => raw[at] === octet)) return raw
  const endsField = (at: number) => raw[at] === 10 && raw[at + 1] !== 32 && raw[at + 1] !== 9
  return raw.subarray(raw.findIndex((_, at) => endsField(at)) + 1)
}

/** A party as it is written in an address field. */
export function mailbox({ email, name }: Party) {
  return name ? `"${name.replace(/["\\]/g, '\\$&')}" <${email}>` : email
}

/** A Message-ID without its angle brackets, as events have it. */
export function bareId(id: string) {
  return id.replace(/^<(.*)>$/, '$1')
}

/** The recipients that a carrier's answer names. */
export function namedIn(words: string, recipients: string[]): string[] {
  const named = new Set(words.toLowerCase().split(/[\s,;:<>()"]+|\.(?=\s|$)/))
  return recipients.filter((email) => named.has(email.toLowerCase()))
}

/** Refusals of recipients that are on the carrier's own suppression list. */
export function inactive(emails: string[], code: string): RefusedRecipient[] {
  return emails.map((email) => ({
    email,
    permanent: true,
    code,
    detail: 'on the suppression list of the carrier',
  }))
}

/** A carrier's own words, made fit to be stored: short, printable, without the secrets they may repeat. */
export function quote(words: string, secrets: string[] = []) {
  const silent = secrets.filter(Boolean).reduce((text, secret) => text.replaceAll(secret, '[secret]'), words)
  return silent
    .replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, 200)
}
