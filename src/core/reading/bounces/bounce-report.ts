import type { BouncedRecipient } from './recipient.ts'

export type BounceReport = {
  kind: 'bounce' | 'delay' | 'complaint' | 'delivered'
  /** At least one. The author of the report chose them, so check that they were recipients of the send. */
  recipients: BouncedRecipient[]
  /** Message-ID of the returned message, without angle brackets. */
  originalMessageId: string | null
  /** X-Moltpost-Send-Id of the returned message. Anyone can write this header: only the signed return path is proof. */
  sendId: string | null
  /** Envelope sender of the returned message, if the report names it. For our mail it is the signed return path. */
  originalSender: string | null
  /** The host that sent the report. */
  reporter: string | null
}
