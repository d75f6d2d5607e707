import type { Outcome, OutgoingMessage, Party, RefusedRecipient } from '../core/delivery/carrier.ts'

/** An address that can neither end a line, nor a path, nor a list, in any of the carriers' languages. */
const ADDRESS = /^[^\s\p{C}<>(),;:@"\\]+@[^\s\p{C}<>(),;@"\\]+$/u
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}]/u
const FIELD_NAME = /^[!-9;-~]+$/
const TOKEN = /^[!-~]{1,256}$/

/**
 * Looks at every field that could reach a command, a header or a request line, and answers with the refusal that must
 * be given before anything is opened; null when the message is safe to hand on.
 */
export function refuseUnsafe(message: OutgoingMessage): Outcome | null {
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

/** Base64 as JSON APIs want it, of any length. */
export function base64(bytes: Uint8Array) {
  let binary = ''
  for (let start = 0; start < bytes.length; start += 0x8000)
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000))
  return btoa(binary)
}

/** The parties still to be served, by the field that names them; whoever no field names is a blind copy. */
export function stillToServe(message: OutgoingMessage) {
  const open = new Map(
    message.recipients.map((email) => [email.toLowerCase(), { email, name: null } as Party]),
  )
  const take = (parties: Party[]) => parties.filter(({ email }) => open.delete(email.toLowerCase()))
  const [to, cc, bcc] = [take(message.to), take(message.cc), take(message.bcc)]
  return { to, cc, bcc: [...bcc, ...open.values()] }
}

/**
 * The parties of a servable message for a carrier that needs somebody in To: where nobody is left there, the copies
 * move up, for they see each other anyway, or else the only blind copy.
 */
export function addressed(message: OutgoingMessage): Pick<OutgoingMessage, 'to' | 'cc' | 'bcc'> {
  const { to, cc, bcc } = stillToServe(message)
  if (to.length > 0) return { to, cc, bcc }
  if (cc.length > 0) return { to: cc, cc: [], bcc }
  return { to: bcc.slice(0, 1), cc: [], bcc: bcc.slice(1) }
}

const SIGNATURE = new TextEncoder().encode('DKIM-Signature:')

/** A message without the signature it begins with, for a carrier that writes signed fields anew and signs by itself. */
export function unsigned(raw: Uint8Array): Uint8Array {
  if (!SIGNATURE.every((octet, at) => raw[at] === octet)) return raw
  const endsField = (at: number) => raw[at] === 10 && raw[at + 1] !== 32 && raw[at + 1] !== 9
  return raw.subarray(raw.findIndex((_, at) => endsField(at)) + 1)
}

/** A party as an address field spells it. */
export function mailbox({ email, name }: Party) {
  return name ? `"${name.replace(/["\\]/g, '\\$&')}" <${email}>` : email
}

/** A message id as events spell it, without the angle brackets. */
export function bareId(id: string) {
  return id.replace(/^<(.*)>$/, '$1')
}

/** The recipients that a carrier's words name. */
export function namedIn(words: string, recipients: string[]): string[] {
  const named = new Set(words.toLowerCase().split(/[\s,;:<>()"]+|\.(?=\s|$)/))
  return recipients.filter((email) => named.has(email.toLowerCase()))
}

/** Recipients whom a carrier keeps on its own list of those it writes to no more. */
export function inactive(emails: string[], code: string): RefusedRecipient[] {
  return emails.map((email) => ({
    email,
    permanent: true,
    code,
    detail: 'on the suppression list of the carrier',
  }))
}

/** A carrier's own words, fit to be stored: short, printable, without the secrets it may have repeated. */
export function quote(words: string, secrets: string[] = []) {
  const silent = secrets.filter(Boolean).reduce((text, secret) => text.replaceAll(secret, '[secret]'), words)
  return silent
    .replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, 200)
}
