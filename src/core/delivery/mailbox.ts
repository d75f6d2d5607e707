import { and, eq, inArray } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { type CarrierWeight, mailboxes, messages } from '../../schema.ts'
import { database } from '../ctx.ts'
import { readIntent } from '../intent/embedded.ts'
import type { Claimed } from './claim.ts'

/** The carriers that the mailbox of a send chose for itself, or null where it uses everybody's. */
export async function carriersOf({ db, send }: Claimed): Promise<CarrierWeight[] | null> {
  const [row] = await db
    .select({ carriers: mailboxes.carriers })
    .from(mailboxes)
    .where(and(eq(mailboxes.tenantId, send.tenantId), eq(mailboxes.id, send.mailboxId)))
  return row?.carriers ?? null
}

/**
 * Puts a message into those of our own mailboxes it is for, once however often it is called, and returns the recipients
 * that are nobody here.
 */
export async function receive(
  env: Env,
  now: Date,
  message: {
    sendId: string
    messageId: string
    from: { email: string }
    subject: string
    text: string | null
    recipients: string[]
    raw: Uint8Array
  },
): Promise<string[]> {
  const db = database(env)
  const wanted = message.recipients.map((email) => email.toLowerCase())
  const found = await db.select().from(mailboxes).where(inArray(mailboxes.contact, wanted))
  if (found.length > 0) {
    const rawKey = `messages/${message.sendId}.eml`
    await env.MAIL.put(rawKey, message.raw)
    const { intent } = readIntent({ subject: message.subject, bodyText: message.text ?? '' })
    const rows = found.map(({ tenantId, id }) => ({
      tenantId,
      mailboxId: id,
      deliveryId: message.sendId,
      messageId: message.messageId,
      fromAddress: message.from.email,
      subject: message.subject,
      rawKey,
      intent,
      receivedAt: now,
    }))
    for (let at = 0; at < rows.length; at += 10) {
      await db
        .insert(messages)
        .values(rows.slice(at, at + 10))
        .onConflictDoNothing()
    }
  }
  const known = new Set(found.map((mailbox) => mailbox.contact))
  return message.recipients.filter((email) => !known.has(email.toLowerCase()))
}
