/** The states of a send, roughly in the order it passes through them. */
export const SEND_STATES = [
  'judging',
  'blocked',
  'scheduled',
  'pending_approval',
  'queued',
  'rendering',
  'ready',
  'claimed',
  'in_flight',
  'retry_wait',
  'accepted',
  'delivered',
  'bounced',
  'complained',
  'failed',
  'unknown',
  'cancelled',
  'rejected',
] as const
export type SendState = (typeof SEND_STATES)[number]
