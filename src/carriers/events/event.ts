/** A carrier that reports by calling us; Cloudflare tells its events by a queue instead. */
export type ReportingCarrier = 'ses' | 'resend' | 'postmark' | 'sendgrid' | 'mailgun'

export type EventKind =
  /** The carrier has the message and will try. */
  | 'accepted'
  /** The recipient's server took it. */
  | 'delivered'
  /** Not yet: the carrier goes on trying. */
  | 'delayed'
  /** It came back or was given up for a reason that says nothing lasting about the address. */
  | 'soft_bounce'
  /** The address takes no mail, now or later. */
  | 'hard_bounce'
  /** The recipient called it spam. */
  | 'complaint'
  /** The carrier did not even try: its own suppression list, a virus, a rule of its own. */
  | 'rejected'

/** What became of one message at one or more of its recipients, in the same words whatever the carrier. */
export type CarrierEvent = {
  carrier: ReportingCarrier | 'cloudflare'
  /** The carrier's own id of this event: one that is told twice has the same. */
  id: string
  kind: EventKind
  /** Ours, as the carrier gave them back. Null where it did not: then messageId or carrierMessageId finds the send. */
  tenantId: string | null
  sendId: string | null
  /** RFC 5322 Message-ID without its angle brackets. */
  messageId: string | null
  /** What the carrier called the message when it took it, without angle brackets. */
  carrierMessageId: string | null
  /** Empty where the carrier does not say which: then it is about the only recipient, or about nobody in particular. */
  recipients: string[]
  at: Date
  /** An enhanced status code (RFC 3463) where there is one, else the carrier's own word. */
  code: string | null
  /** The words of the far side: printable and short. */
  detail: string | null
}

/** What a carrier said, before it is known to be usable. */
export type Told = {
  id: string | null | undefined
  kind: EventKind | null
  tenantId?: string | null | undefined
  sendId?: string | null | undefined
  messageId?: string | null | undefined
  carrierMessageId?: string | null | undefined
  recipients: (string | null | undefined)[]
  /** ISO text, or seconds since 1970. */
  at: string | number | null | undefined
  code?: string | null | undefined
  detail?: string | null | undefined
}

const OUR_ID = /^[!-~]{1,256}$/

/** The event in our words, or none where it is of no kind we follow, or lacks an id or a moment. */
export function eventOf(carrier: CarrierEvent['carrier'], told: Told): CarrierEvent[] {
  const at = new Date(typeof told.at === 'number' ? told.at * 1000 : (told.at ?? Number.NaN))
  if (told.kind === null || !OUR_ID.test(told.id ?? '') || Number.isNaN(at.getTime())) return []
  return [
    {
      carrier,
      id: told.id ?? '',
      kind: told.kind,
      tenantId: ourId(told.tenantId),
      sendId: ourId(told.sendId),
      messageId: ourId(bare(told.messageId)),
      carrierMessageId: ourId(bare(told.carrierMessageId)),
      recipients: told.recipients.map(addressOf).filter((email) => email !== null),
      at,
      code: printable(told.code, 64),
      detail: printable(told.detail, 200),
    },
  ]
}

function bare(id: string | null | undefined) {
  return id?.trim().replace(/^<(.*)>$/, '$1')
}

function ourId(id: string | null | undefined) {
  return id && OUR_ID.test(id) ? id : null
}

/** `Ada <ada@example.com>` and `ada@example.com` are the same address. */
function addressOf(text: string | null | undefined) {
  const email = /<([^<>]*)>\s*$/.exec(text ?? '')?.[1] ?? text?.trim() ?? ''
  return email.length <= 254 && /^[^\s\p{C}<>@]+@[^\s\p{C}<>@]+$/u.test(email) ? email : null
}

function printable(words: string | null | undefined, atMost: number) {
  const text = words?.replace(/[\p{C}\p{Z}\s]+/gu, ' ').trim()
  return text ? Array.from(text).slice(0, atMost).join('') : null
}

/** The first enhanced status code in a server's words: `550 5.1.1 user unknown` has 5.1.1. */
export function statusIn(words: string | null | undefined): string | null {
  return /(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?!\.?\d)/.exec(words ?? '')?.[0] ?? null
}

/**
 * Codes of RFC 3463 and its registry that, though permanent, say nothing about the recipient: a bad sender (5.1.7, 5.1.8),
 * a full mailbox, too long a message or a list (5.2.2 to 5.2.4), the far system (5.3), its connection, congestion, a loop
 * or the time it took (5.4.2, 5.4.3, 5.4.5 to 5.4.7), the content (5.6), and security or policy (5.7).
 */
const NOT_THE_ADDRESS = /^5\.(1\.[78]|2\.[234]|[367]\.\d+|4\.[235-7])$/

/** Hard only where the carrier calls the bounce permanent and the status, if one is told, does not say otherwise. */
export function bounceOf(isPermanent: boolean, status: string | null | undefined): EventKind {
  const denied = status ? !status.startsWith('5') || NOT_THE_ADDRESS.test(status) : false
  return isPermanent && !denied ? 'hard_bounce' : 'soft_bounce'
}
