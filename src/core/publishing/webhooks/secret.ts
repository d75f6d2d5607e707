import { type SQL, sql } from 'drizzle-orm'
import { Webhook as Signer } from 'standardwebhooks'
import { webhooks } from '../../../schema/publishing.ts'

type Secrets = Pick<typeof webhooks.$inferSelect, 'secret' | 'replacedSecrets'>

/** How long a replaced secret still signs together with the new one, in ms. */
const OVERLAP_MS = 86_400_000
/** How many replaced secrets may sign together with the new one. */
const REPLACED_AT_MOST = 4

/**
 * SQL: the secrets to keep when the secret is replaced: this one, and the ones before it that still sign. So rotating twice, as
 * after a lost answer, takes no secret away before its day is over.
 */
export function replacing(now: Date): SQL {
  const until = now.getTime() + OVERLAP_MS
  return sql`(SELECT json_group_array(json(r.value)) FROM (
    SELECT json_object('secret', ${webhooks.secret}, 'until', ${until}) AS value
    UNION ALL SELECT value FROM json_each(${webhooks.replacedSecrets}) WHERE value ->> 'until' > ${now.getTime()}
    LIMIT ${REPLACED_AT_MOST}) r)`
}

/** A new signing secret: `whsec_` and 32 random bytes in base64 (Standard Webhooks 1.0.0). */
export function newWebhookSecret(): string {
  return `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))}`
}

/** The headers that sign a body with every secret that is valid now (Standard Webhooks 1.0.0). */
export function signatureHeaders(
  secrets: Secrets,
  id: string,
  at: Date,
  body: string,
): Record<string, string> {
  const { secret, replacedSecrets } = secrets
  const overlapping = replacedSecrets.filter(({ until }) => until > at.getTime())
  const valid = [secret, ...overlapping.map((replaced) => replaced.secret)]
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': valid.map((each) => new Signer(each).sign(id, at, body)).join(' '),
  }
}
