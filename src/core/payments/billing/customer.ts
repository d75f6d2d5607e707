import { eq, ne } from 'drizzle-orm'
import { tenants } from '../../../schema/accounts.ts'
import { subscriptions } from '../../../schema/payments.ts'
import type { Owner } from '../../accounts/people.ts'
import { type Ctx, one } from '../../ground/ctx.ts'
import { newId } from '../../ground/ids.ts'
import { asked, type Provider } from './stripe.ts'

export type Subscription = typeof subscriptions.$inferSelect

/** The tenant's subscription, or null if it never had one. */
export async function subscriptionOf({ db, tenantId }: Pick<Ctx, 'db' | 'tenantId'>) {
  const [row] = await db.select().from(subscriptions).where(eq(subscriptions.tenantId, tenantId))
  return row ?? null
}

/** The tenant as a customer of the payment provider. Concurrent calls create one customer. */
export async function customerOf(ctx: Ctx, provider: Provider, owner: Owner): Promise<Subscription> {
  const { env, db, now, tenantId } = ctx
  const known = await subscriptionOf(ctx)
  if (known?.provider === provider) return known
  const customerId =
    provider === 'local'
      ? newId('cus_local', now)
      : (
          await asked(env, 'customer', (stripe) =>
            stripe.customers.create(
              { email: owner.email, metadata: { tenant_id: tenantId } },
              { idempotencyKey: `customer:${tenantId}` },
            ),
          )
        ).id
  const [tenant] = await db.select({ plan: tenants.plan }).from(tenants).where(eq(tenants.id, tenantId))
  const standing = {
    provider,
    customerId,
    subscriptionId: null,
    plan: tenant?.plan ?? ('free' as const),
    status: 'none',
    currentPeriodEnd: null,
    cancelAtPeriodEnd: false,
    updatedAt: now,
  }
  await db
    .insert(subscriptions)
    .values({ ...standing, tenantId, createdAt: now })
    // A customer of the local ledger is replaced once a Stripe key is configured.
    .onConflictDoUpdate({
      target: subscriptions.tenantId,
      set: standing,
      setWhere: ne(subscriptions.provider, provider),
    })
  return one(await db.select().from(subscriptions).where(eq(subscriptions.tenantId, tenantId)))
}
