import { Webhook as Signer } from 'standardwebhooks'
import type { webhooks } from '../../schema.ts'

type Secrets = Pick<typeof webhooks.$inferSelect, 'secret' | 'previousSecret' | 'previousUntil'>

/** How long a secret that has been replaced still signs beside the new one, in ms. */
export const OVERLAP_MS = 86_400_000

/** A new signing secret: `whsec_` and 32 random bytes in base64 (Standard Webhooks 1.0.0). */
export function newWebhookSecret(): string {
  return `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))}`
}

/** The headers that sign a body under every secret that counts at this moment (Standard Webhooks 1.0.0). */
export function signatureHeaders(
  secrets: Secrets,
  id: string,
  at: Date,
  body: string,
): Record<string, string> {
  const { secret, previousSecret, previousUntil } = secrets
  const isOverlap = previousSecret !== null && previousUntil !== null && previousUntil > at
  const counting = isOverlap ? [secret, previousSecret] : [secret]
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': counting.map((each) => new Signer(each).sign(id, at, body)).join(' '),
  }
}
