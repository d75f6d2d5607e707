import { and, eq, inArray, sql } from 'drizzle-orm'
import { DLP_MODES, type DlpMode, tenants } from '../../schema/accounts.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { audited } from '../journal/audit.ts'
import type { Canary } from '../reading/dlp/canary.ts'
import type { DlpPolicy } from '../reading/dlp/content.ts'
import { RULE_NAMES, RULES, RULES_VERSION } from '../reading/dlp/rules.ts'
import { mayDecide } from './tenants.ts'

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

/**
 * Changes the DLP settings. Any key with `manage` may make them stricter; a laxer mode, or one more disabled rule, takes a
 * person, or a key with `approve`. The statement itself compares, so that a key cannot undo a concurrent stricter change.
 */
export async function updateDlp(ctx: Ctx, { mode, disabledRules }: DlpChange): Promise<DlpSettings> {
  mustBeAllowed(ctx, 'manage')
  const unknown = disabledRules?.find((name) => !RULE_NAMES.includes(name))
  if (unknown !== undefined) {
    const message = `disabled_rules: there is no rule "${unknown}". GET /v1/oversight/dlp lists them.`
    throw new Fault('invalid', message, { field: 'disabled_rules', rule: unknown })
  }
  if (mode === undefined && disabledRules === undefined) return await getDlp(ctx)
  const change = {
    ...(mode === undefined ? {} : { dlpMode: mode }),
    ...(disabledRules === undefined
      ? {}
      : { dlpDisabled: RULE_NAMES.filter((name) => disabledRules.includes(name)) }),
  }
  const mayLoosen = mayDecide(ctx)
  const isNoLaxer =
    mayLoosen || mode === undefined
      ? undefined
      : inArray(tenants.dlpMode, DLP_MODES.slice(0, DLP_MODES.indexOf(mode) + 1))
  const disablesNoMore =
    mayLoosen || disabledRules === undefined
      ? undefined
      : sql`NOT EXISTS (SELECT 1 FROM json_each(${JSON.stringify(disabledRules)}) n
          WHERE n.value NOT IN (SELECT value FROM json_each(${tenants.dlpDisabled})))`
  const [[changed]] = await ctx.db.batch([
    ctx.db
      .update(tenants)
      .set(change)
      .where(and(eq(tenants.id, ctx.tenantId), isNoLaxer, disablesNoMore))
      .returning({ mode: tenants.dlpMode, disabled: tenants.dlpDisabled }),
    ...audited(ctx, [{ action: 'dlp.changed', target: ctx.tenantId, detail: { mode, disabledRules } }]),
  ])
  if (changed) return settingsOf(changed.mode, changed.disabled)
  throw new Fault(
    'human_decision_required',
    'Less strict DLP settings need a person, or a key with the permission "approve".',
    { field: mode === undefined ? 'disabled_rules' : 'mode', kind: 'dlp_policy', id: null },
  )
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
