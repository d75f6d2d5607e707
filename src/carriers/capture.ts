import type { Carrier, OwnDelivery } from '../core/delivery/carrier.ts'
import { ambiguous } from './http.ts'
import { carrierOf } from './message.ts'

/** Keeps each message instead of sending it, for local development. */
export function capture({ keep }: { keep: NonNullable<OwnDelivery['capture']> }): Carrier {
  return carrierOf('capture', async (message) => {
    try {
      await keep(message)
    } catch {
      return ambiguous('database', 'the capture may or may not have been written')
    }
    return { kind: 'accepted', carrierMessageId: message.messageId, delivered: true, refused: [] }
  })
}
