import { and, eq, exists, ne } from 'drizzle-orm'
import { mailboxes, tenants } from '../../schema/accounts.ts'
import { type Ctx, may, mustBeAllowed, permits } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { audited } from '../journal/audit.ts'

export type Tenant = typeof tenants.$inferSelect

/** What a tenant sets for itself; what is left out stays as it is. */
export type TenantChange = {
  status?: 'active' | 'paused' | undefined
  defaultMailboxId?: string | undefined
  dedupeWindowMs?: number | undefined
  cooldownMs?: number | undefined
  requireConsentForMarketing?: boolean | undefined
  physicalAddress?: string | null | undefined
}

/** Whether a person asks, or a key that may decide in a person's place. */
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
 * Changes settings of the tenant. A default mailbox must be the tenant's own when it is set, and so must stay until
 * another is. A frozen tenant is released by us, not by itself.
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
    throw new Fault('conflict', 'This tenant is frozen: its status cannot be changed by itself.', {
      field: 'status',
    })
  }
  throw new Fault('mailbox_not_found', `No such mailbox: "${defaultMailboxId}".`, {
    field: 'defaultMailboxId',
  })
}

async function own(ctx: Ctx): Promise<Tenant> {
  const [tenant] = await ctx.db.select().from(tenants).where(eq(tenants.id, ctx.tenantId))
  if (!tenant) throw new Fault('not_found', 'This tenant is gone.')
  return tenant
}
