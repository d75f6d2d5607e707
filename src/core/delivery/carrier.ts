/** A mailbox as a header or a carrier's JSON names it. */
export type Party = { email: string; name: string | null }

/** A file that `raw` holds as well, for carriers that want it beside the text. */
export type AttachedFile = {
  filename: string
  contentType: string
  content: Uint8Array
  /** What the HTML shows it by, without angle brackets, where it does. */
  contentId?: string
}

/**
 * One message as every carrier receives it: already validated, rendered and checked. `raw` is the whole message in
 * RFC 5322 form with CRLF line ends and without a Bcc field; the parts beside it serve carriers that want JSON.
 */
export type OutgoingMessage = {
  /** With the send's id, what a carrier's events must bear to find their send again. */
  tenantId: string
  sendId: string
  /** Key under which a carrier with idempotency must answer a repeat as it answered the first. */
  idempotencyKey: string
  messageId: string
  envelopeFrom: string
  /** Envelope recipients still to be served; a subset of to, cc and bcc on a later attempt. */
  recipients: string[]
  from: Party
  to: Party[]
  cc: Party[]
  bcc: Party[]
  replyTo: Party | null
  subject: string
  text: string | null
  html: string | null
  /** Custom header fields beside the ones above, Message-ID among them. */
  headers: Record<string, string>
  attachments: AttachedFile[]
  raw: Uint8Array
}

export type RefusedRecipient = { email: string; permanent: boolean; code: string; detail: string }

/**
 * What one attempt came to. The table is closed: whatever is not provably one of the others is `ambiguous`, and an
 * ambiguous attempt may have been delivered.
 */
export type Outcome =
  | {
      kind: 'accepted'
      carrierMessageId: string | null
      /** The carrier is the last hop (capture, internal): nothing further will be heard of this message. */
      delivered: boolean
      refused: RefusedRecipient[]
    }
  | { kind: 'refused_permanent'; code: string; detail: string; recipients: RefusedRecipient[] }
  | { kind: 'refused_retry'; code: string; detail: string; recipients: RefusedRecipient[] }
  | { kind: 'throttled'; code: string; detail: string; retryAfterMs: number | null }
  | { kind: 'ambiguous'; code: string; detail: string }

export type Carrier = {
  name: CarrierName
  /** How long the carrier honours an idempotency key, in ms; null where it knows none. */
  idempotencyMs: number | null
  send(message: OutgoingMessage): Promise<Outcome>
}

export type CarrierName =
  | 'capture'
  | 'internal'
  | 'smtp'
  | 'ses'
  | 'resend'
  | 'postmark'
  | 'sendgrid'
  | 'mailgun'
  | 'cloudflare'
