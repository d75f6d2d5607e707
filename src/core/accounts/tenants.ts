import { and, eq, inArray, sql } from 'drizzle-orm'
import { mailboxes, tenants } from '../../schema/accounts.ts'
import { type Ctx, mustBeAllowed, reaches } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { audited } from '../journal/audit.ts'
import { MAILBOX, TENANT, type TenantSettings } from '../policy/laxer.ts'
import { columnsOf, loosened } from '../policy/loosened.ts'
import { mayLoosen, settingsNeedPerson, untilWritten } from './loosen.ts'
import { asText, isAsRead, readTerms } from './terms.ts'

export type Tenant = typeof tenants.$inferSelect

/** Changes of settings. A setting that is left out stays as it is. */
type TenantChange = {
  [Field in Exclude<keyof TenantSettings, 'status' | 'defaultMailboxId'>]?: TenantSettings[Field] | undefined
} & { status?: 'active' | 'paused' | undefined; defaultMailboxId?: string | undefined }

/** The caller's tenant. */
export async function getTenant(ctx: Ctx): Promise<Tenant> {
  mustBeAllowed(ctx, 'read')
  return seen(ctx, (await read(ctx)).tenant)
}

/**
 * Changes settings of the tenant. Throws `human_decision_required` if that loosens one and the caller may not,
 * `mailbox_not_found` if the new default mailbox is not the tenant's own, and `conflict` if the status of a frozen tenant is to
 * change: only the operator can end a freeze.
 */
export async function updateTenant(
  ctx: Ctx,
  change: TenantChange,
  about: { kind: string; action: 'tenant.changed' | 'dlp.changed' } = {
    kind: 'tenant',
    action: 'tenant.changed',
  },
): Promise<Tenant> {
  mustBeAllowed(ctx, 'manage')
  if (Object.values(change).every((value) => value === undefined)) return await getTenant(ctx)
  return await untilWritten(async () => {
    const { tenant, values } = await read(ctx)
    if (change.status !== undefined && tenant.status === 'frozen') {
      const message = 'status: this tenant is frozen. Only the operator of the service can end that.'
      throw new Fault('conflict', message, { field: 'status' })
    }
    const { isLaxerMailbox, stillIs } = await defaultMailbox(ctx, tenant, change.defaultMailboxId)
    const loosens = mayLoosen(ctx) ? [] : loosened(TENANT, tenant, change, { isLaxerMailbox })
    if (loosens.length > 0) throw settingsNeedPerson(loosens, { kind: about.kind, id: ctx.tenantId })
    const [[changed]] = await ctx.db.batch([
      ctx.db
        .update(tenants)
        .set(change)
        .where(and(eq(tenants.id, ctx.tenantId), sql`${VALUES} = ${values}`, stillIs))
        .returning(),
      ...audited(ctx, [{ action: about.action, target: ctx.tenantId, detail: change }]),
    ])
    return changed ? seen(ctx, changed) : null
  })
}

/** Whether the new default mailbox would be laxer than the present one, and the condition that neither has changed since. */
async function defaultMailbox(ctx: Ctx, { defaultMailboxId }: Tenant, wanted: string | undefined) {
  if (wanted === undefined) return { isLaxerMailbox: false, stillIs: undefined }
  const which = inArray(mailboxes.id, [wanted, defaultMailboxId ?? wanted])
  const terms = await readTerms(ctx, which)
  const next = terms.rows.find(({ id }) => id === wanted)
  const present = terms.rows.find(({ id }) => id === defaultMailboxId)
  if (!next || !reaches(ctx, next.id)) {
    const message = `defaultMailboxId: this tenant has no mailbox "${wanted}".`
    throw new Fault('mailbox_not_found', message, { field: 'defaultMailboxId' })
  }
  // Otherwise the sends of others that name no mailbox would leave from this agent's.
  if (defaultMailboxId !== null && !reaches(ctx, defaultMailboxId)) {
    const message = "defaultMailboxId: an agent's key cannot replace the mailbox of another agent."
    throw new Fault('agent_mismatch', message, { field: 'defaultMailboxId' })
  }
  const isLaxerMailbox = present !== undefined && loosened(MAILBOX, present, next, terms.around).length > 0
  return { isLaxerMailbox, stillIs: isAsRead(ctx, which, terms.read) }
}

/** The tenant as the actor sees it: for an agent's key, the mailbox of another agent does not exist. */
function seen(ctx: Ctx, tenant: Tenant): Tenant {
  const { defaultMailboxId } = tenant
  return defaultMailboxId === null || reaches(ctx, defaultMailboxId)
    ? tenant
    : { ...tenant, defaultMailboxId: null }
}

/** The settings of a tenant as one text. */
const VALUES = asText(columnsOf(TENANT).map((column) => tenants[column]))

async function read(ctx: Ctx): Promise<{ tenant: Tenant; values: string }> {
  const [row] = await ctx.db
    .select({ tenant: tenants, values: VALUES })
    .from(tenants)
    .where(eq(tenants.id, ctx.tenantId))
  if (!row) throw new Fault('not_found', 'This tenant no longer exists.')
  return row
}
