/** What may be reported of a recipient, as bits of `send_recipients.signals`. Each counts once, in any order. */
export const SIGNALS = {
  /** The recipient's server took the message. */
  delivered: 1,
  /** The address takes no mail, now or later. */
  hard_bounce: 2,
  /** The recipient called the message spam. */
  complaint: 4,
  /** The message bounced or was given up, for a reason that says nothing lasting about the address. */
  soft_bounce: 8,
  /** The carrier accepted the message and then did not send it: its own suppression list, a virus, a rule of its own. */
  rejected: 16,
  /** The carrier has the message and will try. This only resolves an ambiguous attempt. */
  accepted: 32,
  /** One of several recipients called the message spam, and the carrier cannot say which. It suppresses nobody. */
  shared_complaint: 64,
} as const
export type SignalKind = keyof typeof SIGNALS
