import { eq, sql } from 'drizzle-orm'
import { type DlpMode, tenants } from '../../schema/accounts.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import type { Canary } from '../reading/dlp/canary.ts'
import type { DlpPolicy } from '../reading/dlp/content.ts'
import { RULE_NAMES, RULES, RULES_VERSION } from '../reading/dlp/rules.ts'
import { updateTenant } from './tenants.ts'

/** A tenant's DLP settings, with all rules that there are. */
export type DlpSettings = {
  mode: DlpMode
  rulesVersion: string
  rules: { name: string; description: string; enabled: boolean }[]
  disabledRules: string[]
}

type DlpChange = { mode?: DlpMode | undefined; disabledRules?: string[] | undefined }

/** The canaries of a tenant as JSON, to be selected with its row. */
export const CANARIES_OF_TENANT = sql<string>`(
  SELECT json_group_array(json_object('id', k.id, 'probe', k.probe, 'length', k.length, 'hash', k.hash))
  FROM canaries k WHERE k.tenant_id = tenants.id)`

/** The DLP settings of the caller's tenant. */
export async function getDlp(ctx: Ctx): Promise<DlpSettings> {
  mustBeAllowed(ctx, 'read')
  const { mode, disabledRules } = await dlpPolicyOf(ctx)
  return settingsOf(mode, disabledRules)
}

/** Changes the DLP settings. Throws `human_decision_required` if they would be less strict and the caller may not loosen. */
export async function updateDlp(ctx: Ctx, { mode, disabledRules }: DlpChange): Promise<DlpSettings> {
  mustBeAllowed(ctx, 'manage')
  const unknown = disabledRules?.find((name) => !RULE_NAMES.includes(name))
  if (unknown !== undefined) {
    const message = `disabled_rules: there is no rule "${unknown}". GET /v1/oversight/dlp lists them.`
    throw new Fault('invalid', message, { field: 'disabled_rules', rule: unknown })
  }
  const change = {
    dlpMode: mode,
    dlpDisabled: disabledRules && RULE_NAMES.filter((name) => disabledRules.includes(name)),
  }
  const changed = await updateTenant(ctx, change, { kind: 'dlp_policy', action: 'dlp.changed' })
  return settingsOf(changed.dlpMode, changed.dlpDisabled)
}

/** What the scan of the tenant's outgoing messages needs: the mode, the disabled rules and the canaries. */
export async function dlpPolicyOf(ctx: Pick<Ctx, 'db' | 'tenantId'>): Promise<DlpPolicy> {
  const [row] = await ctx.db
    .select({ mode: tenants.dlpMode, disabledRules: tenants.dlpDisabled, canaries: CANARIES_OF_TENANT })
    .from(tenants)
    .where(eq(tenants.id, ctx.tenantId))
  if (!row) throw new Fault('not_found', 'This tenant no longer exists.')
  return { ...row, canaries: JSON.parse(row.canaries) as Canary[] }
}

function settingsOf(mode: DlpMode, disabledRules: string[]): DlpSettings {
  const rules = RULES.map(({ name, description }) => ({
    name,
    description,
    enabled: !disabledRules.includes(name),
  }))
  return { mode, rulesVersion: RULES_VERSION, rules, disabledRules }
}
