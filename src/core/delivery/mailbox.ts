import { and, eq, inArray } from 'drizzle-orm'
import { type Env, settings } from '../../env.ts'
import { aliases, type CarrierWeight, mailboxes } from '../../schema/accounts.ts'
import type { StoredFile } from '../../schema/letters.ts'
import { messages } from '../../schema/mail.ts'
import { database } from '../ground/ctx.ts'
import { ringOutbox } from '../journal/bells.ts'
import { bodyKeyOf, bodyOf, keepBody } from '../mail/body.ts'
import { inboxStatements, type Letter, messageIdOf } from '../mail/store.ts'
import { keepCaptured } from './captured.ts'
import type { OwnDelivery } from './carrier.ts'
import type { Locked } from './lock.ts'

/** The carriers that are set for the mailbox of a send, or null if it uses those of the installation. */
export async function ownCarriersOf({ db, send }: Locked): Promise<CarrierWeight[] | null> {
  const [row] = await db
    .select({ carriers: mailboxes.carriers })
    .from(mailboxes)
    .where(and(eq(mailboxes.tenantId, send.tenantId), eq(mailboxes.id, send.mailboxId)))
  return row?.carriers ?? null
}

/** How the carriers `internal` and `capture` write to our own database. */
export function ownDelivery(env: Env, clock: () => Date): OwnDelivery {
  return {
    receive: async (message) => {
      const unknown = await receive(env, clock(), message)
      return unknown.map((email) => ({
        ...{ email, permanent: true, code: '550' },
        detail: '5.1.1 no such mailbox',
      }))
    },
    capture: settings(env).isLocal ? (message) => keepCaptured(env, clock(), message) : null,
  }
}

/**
 * Puts a message into our own mailboxes that it is for, and returns the recipients that have no mailbox here. Safe to
 * repeat. What it stores is the copy from the sender's Sent folder.
 */
async function receive(
  env: Env,
  now: Date,
  { tenantId, sendId, recipients }: { tenantId: string; sendId: string; recipients: string[] },
): Promise<string[]> {
  const db = database(env)
  const wanted = recipients.map((email) => email.toLowerCase())
  const [own, elsewhere, [sent]] = await db.batch([
    db
      .select({ tenantId: mailboxes.tenantId, contact: mailboxes.contact })
      .from(mailboxes)
      .where(inArray(mailboxes.contact, wanted)),
    db
      .select({ tenantId: aliases.tenantId, contact: aliases.contact })
      .from(aliases)
      .where(inArray(aliases.contact, wanted)),
    db
      .select()
      .from(messages)
      .where(and(eq(messages.tenantId, tenantId), eq(messages.id, messageIdOf(sendId)))),
  ])
  const found = [...own, ...elsewhere]
  if (!sent) throw new Error('the message is not in the Sent folder of its sender')
  for (const [reader, readers] of Map.groupBy(found, (mailbox) => mailbox.tenantId)) {
    const copy = reader === tenantId ? sent : await copyFor(env, reader, sent)
    const letter: Letter = {
      ...copy,
      senderTenantId: tenantId,
      fromContact: sent.fromAddress.toLowerCase(),
      bcc: [],
      createdAt: now.getTime(),
      recipients: readers.map((mailbox) => mailbox.contact),
    }
    await env.DB.batch(inboxStatements(env, [letter], now, null))
  }
  await ringOutbox(
    env,
    found.map((mailbox) => mailbox.tenantId),
  )
  const known = new Set(found.map((mailbox) => mailbox.contact))
  return recipients.filter((email) => !known.has(email.toLowerCase()))
}

/** A copy whose R2 objects belong to this tenant, so that the erasure of one tenant takes nothing from another. */
async function copyFor(env: Env, tenantId: string, message: typeof messages.$inferSelect) {
  const body =
    message.bodyKey === null
      ? {}
      : await keepBody(env, bodyKeyOf(tenantId, message.id), await bodyOf(env, message))
  const files = await Promise.all(message.files.map((file) => copyFile(env, tenantId, message.id, file)))
  return { ...message, ...body, files }
}

async function copyFile(
  env: Env,
  tenantId: string,
  messageId: string,
  file: StoredFile,
): Promise<StoredFile> {
  const key = `files/${tenantId}/${messageId}/${file.id}`
  const object = await env.MAIL.get(file.key)
  if (object) await env.MAIL.put(key, await object.arrayBuffer())
  return { ...file, key }
}
