import { type SQL, sql } from 'drizzle-orm'
import { Webhook as Signer } from 'standardwebhooks'
import { webhooks } from '../../schema.ts'

type Secrets = Pick<typeof webhooks.$inferSelect, 'secret' | 'previousSecret' | 'previousUntil'>

/** How long a secret that has been replaced still signs beside the new one, in ms. */
export const OVERLAP_MS = 86_400_000

/** Replaced secrets that sign beside the new one at most, and how many characters one takes with its time. */
const REPLACED_AT_MOST = 4
const REPLACED = 'whsec_'.length + 44 + '.'.length + 13

/**
 * SQL of what is kept when the secret is replaced: it, and those before it whose time is not over, the newest first. Who
 * rotates twice, as after an answer that was lost, takes no secret from consumers before its day is over.
 */
export function replacedSecrets(now: Date, until: Date): SQL {
  const { secret, previousSecret, previousUntil } = webhooks
  const timed = (one: SQL, end: SQL) => sql`${one} || '.' || ${end}`
  const before = sql`CASE WHEN instr(${previousSecret}, '.') > 0 THEN ${previousSecret}
    ELSE ${timed(sql`${previousSecret}`, sql`${previousUntil}`)} END`
  return sql`substr(${timed(sql`${secret}`, sql`${String(until.getTime())}`)}
    || iif(${previousUntil} > ${now.getTime()}, ' ' || ${before}, ''), 1, ${REPLACED_AT_MOST * (REPLACED + 1) - 1})`
}

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
  const replaced = (isOverlap ? previousSecret.split(' ') : []).flatMap((entry) => {
    const [before = '', until] = entry.split('.')
    return until === undefined || Number(until) > at.getTime() ? [before] : []
  })
  const counting = [secret, ...replaced]
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': counting.map((each) => new Signer(each).sign(id, at, body)).join(' '),
  }
}
