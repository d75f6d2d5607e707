import { type TrustRecord, trustScore } from '../../signals/trust-score.ts'

/** From this score on a message says that its sender is verified. */
const VERIFIED_FROM = 80

/** The header fields by which an outgoing message reports how far its agent is trusted. */
export function trustHeaders(record: TrustRecord): Record<string, string> {
  const score = trustScore(record)
  return {
    'X-MailMolt-Trust-Score': String(score),
    ...(score >= VERIFIED_FROM ? { 'X-MailMolt-Verified': 'true' } : {}),
    ...(record.hasBond ? { 'X-MailMolt-Verified-Sender': 'true' } : {}),
  }
}
