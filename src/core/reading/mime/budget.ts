/** What one inbound message may cost. Whatever overruns is stored raw and told by its top fields only. */
export const BUDGET = {
  /** Octets of the whole message, as much as Email Routing accepts. Decoding never grows a part. */
  message: 25 * 1024 * 1024,
  /** Octets of the message's own header block, and of the header blocks of all its parts together. */
  header: 256 * 1024,
  fields: 2_000,
  recipients: 500,
  parts: 500,
  /** Multiparts inside one another. */
  depth: 20,
  /** Lines that begin like a boundary delimiter and must be looked at. */
  dashes: 200_000,
  /** Characters of text, and of HTML, that are kept. */
  text: 1024 * 1024,
  /** Octets of one field that are decoded or taken apart. */
  field: 16 * 1024,
}

/** Why a message was not read: it is over budget, or the reader itself failed. */
export type Unreadable =
  | 'message_too_large'
  | 'header_too_large'
  | 'too_many_fields'
  | 'too_many_recipients'
  | 'too_many_parts'
  | 'too_deep'
  | 'reader_failed'
