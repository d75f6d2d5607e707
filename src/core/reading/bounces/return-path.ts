import { timingSafeEqual } from 'node:crypto'

const PURPOSE = 'moltpost return path 1'
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
const SEND_ID = /^[a-z]{1,8}_[a-z0-9]{1,36}$/
/** Without the flag `u`, so that `i` ignores the case of ASCII letters only. */
const RETURN_PATH = /^bounce\+([a-z]{1,8}_[a-z0-9]{1,36})-([a-z2-7]{16})@([a-z0-9.-]{1,253})$/i
/** Octets of the MAC: 80 bits, exactly 16 letters of base32. */
const MAC = 10

let derived: { secret: string; key: CryptoKey } | null = null

/**
 * The envelope sender of one send, `bounce+<send id>-<mac>@<domain>`. Only somebody who has seen the mail can know it. The
 * part before the @ has at most 64 octets (RFC 5321, section 4.5.3.1.1): lower-case letters, digits, `_`, `-` and `+`.
 * Throws if the send id does not fit.
 */
export async function returnPath(secret: string, mailDomain: string, sendId: string): Promise<string> {
  if (!SEND_ID.test(sendId))
    throw new RangeError(`cannot make a return path for the send id ${sendId}: it must look like req_1a2b3c`)
  const domain = mailDomain.toLowerCase()
  return `bounce+${sendId}-${base32(await sign(secret, sendId, domain))}@${domain}`
}

/**
 * The send that a return path belongs to; upper and lower case do not matter. `forged` if the MAC is wrong, null if the
 * address is no return path.
 */
export async function readReturnPath(
  secret: string,
  address: string,
): Promise<{ sendId: string } | 'forged' | null> {
  if (address.length > 320) return null
  const [, sendId, mac, domain] = RETURN_PATH.exec(address)?.map((text) => text.toLowerCase()) ?? []
  if (sendId === undefined || mac === undefined || domain === undefined) return null
  const text = new TextEncoder()
  const expected = text.encode(base32(await sign(secret, sendId, domain)))
  return timingSafeEqual(expected, text.encode(mac)) ? { sendId } : 'forged'
}

async function sign(secret: string, sendId: string, domain: string) {
  const named = new TextEncoder().encode(`${sendId}@${domain}`)
  return new Uint8Array(await crypto.subtle.sign('HMAC', await keyOf(secret), named)).slice(0, MAC)
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
