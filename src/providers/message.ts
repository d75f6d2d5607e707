import type { Outcome, OutgoingMessage, Party } from './carrier.ts'

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

/** A carrier's own words, fit to be stored: short, printable, without the secrets it may have repeated. */
export function quote(words: string, secrets: string[] = []) {
  const silent = secrets.filter(Boolean).reduce((text, secret) => text.replaceAll(secret, '[secret]'), words)
  return silent
    .replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, 200)
}
