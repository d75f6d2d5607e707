import type { Env } from '../../../env.ts'
import type { bonds } from '../../../schema/payments.ts'
import { statement } from '../../ground/sql.ts'

export type Bond = typeof bonds.$inferSelect
export type BondTier = Bond['tier']

/** What each tier holds, in cents of a US dollar. */
export const BOND_AMOUNTS: Record<BondTier, number> = { starter: 9_900, growth: 49_900, enterprise: 200_000 }

/** The bond of a tenant as its agents and the public see it. A pending bond counts as none. */
export type BondState =
  | { status: 'none'; tier: null; nextReauthAt: null }
  | { status: Exclude<Bond['status'], 'pending'>; tier: BondTier; nextReauthAt: Date | null }

export type BondRow = {
  status: Exclude<Bond['status'], 'pending'>
  tier: BondTier
  next_reauth_at: number | null
}

const newestBond = statement<BondRow>(
  `SELECT status, tier, next_reauth_at FROM bonds WHERE tenant_id = :tenant AND status <> 'pending'
   ORDER BY status = 'posted' DESC, id DESC LIMIT 1`,
)

/** Reads the tenant's newest bond as part of a batch. `bondStateOf` reads its row. */
export function bondStatement(env: Env, tenantId: string): D1PreparedStatement {
  return newestBond.bind(env, { tenant: tenantId })
}

export function bondStateOf(row: BondRow | undefined): BondState {
  if (!row) return { status: 'none', tier: null, nextReauthAt: null }
  const { status, tier, next_reauth_at: at } = row
  return { status, tier, nextReauthAt: at === null ? null : new Date(at) }
}

/** The state of a tenant's bond. `status` is `posted` while the bond vouches for the tenant's mail. */
export async function bondOf(env: Env, tenantId: string): Promise<BondState> {
  return bondStateOf((await newestBond.first(env, { tenant: tenantId })) ?? undefined)
}
