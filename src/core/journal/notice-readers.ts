import { and, asc, eq, inArray, isNotNull } from 'drizzle-orm'
import { type Env, settings } from '../../env.ts'
import { owners } from '../../schema/accounts.ts'
import { database } from '../ground/ctx.ts'

/** A person of a tenant who gets notices. */
export type Reader = { id: string; email: string }

const PEOPLE_AT_MOST = 20

/**
 * The people with one of these roles and a verified address. Addresses in our own domain are left out, because they belong
 * to agents.
 */
export async function readersOf(env: Env, tenantId: string, roles: Role[]): Promise<Reader[]> {
  const { mailDomain } = settings(env)
  const found = await database(env)
    .select({ id: owners.id, email: owners.email, contact: owners.contact })
    .from(owners)
    .where(and(eq(owners.tenantId, tenantId), isNotNull(owners.verifiedAt), inArray(owners.role, roles)))
    .orderBy(asc(owners.id))
    .limit(PEOPLE_AT_MOST)
  return found.filter(
    ({ contact }) => !contact.endsWith(`@${mailDomain}`) && !contact.endsWith(`.${mailDomain}`),
  )
}

type Role = (typeof owners.$inferSelect)['role']
