import type { Carrier, OutgoingMessage, RefusedRecipient } from '../core/delivery/carrier.ts'
import { CAPABILITIES } from './capability.ts'
import { ambiguous } from './http.ts'
import { refuseUnsafe } from './message.ts'

export type InternalSettings = {
  /** Puts the message into our own mailboxes, safely repeated, and names those who could not be served. */
  deliver: (message: OutgoingMessage) => Promise<RefusedRecipient[]>
}

/** Delivery to recipients in our own domains: no network, at once. */
export function internal({ deliver }: InternalSettings): Carrier {
  return {
    name: 'internal',
    idempotencyMs: CAPABILITIES.internal.idempotencyMs,
    async send(message) {
      const unsafe = refuseUnsafe(message)
      if (unsafe) return unsafe
      try {
        const refused = await deliver(message)
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
