import type { SendInput } from '../../schema/sending.ts'
import { readIntent } from '../reading/intent/embedded.ts'
import { readAutomatic } from '../reading/mime/automatic.ts'
import { textOfHtml } from '../reading/text/html.ts'
import { injectionScore } from '../reading/text/injection.ts'
import { replyText } from '../reading/text/reply-text.ts'
import { sentBodyKey } from './body.ts'
import { type Letter, messageIdOf, threadIdOf } from './store.ts'

/** A send of a letter, before the letter is stored. */
export type Written = {
  sendId: string
  tenantId: string
  mailboxId: string
  sender: { address: string; displayName: string | null }
  contacts: { contact: string; email: string; kind: 'to' | 'cc' | 'bcc'; here: boolean }[]
  input: SendInput
  /** The body was put into R2 before the send was accepted. */
  isLarge: boolean
  mailDomain: string
}

/** The letter to store for a send: in the Sent folder of its mailbox and in the inboxes of our mailboxes among its recipients. */
export function letterOf(
  { sendId, tenantId, mailboxId, sender, contacts, input, isLarge, mailDomain }: Written,
  now: Date,
): Letter {
  const { inline, reply } = input
  const addresses = (kind: 'to' | 'cc' | 'bcc') =>
    contacts.filter((contact) => contact.kind === kind).map(({ email }) => email)
  const subject = inline?.subject ?? ''
  const isOurs = ({ contact, here }: Written['contacts'][number]) =>
    here || contact.endsWith(`@${mailDomain}`)
  return {
    id: messageIdOf(sendId),
    threadId: reply?.threadId ?? threadIdOf(sendId),
    sendId,
    senderTenantId: tenantId,
    fromMailboxId: mailboxId,
    rfcId: `${sendId}@${mailDomain}`,
    deliveryType: contacts.every(isOurs) ? 'internal' : 'external',
    fromAddress: sender.address,
    fromContact: sender.address.toLowerCase(),
    fromName: sender.displayName,
    to: addresses('to'),
    cc: addresses('cc'),
    bcc: addresses('bcc'),
    replyTo: input.replyTo,
    subject,
    ...(isLarge
      ? { text: null, html: null, bodyKey: sentBodyKey(sendId) }
      : { text: inline?.text ?? null, html: inline?.html ?? null, bodyKey: null }),
    ...(contacts.some(isOurs) ? readingOf(input, sender) : UNREAD),
    rawKey: null,
    files: input.files ?? [],
    inReplyTo: reply?.messageId ?? null,
    references: reply ? [...reply.references, reply.rfcId] : [],
    // The letter was written here, so its sender is certain.
    authentication: { spf: 'none', dkim: 'none', dmarc: 'none', isFromAuthenticated: true },
    ambiguities: [],
    isAutomatic: isAutomatic(input.headers, sender.address),
    createdAt: now.getTime(),
    recipients: contacts.filter(({ here }) => here).map(({ contact }) => contact),
  }
}

const UNREAD = { replyText: null, intent: null, risk: null }

/** The same analysis as for mail from outside: reply text, intent and risk. */
function readingOf({ inline, replyTo, files = [] }: SendInput, sender: Written['sender']) {
  const { subject = '', text = null, html = null } = inline ?? {}
  const read = text ?? (html === null ? '' : textOfHtml(html))
  return {
    replyText: replyText(read),
    intent: readIntent({ subject, bodyText: read }).intent,
    risk: injectionScore({
      subject,
      text,
      html,
      from: { email: sender.address, name: sender.displayName },
      replyTo: replyTo === null ? [] : [replyTo],
      isFirstContact: false,
      files,
    }),
  }
}

/** Whether a program wrote the letter, by the same header fields as for mail from outside. */
function isAutomatic(headers: Record<string, string>, sender: string): boolean {
  const fields = Object.entries(headers).map(([name, value]) => ({
    name: name.toLowerCase(),
    value,
    isObsolete: false,
  }))
  return readAutomatic(fields, { email: sender }).isAutomatic
}
