import type { BouncedRecipient } from './recipient.ts'

export type BounceReport = {
  kind: 'bounce' | 'delay' | 'complaint' | 'delivered'
  /** One at least. Whoever wrote the report chose them: they count only where the send had them. */
  recipients: BouncedRecipient[]
  /** Of the returned message, without brackets. */
  originalMessageId: string | null
  /** The X-Moltpost-Send-Id of the returned message. Anyone may write one: what proves is the signed return path. */
  sendId: string | null
  /** The envelope sender that the returned message had, where the report tells: our signed one, if it is true. */
  originalSender: string | null
  /** The host that reports. */
  reporter: string | null
}
