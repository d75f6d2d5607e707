/** Limits for one inbound message. A message over a limit is stored raw, and only its top header fields are read. */
export const BUDGET = {
  /** Octets of the whole message: the limit of Cloudflare Email Routing. Decoding never makes a part longer. */
  message: 25 * 1024 * 1024,
  /** Octets of the message header. The headers of all parts together have the same limit. */
  header: 256 * 1024,
  fields: 2_000,
  recipients: 500,
  parts: 500,
  /** How deep multiparts may be nested. */
  depth: 20,
  /** Lines that begin with two hyphens and must be compared with the boundaries. */
  dashes: 200_000,
  /** Characters that are kept, of plain text and of HTML each. */
  text: 1024 * 1024,
  /** Octets of one header field that are decoded or parsed. */
  field: 16 * 1024,
}

/** Why a message was not read: it is over a limit, or the reader itself failed. */
export type Unreadable =
  | 'message_too_large'
  | 'header_too_large'
  | 'too_many_fields'
  | 'too_many_recipients'
  | 'too_many_parts'
  | 'too_deep'
  | 'reader_failed'
