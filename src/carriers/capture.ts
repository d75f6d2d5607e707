import type { Carrier } from '../core/delivery/carrier.ts'
import { CAPABILITIES } from './capability.ts'
import { ambiguous } from './http.ts'
import { refuseUnsafe } from './message.ts'

export type CaptureSettings = {
  db: D1Database
  /** When the capture happened; the wall clock unless the caller moves time. */
  now?: (() => Date) | undefined
}

/** A row of D1 holds 2 MB in all: of a larger message the end is not kept. */
const RAW_LIMIT = 1_000_000

/** Keeps the message in D1 instead of sending it, one row for each recipient. A repeat changes nothing. */
export function capture({ db, now = () => new Date() }: CaptureSettings): Carrier {
  return {
    name: 'capture',
    idempotencyMs: CAPABILITIES.capture.idempotencyMs,
    async send(message) {
      const unsafe = refuseUnsafe(message)
      if (unsafe) return unsafe
      const { sendId, recipients, messageId, envelopeFrom, subject, text, html, raw } = message
      try {
        await db
          .prepare(
            `INSERT INTO captured_mail
               (send_id, recipient, message_id, envelope_from, subject, text, html, raw, captured_at)
             SELECT ?1, value, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM json_each(?2) WHERE true
             ON CONFLICT (send_id, recipient) DO NOTHING`,
          )
          .bind(
            ...[sendId, JSON.stringify(recipients), messageId, envelopeFrom, subject, text, html],
            ...[new TextDecoder().decode(raw.subarray(0, RAW_LIMIT)), now().getTime()],
          )
          .run()
      } catch {
        return ambiguous('database', 'the capture may or may not have been written')
      }
      return { kind: 'accepted', carrierMessageId: messageId, delivered: true, refused: [] }
    },
  }
}
