import type { Carrier, OwnDelivery } from '../core/delivery/carrier.ts'
import { ambiguous } from './http.ts'
import { carrierOf } from './message.ts'

/** Delivers to recipients in our own domains at once, without the network. */
export function internal({ receive }: Pick<OwnDelivery, 'receive'>): Carrier {
  return carrierOf('internal', async (message) => {
    try {
      const refused = await receive(message)
      if (refused.length < message.recipients.length)
        return { kind: 'accepted', carrierMessageId: message.messageId, delivered: true, refused }
      const kind = refused.every(({ permanent }) => permanent) ? 'refused_permanent' : 'refused_retry'
      return { kind, code: 'recipients', detail: 'no recipient could be served', recipients: refused }
    } catch {
      return ambiguous('internal', 'the delivery may or may not have been written')
    }
  })
}
