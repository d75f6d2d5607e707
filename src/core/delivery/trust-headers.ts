import { type TrustRecord, trustScore } from '../signals/trust-score.ts'

/** From this score on a message says that its sender is verified. */
const VERIFIED_FROM = 80
const RESERVED = /^x-(?:mailmolt|moltpost)-/i

/** Whether a header field says something of the sender that only we can say. */
export function isReserved(name: string): boolean {
  return RESERVED.test(name)
}

/** What a message that leaves says of the agent it is from; true only where it is said. */
export function trustHeaders(record: TrustRecord): Record<string, string> {
  const score = trustScore(record)
  return {
    'X-MailMolt-Trust-Score': String(score),
    ...(score >= VERIFIED_FROM ? { 'X-MailMolt-Verified': 'true' } : {}),
    ...(record.hasBond ? { 'X-MailMolt-Verified-Sender': 'true' } : {}),
  }
}
