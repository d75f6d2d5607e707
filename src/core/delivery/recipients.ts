import { and, eq, inArray, sql } from 'drizzle-orm'
import { settings } from '../../env.ts'
import { sendRecipients } from '../../schema/sending.ts'
import { one } from '../ground/ctx.ts'
import { fragment } from '../ground/sql.ts'
import { SYSTEM } from '../ground/system.ts'
import { isOpen } from '../policy/open.ts'
import type { Locked, Send } from './lock.ts'

/** The recipients that no carrier has accepted or finally refused yet, in the order they were given. */
export async function remainingRecipients({
  env,
  db,
  send,
}: Locked): Promise<{ email: string; isInternal: boolean }[]> {
  const rows = await db
    .select({
      email: sendRecipients.email,
      isAlias: sql<number>`EXISTS (SELECT 1 FROM aliases x WHERE x.contact = send_recipients.contact)`,
    })
    .from(sendRecipients)
    .where(
      and(
        eq(sendRecipients.tenantId, send.tenantId),
        inArray(sendRecipients.contact, contactsOf(send)),
        eq(sendRecipients.sendId, send.id),
        fragment(isOpen('send_recipients')),
      ),
    )
  const open = new Map(rows.map((row) => [row.email, row.isAlias === 1]))
  const ending = `@${settings(env).mailDomain}`
  // A letter of the service proves who a person is. Their own mail provider decides who reads it, never a mailbox of ours.
  const isLetter = send.tenantId === SYSTEM.tenantId
  return send.recipients.flatMap(({ email }) => {
    const isAlias = open.get(email)
    return isAlias === undefined
      ? []
      : [{ email, isInternal: !isLetter && (isAlias || email.endsWith(ending)) }]
  })
}

export function contactOf(send: Send, email: string): string {
  return one(send.recipients.filter((recipient) => recipient.email === email)).contact
}

export function contactsOf(send: Send): string[] {
  return send.recipients.map((recipient) => recipient.contact)
}
