import type { Env } from '../../../env.ts'
import type { bonds } from '../../../schema/payments.ts'

export type Bond = typeof bonds.$inferSelect
export type BondTier = Bond['tier']

/** What each tier holds, in cents of a US dollar. */
export const BOND_AMOUNTS: Record<BondTier, number> = { starter: 9_900, growth: 49_900, enterprise: 200_000 }

/** The bond of a tenant as its agents and everybody else may know it; one that is not posted yet is none. */
export type BondState =
  | { status: 'none'; tier: null; nextReauthAt: null }
  | { status: Exclude<Bond['status'], 'pending'>; tier: BondTier; nextReauthAt: Date | null }

export type BondRow = {
  status: Exclude<Bond['status'], 'pending'>
  tier: BondTier
  next_reauth_at: number | null
}

/** The tenant's newest bond, to be read by `bondStateOf`: for batches that read more beside it. */
export function bondStatement({ DB }: Env, tenantId: string): D1PreparedStatement {
  return DB.prepare(
    `SELECT status, tier, next_reauth_at FROM bonds WHERE tenant_id = ?1 AND status <> 'pending'
     ORDER BY status = 'posted' DESC, id DESC LIMIT 1`,
  ).bind(tenantId)
}

export function bondStateOf(row: BondRow | undefined): BondState {
  if (!row) return { status: 'none', tier: null, nextReauthAt: null }
  const { status, tier, next_reauth_at: at } = row
  return { status, tier, nextReauthAt: at === null ? null : new Date(at) }
}

/** How the bond of a tenant stands; `status` is `posted` where one vouches for its mail now. */
export async function bondOf(env: Env, tenantId: string): Promise<BondState> {
  const { results } = await bondStatement(env, tenantId).all<BondRow>()
  return bondStateOf(results[0])
}
