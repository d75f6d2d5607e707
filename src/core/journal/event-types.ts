import type { EventRefs } from '../../schema.ts'
/** Everything that webhooks, the stream and the history can tell of. */
export const EVENT_TYPES = [
  'message.received',
  'message.sent',
  'message.delivered',
  'message.bounced',
  'message.failed',
  'message.complained',
  'approval.pending',
  'approval.decided',
  'approval.expired',
  'lease.acquired',
  'lease.released',
  'lease.expired',
  'consensus.created',
  'consensus.decided',
  'consensus.expired',
  'suppression.created',
  'canary.tripped',
  'webhook.disabled',
  'domain.failed',
  'ping',
] as const
export type EventType = (typeof EVENT_TYPES)[number]

/** An event that nobody has published yet. */
export type Due = {
  seq: number
  id: string
  type: EventType
  mailboxId: string | null
  agentId: string | null
  refs: EventRefs
  createdAt: number
}
