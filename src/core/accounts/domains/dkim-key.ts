import { Buffer } from 'node:buffer'
import { type Env, settings } from '../../../env.ts'
import { Fault } from '../../ground/fault.ts'

const PURPOSE = 'moltpost domain keys 1'
const NONCE = 12
/** RFC 8301 requires at least 1,024 bits and recommends 2,048. */
const MODULUS_BITS = 2048
const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }

/** The domain that a key belongs to. The seal includes it, so a key copied to another row cannot be opened there. */
type KeyHolder = { tenantId: string; domainId: string }

let derived: { secret: string; key: CryptoKey } | null = null

/**
 * Makes an RSA key: the public half as DNS shows it, the private half sealed. Throws `not_configured` without a
 * TOKEN_SECRET.
 */
export async function newDkimKey(
  env: Env,
  holder: KeyHolder,
): Promise<{ publicKey: string; sealedKey: string }> {
  const sealing = await sealingKey(env)
  if (sealing === null) {
    throw new Fault(
      'not_configured',
      'Domains need the setting TOKEN_SECRET, which encrypts their keys. The operator of the service must set it.',
    )
  }
  const publicExponent = Uint8Array.of(1, 0, 1)
  const pair = (await crypto.subtle.generateKey(
    { ...RSA, modulusLength: MODULUS_BITS, publicExponent },
    true,
    ['sign', 'verify'],
  )) as CryptoKeyPair
  const [secret, shown] = (await Promise.all([
    crypto.subtle.exportKey('pkcs8', pair.privateKey),
    crypto.subtle.exportKey('spki', pair.publicKey),
  ])) as [ArrayBuffer, ArrayBuffer]
  const iv = crypto.getRandomValues(new Uint8Array(NONCE))
  const sealed = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: nameOf(holder) },
    sealing,
    secret,
  )
  return {
    publicKey: Buffer.from(shown).toString('base64'),
    sealedKey: Buffer.concat([iv, new Uint8Array(sealed)]).toString('base64'),
  }
}

/** The private key for signing, or null if it was sealed under another TOKEN_SECRET. */
export async function openDkimKey(env: Env, holder: KeyHolder, sealedKey: string): Promise<CryptoKey | null> {
  const sealing = await sealingKey(env)
  if (sealing === null) return null
  const bytes = new Uint8Array(Buffer.from(sealedKey, 'base64'))
  const opening = { name: 'AES-GCM', iv: bytes.slice(0, NONCE), additionalData: nameOf(holder) }
  const secret = await crypto.subtle.decrypt(opening, sealing, bytes.slice(NONCE)).catch(() => null)
  return secret && (await crypto.subtle.importKey('pkcs8', secret, RSA, false, ['sign']))
}

const nameOf = ({ tenantId, domainId }: KeyHolder) => new TextEncoder().encode(`${tenantId} ${domainId}`)

async function sealingKey(env: Env): Promise<CryptoKey | null> {
  const { tokenSecret } = settings(env)
  if (tokenSecret === null) return null
  if (derived?.secret === tokenSecret) return derived.key
  const text = new TextEncoder()
  const root = await crypto.subtle.importKey('raw', text.encode(tokenSecret), 'HKDF', false, ['deriveKey'])
  const key = await crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: text.encode(PURPOSE) },
    root,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  )
  derived = { secret: tokenSecret, key }
  return key
}
