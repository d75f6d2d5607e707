import { Buffer } from 'node:buffer'
import { type Env, settings } from '../../env.ts'
import { suppressUnsubscribed } from './suppressions.ts'

/** A link stops the mail of this tenant to this contact. `campaignId` says in which campaign the link was. */
type Subscription = { tenantId: string; contact: string; campaignId: string | null }

type Keys = { secret: string; naming: CryptoKey; sealing: CryptoKey }

const PURPOSE = 'moltpost unsubscribe 1'
/** Lengths of the nonce and of the tag of AES-GCM, in bytes. */
const NONCE = 12
const TAG = 16
/** Longest campaign in a link, in bytes of JSON: the link must fit on one line of a header field. */
const CAMPAIGN_AT_MOST = 200
const TOKEN_AT_MOST = 1_000

let derived: Keys | null = null

/**
 * The link by which one recipient stops the mail of one tenant, or null without a `TOKEN_SECRET`. It never expires (RFC
 * 8058) and is encrypted. The same subscription always gives the same link.
 */
export async function unsubscribeUrl(env: Env, subscription: Subscription): Promise<string | null> {
  const { publicUrl, tokenSecret } = settings(env)
  if (tokenSecret === null) return null
  const { tenantId, contact, campaignId } = subscription
  const campaign = Buffer.byteLength(JSON.stringify(campaignId)) <= CAMPAIGN_AT_MOST ? campaignId : null
  const content = new TextEncoder().encode(JSON.stringify([tenantId, contact, campaign]))
  const { naming, sealing } = await keysOf(tokenSecret)
  // The nonce is a MAC of the content (as in SIV, RFC 5297), so that two contents never share a nonce.
  const iv = new Uint8Array(await crypto.subtle.sign('HMAC', naming, content)).slice(0, NONCE)
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, sealing, content)
  return `${publicUrl}/u/${Buffer.concat([iv, new Uint8Array(sealed)]).toString('base64url')}`
}

/** The header fields that let a mail program show its own unsubscribe button (RFC 8058). */
export function oneClickHeaders(url: string): Record<string, string> {
  return { 'List-Unsubscribe': `<${url}>`, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' }
}

/** The subscription that a token names, or null if the token is not exactly one that `unsubscribeUrl` made. */
export async function readUnsubscribe(env: Env, token: string): Promise<Subscription | null> {
  const { tokenSecret } = settings(env)
  if (tokenSecret === null || token.length > TOKEN_AT_MOST) return null
  const bytes = new Uint8Array(Buffer.from(token, 'base64url'))
  // Several base64url texts decode to the same bytes. Only the one that we made is accepted.
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

/**
 * Stops all mail of the tenant to the contact that the token names, for good. Returns null for a token that is not
 * ours.
 */
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
