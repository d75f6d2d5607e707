import { createHash } from 'node:crypto'
import { type Env, settings } from '../../../env.ts'
import { Fault } from '../../ground/fault.ts'
import { type Head, headBytes } from './chain.ts'

type PublicKey = { keyId: string; publicKey: string; pem: string }
type Signer = PublicKey & { sign: CryptoKey; verify: CryptoKey }

/** An Ed25519 private key in PKCS #8 is this and the 32 bytes of its seed (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

/** An Ed25519 public key in SPKI is this and its 32 bytes (RFC 8410). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** Bytes of an Ed25519 signature. */
const SIGNATURE_LENGTH = 64

const signers = new WeakMap<object, Promise<Signer | null>>()

/** The public key that verifies the signed heads of audit logs. Fault: `not_configured` without AUDIT_SIGNING_KEY. */
export async function auditKey(env: Env): Promise<PublicKey> {
  const signer = await signerOf(env)
  if (signer) return signer
  throw new Fault('not_configured', 'Audit logs are not signed: no AUDIT_SIGNING_KEY is configured.')
}

/** Signs the head of a chain. Key id and signature are null if no key is configured. */
export async function signHead(env: Env, head: Head) {
  const signer = await signerOf(env)
  if (!signer) return { keyId: null, signature: null }
  const signature = await crypto.subtle.sign('Ed25519', signer.sign, headBytes(head))
  return { keyId: signer.keyId, signature: Buffer.from(signature).toString('base64') }
}

/** Whether our key signed these bytes: `unknown` if another key did, `none` if there is no signature. */
export async function vouchesFor(
  env: Env,
  { keyId, signature }: { keyId: string | null; signature: string | null },
  bytes: Uint8Array<ArrayBuffer>,
): Promise<'valid' | 'wrong' | 'unknown' | 'none'> {
  if (keyId === null || signature === null) return 'none'
  const signer = await signerOf(env)
  if (signer?.keyId !== keyId) return 'unknown'
  const given = new Uint8Array(Buffer.from(signature, 'base64'))
  if (given.length !== SIGNATURE_LENGTH) return 'wrong'
  return (await crypto.subtle.verify('Ed25519', signer.verify, given, bytes)) ? 'valid' : 'wrong'
}

function signerOf(env: Env): Promise<Signer | null> {
  const known = signers.get(env)
  if (known) return known
  const signer = load(settings(env).auditSeed)
  signers.set(env, signer)
  return signer
}

async function load(seed: Uint8Array | null): Promise<Signer | null> {
  if (seed === null) return null
  const pkcs8 = new Uint8Array([...PKCS8, ...seed])
  const sign = await crypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', true, ['sign'])
  const exported = await crypto.subtle.exportKey('jwk', sign)
  const { x } = exported as JsonWebKey
  if (x === undefined) throw new Error('an Ed25519 key has no public half')
  const raw = Buffer.from(x, 'base64url')
  const verify = await crypto.subtle.importKey('raw', new Uint8Array(raw), 'Ed25519', true, ['verify'])
  const keyId = createHash('sha256').update(raw).digest('hex').slice(0, 16)
  const spki = Buffer.concat([SPKI, raw]).toString('base64')
  const pem = `-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----\n`
  return { sign, verify, keyId, publicKey: raw.toString('base64'), pem }
}
