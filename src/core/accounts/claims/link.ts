import { createHmac, hkdfSync } from 'node:crypto'
import { type Env, settings } from '../../../env.ts'
import { claims } from '../../../schema/accounts.ts'
import { database } from '../../ground/ctx.ts'
import { hashSecret } from '../keys.ts'

/** How long a claim link is good for, in ms. */
export const CLAIM_LINK_MS = 30 * 86_400_000

const PURPOSE = 'moltpost claim 1'

/** The tenant that a link is for, which began its life at `createdAt`. */
type Unclaimed = { id: string; createdAt: Date }

/**
 * The 256 bits of a claim link, or null without a `TOKEN_SECRET`. They are made of that secret, the tenant and the number
 * of 30 days it has lived, so that an agent can be shown its link again although only a hash of it is kept, and so that a
 * link that ran out has a successor however often it is asked for.
 */
export function claimToken(env: Env, tenant: Unclaimed, now: Date): string | null {
  const { tokenSecret } = settings(env)
  if (tokenSecret === null) return null
  const key = hkdfSync('sha256', tokenSecret, '', PURPOSE, 32)
  return createHmac('sha256', new Uint8Array(key))
    .update(`${tenant.id} ${termOf(tenant, now)}`)
    .digest('base64url')
}

/** The claim link of a tenant as it stands now, good until `CLAIM_LINK_MS` have passed; null without a `TOKEN_SECRET`. */
export async function claimUrl(at: { env: Env; now: Date }, tenant: Unclaimed): Promise<string | null> {
  const token = claimToken(at.env, tenant, at.now)
  if (token === null) return null
  const tokenHash = await hashSecret(token)
  const expiresAt = new Date(tenant.createdAt.getTime() + (termOf(tenant, at.now) + 1) * CLAIM_LINK_MS)
  await database(at.env)
    .insert(claims)
    .values({ tokenHash, tenantId: tenant.id, expiresAt })
    .onConflictDoNothing()
  return claimPage(at.env, token)
}

/** Where a person claims the agent whose token this is. */
export function claimPage(env: Env, token: string): string {
  return `${settings(env).publicUrl}/claim/${token}`
}

const termOf = ({ createdAt }: Unclaimed, now: Date) =>
  Math.max(0, Math.floor((now.getTime() - createdAt.getTime()) / CLAIM_LINK_MS))
