import type { DeliveryReport } from '../../core/delivery/carrier.ts'

/** A carrier that reports by HTTP. Cloudflare reports by a queue instead. */
export type ReportingCarrier = 'ses' | 'resend' | 'postmark' | 'sendgrid' | 'mailgun'

export type EventKind = DeliveryReport['kind']

/** A report, with the carrier's own id of the event. A repeated report has the same id. */
export type CarrierEvent = DeliveryReport & { carrier: ReportingCarrier | 'cloudflare'; id: string }

/** What a carrier reported, before it is checked. */
export type Reported = {
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

/** The event in our form; none if its kind is not followed, or if it lacks an id or a time. */
export function eventOf(carrier: CarrierEvent['carrier'], reported: Reported): CarrierEvent[] {
  const at = new Date(typeof reported.at === 'number' ? reported.at * 1000 : (reported.at ?? Number.NaN))
  if (reported.kind === null || !OUR_ID.test(reported.id ?? '') || Number.isNaN(at.getTime())) return []
  return [
    {
      carrier,
      id: reported.id ?? '',
      kind: reported.kind,
      tenantId: ourId(reported.tenantId),
      sendId: ourId(reported.sendId),
      messageId: ourId(bare(reported.messageId)),
      carrierMessageId: ourId(bare(reported.carrierMessageId)),
      recipients: reported.recipients.map(addressOf).filter((email) => email !== null),
      at,
      code: printable(reported.code, 64),
      detail: printable(reported.detail, 200),
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
 * Permanent codes of RFC 3463 and its registry that say nothing about the address: a bad sender (5.1.7, 5.1.8), a full
 * mailbox, too long a message or a list (5.2.2 to 5.2.4), the receiving system (5.3), its connection, congestion, a loop or a
 * timeout (5.4.2, 5.4.3, 5.4.5 to 5.4.7), the content (5.6), and security or policy (5.7).
 */
const NOT_THE_ADDRESS = /^5\.(1\.[78]|2\.[234]|[367]\.\d+|4\.[235-7])$/

/** A bounce is hard only if the carrier calls it permanent and the status, if given, does not contradict. */
export function bounceOf(isPermanent: boolean, status: string | null | undefined): EventKind {
  const isContradicted = status ? !status.startsWith('5') || NOT_THE_ADDRESS.test(status) : false
  return isPermanent && !isContradicted ? 'hard_bounce' : 'soft_bounce'
}
