import { createHmac, hkdfSync } from 'node:crypto'
import { type Env, settings } from '../../../env.ts'
import { claims } from '../../../schema/accounts.ts'
import { database } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { hashSecret } from '../keys.ts'

/** How long a claim link is valid, in ms. */
export const CLAIM_LINK_MS = 30 * 86_400_000

const PURPOSE = 'moltpost claim 1'

/** The tenant that a link is for. Its terms of 30 days are counted from `createdAt`. */
type Unclaimed = { id: string; createdAt: Date }

/**
 * The 256 bits of a claim link, or null without a `TOKEN_SECRET`. They are derived from that secret, the tenant and the
 * number of 30-day terms it has lived. So an agent can be shown its link again although only a hash of it is stored, and an
 * expired link always has the same successor.
 */
export function claimToken(env: Env, tenant: Unclaimed, now: Date): string | null {
  const { tokenSecret } = settings(env)
  if (tokenSecret === null) return null
  const key = hkdfSync('sha256', tokenSecret, '', PURPOSE, 32)
  return createHmac('sha256', new Uint8Array(key))
    .update(`${tenant.id} ${termOf(tenant, now)}`)
    .digest('base64url')
}

/** The claim link of a tenant for the current term of 30 days; null without a `TOKEN_SECRET`. */
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

/** The page where a person claims the agent that has this token. */
export function claimPage(env: Env, token: string): string {
  return `${settings(env).publicUrl}/claim/${token}`
}

const termOf = ({ createdAt }: Unclaimed, now: Date) =>
  Math.max(0, Math.floor((now.getTime() - createdAt.getTime()) / CLAIM_LINK_MS))

/** `used` once the link has done its work, or another link has done it. */
export type LinkState = 'open' | 'used' | 'expired'

export function stateOf(isUsed: boolean, expiresAt: Date, now: Date): LinkState {
  if (isUsed) return 'used'
  return expiresAt <= now ? 'expired' : 'open'
}

/** Whether a text has the form of a token of our links; any other text needs no look-up. */
export const isLinkToken = (token: string) => /^[A-Za-z0-9_-]{43,64}$/.test(token)

export const unknownLink = () => new Fault('not_found', 'This link is not valid.')
