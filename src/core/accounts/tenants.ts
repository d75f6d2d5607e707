import { and, eq, exists, ne } from 'drizzle-orm'
import { mailboxes, tenants } from '../../schema/accounts.ts'
import { type Ctx, may, mustBeAllowed, permits } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { audited } from '../journal/audit.ts'

export type Tenant = typeof tenants.$inferSelect

/** The settings that a tenant changes itself. A setting that is left out stays as it is. */
type TenantChange = {
  status?: 'active' | 'paused' | undefined
  defaultMailboxId?: string | undefined
  dedupeWindowMs?: number | undefined
  cooldownMs?: number | undefined
  requireConsentForMarketing?: boolean | undefined
  physicalAddress?: string | null | undefined
}

/** Whether the actor is a person, or a key with `approve`: only they may loosen a setting. */
export function mayDecide({ actor }: Ctx, mailboxId?: string): boolean {
  if (actor.kind !== 'key' || actor.scopes === null) return may({ actor }, 'approve')
  const scope = actor.scopes.find((each) => each.mailboxId === mailboxId)
  return scope !== undefined && permits(scope.permissions, 'approve')
}

/** The caller's tenant. */
export async function getTenant(ctx: Ctx): Promise<Tenant> {
  mustBeAllowed(ctx, 'read')
  return await own(ctx)
}

/**
 * Changes settings of the tenant. Throws `mailbox_not_found` if the new default mailbox is not the tenant's own. Throws
 * `conflict` if the status of a frozen tenant is to change: only the operator can end a freeze.
 */
export async function updateTenant(ctx: Ctx, change: TenantChange): Promise<Tenant> {
  mustBeAllowed(ctx, 'manage')
  if (Object.values(change).every((value) => value === undefined)) return await own(ctx)
  const { status, defaultMailboxId } = change
  const isOwnMailbox =
    defaultMailboxId === undefined
      ? undefined
      : exists(
          ctx.db
            .select({ id: mailboxes.id })
            .from(mailboxes)
            .where(and(eq(mailboxes.tenantId, ctx.tenantId), eq(mailboxes.id, defaultMailboxId))),
        )
  const [[changed]] = await ctx.db.batch([
    ctx.db
      .update(tenants)
      .set(change)
      .where(
        and(
          eq(tenants.id, ctx.tenantId),
          isOwnMailbox,
          status === undefined ? undefined : ne(tenants.status, 'frozen'),
        ),
      )
      .returning(),
    ...audited(ctx, [{ action: 'tenant.changed', target: ctx.tenantId, detail: change }]),
  ])
  if (changed) return changed
  if (status !== undefined && (await own(ctx)).status === 'frozen') {
    throw new Fault(
      'conflict',
      'status: this tenant is frozen. Only the operator of the service can end that.',
      {
        field: 'status',
      },
    )
  }
  throw new Fault(
    'mailbox_not_found',
    `defaultMailboxId: this tenant has no mailbox "${defaultMailboxId}".`,
    {
      field: 'defaultMailboxId',
    },
  )
}

async function own(ctx: Ctx): Promise<Tenant> {
  const [tenant] = await ctx.db.select().from(tenants).where(eq(tenants.id, ctx.tenantId))
  if (!tenant) throw new Fault('not_found', 'This tenant no longer exists.')
  return tenant
}
