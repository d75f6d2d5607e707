import type { Party } from '../reading/party.ts'

export type { Party } from '../reading/party.ts'
export type { DeliveryReport } from '../signals/reports.ts'

/** An attached file, for carriers that take files as fields of a request. `raw` contains it as well. */
export type AttachedFile = {
  filename: string
  contentType: string
  content: Uint8Array
  /** The Content-ID by which the HTML shows the file, without angle brackets. Absent if the HTML does not show it. */
  contentId?: string
}

/**
 * One message as every carrier receives it: validated, rendered and checked. `raw` is the whole message in RFC 5322 form,
 * with CRLF line ends and without a Bcc field; carriers with a JSON API use the other fields.
 */
export type OutgoingMessage = {
  /** A carrier's events must contain `tenantId` and `sendId`, so that we find the send again. */
  tenantId: string
  sendId: string
  /** A carrier that knows idempotency keys answers a second call with this key as it answered the first. */
  idempotencyKey: string
  messageId: string
  envelopeFrom: string
  /** Envelope recipients of this call; on a later attempt a subset of to, cc and bcc. */
  recipients: string[]
  from: Party
  to: Party[]
  cc: Party[]
  bcc: Party[]
  replyTo: Party | null
  subject: string
  text: string | null
  html: string | null
  /** Header fields that have no field of their own here, Message-ID included. */
  headers: Record<string, string>
  attachments: AttachedFile[]
  raw: Uint8Array
}

export type RefusedRecipient = { email: string; permanent: boolean; code: string; detail: string }

/** The result of one attempt. Any answer that is not provably one of the other kinds is `ambiguous`. */
export type Outcome =
  | {
      kind: 'accepted'
      carrierMessageId: string | null
      /** The carrier is the last hop (capture, internal): no report will follow. */
      delivered: boolean
      refused: RefusedRecipient[]
    }
  | { kind: 'refused_permanent'; code: string; detail: string; recipients: RefusedRecipient[] }
  | { kind: 'refused_retry'; code: string; detail: string; recipients: RefusedRecipient[] }
  | { kind: 'throttled'; code: string; detail: string; retryAfterMs: number | null }
  | { kind: 'ambiguous'; code: string; detail: string }

/** All carriers, in the order in which error messages list them. */
export const CARRIER_NAMES = [
  'capture',
  'internal',
  'smtp',
  'ses',
  'resend',
  'postmark',
  'sendgrid',
  'mailgun',
  'cloudflare',
] as const
export type CarrierName = (typeof CARRIER_NAMES)[number]

export type Carrier = {
  name: CarrierName
  /** How long the carrier honours an idempotency key, in ms; null if it knows none. */
  idempotencyMs: number | null
  send(message: OutgoingMessage): Promise<Outcome>
}

/** What delivery must know about a carrier to plan its calls. */
export type Capability = {
  /** How long a repeat with the same key is safe, in ms; null if every repeat is a new mail. */
  idempotencyMs: number | null
  /** It can send to several blind copies in one call without a visible recipient. */
  blindCopiesAlone: boolean
  /**
   * It reports by mail to the return path, which is made for one recipient, so each recipient has a call of their own with
   * the same bytes. Other carriers name the recipient in their events.
   */
  reportsByMail: boolean
}

/** What the carriers `internal` and `capture` call: both write to our own database. */
export type OwnDelivery = {
  /** Puts the message into our own mailboxes and returns the recipients that could not be served. Safe to repeat. */
  receive: (message: OutgoingMessage) => Promise<RefusedRecipient[]>
  /** Keeps the message instead of sending it. Safe to repeat. Null outside local development. */
  capture: ((message: OutgoingMessage) => Promise<void>) | null
}

/** The carriers of this installation, as the Worker hands them to core. */
export type CarrierPort = {
  /** Of every carrier there is, whether or not it is set up here. */
  capabilities: Readonly<Record<CarrierName, Capability>>
  /** The carriers that are set up here. If one is set up only in part, throws an error that names the setting. */
  open(own: OwnDelivery): ReadonlyMap<CarrierName, Carrier>
}
