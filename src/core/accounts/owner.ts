import { and, eq, isNotNull } from 'drizzle-orm'
import { owners } from '../../schema/accounts.ts'
import type { Ctx } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'

export type Owner = typeof owners.$inferSelect

/** The person who answers for the caller's tenant. Throws `not_claimed` where nobody has claimed it yet. */
export async function claimedOwner({ db, tenantId }: Ctx): Promise<Owner> {
  const [owner] = await db
    .select()
    .from(owners)
    .where(and(eq(owners.tenantId, tenantId), isNotNull(owners.claimedAt)))
    .limit(1)
  if (owner) return owner
  throw new Fault(
    'not_claimed',
    'Nobody has claimed this agent yet: a person must open its claim_url first. GET /v1/agents/heartbeat names it.',
  )
}
