import { and, desc, eq } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { capturedMail } from '../../schema/delivery.ts'
import { parseAddress } from '../ground/address.ts'
import { database } from '../ground/ctx.ts'

/** The mail that the capture carrier kept, newest first; local development only. */
export async function capturedMessages(env: Env, { to, limit }: { to: string | null; limit: number }) {
  const recipient = to === null ? undefined : (parseAddress(to)?.email ?? to)
  return await database(env)
    .select()
    .from(capturedMail)
    .where(and(recipient === undefined ? undefined : eq(capturedMail.recipient, recipient)))
    .orderBy(desc(capturedMail.capturedAt), desc(capturedMail.sendId))
    .limit(limit)
}
