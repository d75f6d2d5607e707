import { timingSafeEqual } from 'node:crypto'

const PURPOSE = 'moltpost return path 2'
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
const SEND_ID = /^req_([a-z0-9]{1,36})$/
const POSITIONS = 100
/** Without the flag `u`, so that `i` ignores the case of ASCII letters only. */
const RETURN_PATH = /^bounce\+([a-z0-9]{1,36})-(0|[1-9][0-9]?)-([a-z2-7]{16})@([a-z0-9.-]{1,253})$/i
/** Octets of the MAC: 80 bits, exactly 16 letters of base32. */
const MAC = 10

let derived: { secret: string; key: CryptoKey } | null = null

/** One recipient of a send: the send's id without `req_`, and the recipient's position in its list. */
type Sealed = { sendId: string; position: number }

/**
 * The envelope sender for one recipient of a send, `bounce+<id>-<position>-<mac>@<domain>`. Everybody who gets the mail can
 * read it, so it proves only that its writer has seen the mail to that recipient. The part before the @ has at most 64
 * octets (RFC 5321, section 4.5.3.1.1): lower-case letters, digits, `-` and `+`. Throws if it would not fit.
 */
export async function returnPath(
  secret: string,
  mailDomain: string,
  { sendId, position }: Sealed,
): Promise<string> {
  const id = SEND_ID.exec(sendId)?.[1]
  if (id === undefined)
    throw new RangeError(`cannot make a return path for the send id ${sendId}: it must look like req_1a2b3c`)
  if (!Number.isInteger(position) || position < 0 || position >= POSITIONS)
    throw new RangeError(
      `cannot make a return path for the recipient ${position}: there are at most ${POSITIONS}`,
    )
  const domain = mailDomain.toLowerCase()
  const named = `${id}-${position}`
  return `bounce+${named}-${base32(await sign(secret, named, domain))}@${domain}`
}

/**
 * The recipient for whom a return path was made; upper and lower case do not matter. `forged` if the MAC is wrong, null if
 * the address is no return path.
 */
export async function readReturnPath(secret: string, address: string): Promise<Sealed | 'forged' | null> {
  if (address.length > 320) return null
  const [, id, position, mac, domain] = RETURN_PATH.exec(address)?.map((text) => text.toLowerCase()) ?? []
  if (id === undefined || position === undefined || mac === undefined || domain === undefined) return null
  const text = new TextEncoder()
  const expected = text.encode(base32(await sign(secret, `${id}-${position}`, domain)))
  if (!timingSafeEqual(expected, text.encode(mac))) return 'forged'
  return { sendId: `req_${id}`, position: Number(position) }
}

async function sign(secret: string, named: string, domain: string) {
  const text = new TextEncoder().encode(`${named}@${domain}`)
  return new Uint8Array(await crypto.subtle.sign('HMAC', await keyOf(secret), text)).slice(0, MAC)
}

async function keyOf(secret: string) {
  if (derived?.secret === secret) return derived.key
  const text = new TextEncoder()
  const root = await crypto.subtle.importKey('raw', text.encode(secret), 'HKDF', false, ['deriveKey'])
  const key = await crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: text.encode(PURPOSE) },
    root,
    { name: 'HMAC', hash: 'SHA-256', length: 256 },
    false,
    ['sign'],
  )
  derived = { secret, key }
  return key
}

/** Base32 (RFC 4648, section 6) in lower case, without padding: the input must be a multiple of five octets. */
function base32(octets: Uint8Array) {
  let text = ''
  let bits = 0
  let rest = 0
  for (const octet of octets) {
    rest = ((rest << 8) | octet) & 0xfff
    for (bits += 8; bits >= 5; bits -= 5) text += BASE32.charAt((rest >> (bits - 5)) & 31)
  }
  return text
}
