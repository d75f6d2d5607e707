import { Buffer } from 'node:buffer'
import { type Env, settings } from '../../env.ts'
import { suppressUnsubscribed } from './suppressions.ts'

/** Whom a link unsubscribes, from whom, and what made them want it. */
export type Subscription = { tenantId: string; contact: string; campaignId: string | null }

type Keys = { secret: string; naming: CryptoKey; sealing: CryptoKey }

const PURPOSE = 'moltpost unsubscribe 1'
/** Octets of the nonce and of the tag of AES-GCM. */
const NONCE = 12
const TAG = 16
/** Longest campaign in a link, in octets of JSON: the link must stay one word of a header field. */
const CAMPAIGN_AT_MOST = 200
const TOKEN_AT_MOST = 1_000

let derived: Keys | null = null

/**
 * The link by which one recipient stops the mail of one tenant, or null without a `TOKEN_SECRET`. It never runs out (RFC
 * 8058), says nothing of whom it names, and is the same whenever it names the same.
 */
export async function unsubscribeUrl(env: Env, subscription: Subscription): Promise<string | null> {
  const { publicUrl, tokenSecret } = settings(env)
  if (tokenSecret === null) return null
  const { tenantId, contact, campaignId } = subscription
  const campaign = Buffer.byteLength(JSON.stringify(campaignId)) <= CAMPAIGN_AT_MOST ? campaignId : null
  const content = new TextEncoder().encode(JSON.stringify([tenantId, contact, campaign]))
  const { naming, sealing } = await keysOf(tokenSecret)
  // The nonce is a MAC of the content (as in SIV, RFC 5297), so that no two contents share one.
  const iv = new Uint8Array(await crypto.subtle.sign('HMAC', naming, content)).slice(0, NONCE)
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, sealing, content)
  return `${publicUrl}/u/${Buffer.concat([iv, new Uint8Array(sealed)]).toString('base64url')}`
}

/** What makes the mail program of a recipient show a button of its own for the link. */
export function oneClickHeaders(url: string): Record<string, string> {
  return { 'List-Unsubscribe': `<${url}>`, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' }
}

/** Whom a token names; null where it is not one that `unsubscribeUrl` made, letter for letter. */
export async function readUnsubscribe(env: Env, token: string): Promise<Subscription | null> {
  const { tokenSecret } = settings(env)
  if (tokenSecret === null || token.length > TOKEN_AT_MOST) return null
  const bytes = new Uint8Array(Buffer.from(token, 'base64url'))
  // Several spellings decode to the same bytes: only the one that was given out counts.
  if (bytes.length <= NONCE + TAG || Buffer.from(bytes).toString('base64url') !== token) return null

  const { sealing } = await keysOf(tokenSecret)
  const content = await crypto.subtle
    .decrypt({ name: 'AES-GCM', iv: bytes.slice(0, NONCE) }, sealing, bytes.slice(NONCE))
    .catch(() => null)
  if (content === null) return null
  const [tenantId, contact, campaignId] = JSON.parse(new TextDecoder().decode(content)) as [
    string,
    string,
    string | null,
  ]
  return { tenantId, contact, campaignId }
}

/** Stops all mail of the tenant to whom the token names, from now on and for good. Null where the token is not ours. */
export async function unsubscribe(env: Env, now: Date, token: string): Promise<Subscription | null> {
  const subscription = await readUnsubscribe(env, token)
  if (subscription === null) return null
  const { tenantId, contact } = subscription
  await suppressUnsubscribed({ env, now }, tenantId, { email: contact, source: 'one-click' })
  return subscription
}

async function keysOf(secret: string): Promise<Keys> {
  if (derived?.secret === secret) return derived
  const text = new TextEncoder()
  const root = await crypto.subtle.importKey('raw', text.encode(secret), 'HKDF', false, ['deriveBits'])
  const bits = await crypto.subtle.deriveBits(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: text.encode(PURPOSE) },
    root,
    512,
  )
  const [naming, sealing] = await Promise.all([
    crypto.subtle.importKey('raw', bits.slice(0, 32), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']),
    crypto.subtle.importKey('raw', bits.slice(32), 'AES-GCM', false, ['encrypt', 'decrypt']),
  ])
  derived = { secret, naming, sealing }
  return derived
}
