import type { Carrier, OwnDelivery } from '../core/delivery/carrier.ts'
import { CAPABILITIES } from './capability.ts'
import { ambiguous } from './http.ts'
import { refuseUnsafe } from './message.ts'

/** Delivers to recipients in our own domains at once, without the network. */
export function internal({ receive }: Pick<OwnDelivery, 'receive'>): Carrier {
  return {
    name: 'internal',
    idempotencyMs: CAPABILITIES.internal.idempotencyMs,
    async send(message) {
      const unsafe = refuseUnsafe(message)
      if (unsafe) return unsafe
      try {
        const refused = await receive(message)
        if (refused.length < message.recipients.length)
          return { kind: 'accepted', carrierMessageId: message.messageId, delivered: true, refused }
        const kind = refused.every(({ permanent }) => permanent) ? 'refused_permanent' : 'refused_retry'
        return { kind, code: 'recipients', detail: 'no recipient could be served', recipients: refused }
      } catch {
        return ambiguous('internal', 'the delivery may or may not have been written')
      }
    },
  }
}
