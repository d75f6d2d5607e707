import { type Fields, find, readFields, typed } from './fields.ts'

export type DeliveryStatus = {
  reporter: string | null
  /** Message-ID of the returned message, if the report names it. */
  originalMessageId: string | null
  /** Envelope sender of the returned message, if the report names it. */
  originalSender: string | null
  recipients: {
    original: string | null
    final: string | null
    action: string | null
    status: string | null
    diagnostic: string | null
  }[]
}

const NAMED = /^[ \t]*(?:final|original)-recipient[ \t]*:/im
const RECIPIENTS_AT_MOST = 100

/** Reads the fields of RFC 3464 from a delivery-status part, or from a text that quotes one. Null if there are none. */
export function readDeliveryStatus(text: string): DeliveryStatus | null {
  if (!NAMED.test(text)) return null
  const groups = text.split(/\n[ \t]*\n/).map(readFields)
  const recipients = groups.flatMap(perRecipient).slice(0, RECIPIENTS_AT_MOST)
  if (recipients.length === 0) return null
  const all = groups.flat()
  return {
    reporter: typed(find(all, 'reporting-mta')),
    originalMessageId: find(all, 'x-original-message-id') ?? find(all, 'original-message-id'),
    originalSender: typed(find(all, 'x-postfix-sender')),
    recipients: recipients.map((fields) => ({
      original: address(find(fields, 'original-recipient')),
      final: address(find(fields, 'final-recipient')),
      action: find(fields, 'action')?.toLowerCase() ?? null,
      status: find(fields, 'status'),
      diagnostic: typed(find(fields, 'diagnostic-code')),
    })),
  }
}

/** Splits a group of fields by recipient. Some reporters put several recipients in one group: a repeated name starts the next. */
function perRecipient(group: Fields): Fields[] {
  if (!group.some(([name]) => name === 'final-recipient' || name === 'original-recipient')) return []
  const recipients: Fields[] = [[]]
  for (const field of group) {
    const current = recipients.at(-1)
    const begins = /^(?:final-recipient|action|original-recipient)$/.test(field[0])
    if (begins && current?.some(([name]) => name === field[0])) recipients.push([field])
    else current?.push(field)
  }
  return recipients
}

/** An address of type rfc822 or utf-8 (RFC 3464, RFC 6533). Its letters may be written as `\x{3A9}`. */
function address(value: string | null) {
  const text = typed(value)?.replace(/^<(.*)>$/, '$1') ?? null
  return (
    text?.replace(/\\x\{([0-9a-f]{1,6})\}/gi, (_, hex: string) => letter(Number.parseInt(hex, 16))) ?? null
  )
}

function letter(point: number) {
  const isLetter = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)
  return isLetter ? String.fromCodePoint(point) : '\ufffd'
}
