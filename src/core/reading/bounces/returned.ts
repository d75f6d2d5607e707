import type { Email } from 'postal-mime'
import { find, readFields } from './fields.ts'
import { partText } from './parts.ts'
import { addressIn } from './recipient.ts'

/** What the header of a returned message says about our send. */
export type Returned = { messageId: string | null; sendId: string | null; sender: string | null }

const RETURNED = /^(?:message\/(?:rfc822|global)|(?:text|message)\/(?:rfc822|global)-headers)$/
const SEND_ID = /^[a-z]{1,8}_[a-z0-9]{1,36}$/

/** Reads the header of the returned message, from its own part or from the text that the notice quotes. */
export function returnedOf(mail: Email, quoted: string): Returned {
  const groups = (partText(mail, RETURNED) ?? quoted).split(/\n[ \t]*\n/, 20)
  const header = groups.find((group) =>
    /^(?:message-id|received|return-path|from|subject)[ \t]*:/im.test(group),
  )
  const fields = readFields(header ?? '')
  return {
    messageId: bareId(find(fields, 'message-id')),
    sendId: sendIdIn(find(fields, 'x-moltpost-send-id')),
    sender: addressIn(find(fields, 'return-path')),
  }
}

/** The message id in a value, without angle brackets, or null. */
export function bareId(value: string | null): string | null {
  return /<([^<>\s]{1,250}@[^<>\s]{1,250})>/.exec(value ?? '')?.[1] ?? null
}

/** The value if it has the form of our send ids, else null. */
export function sendIdIn(value: string | null): string | null {
  return value !== null && SEND_ID.test(value) ? value : null
}
