import type { Carrier, OwnDelivery } from '../core/delivery/carrier.ts'
import { CAPABILITIES } from './capability.ts'
import { ambiguous } from './http.ts'
import { refuseUnsafe } from './message.ts'

/** Keeps each message instead of sending it, for local development. */
export function capture({ keep }: { keep: NonNullable<OwnDelivery['capture']> }): Carrier {
  return {
    name: 'capture',
    idempotencyMs: CAPABILITIES.capture.idempotencyMs,
    async send(message) {
      const unsafe = refuseUnsafe(message)
      if (unsafe) return unsafe
      try {
        await keep(message)
      } catch {
        return ambiguous('database', 'the capture may or may not have been written')
      }
      return { kind: 'accepted', carrierMessageId: message.messageId, delivered: true, refused: [] }
    },
  }
}
