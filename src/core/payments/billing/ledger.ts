import { and, eq } from 'drizzle-orm'
import { type Env, settings } from '../../../env.ts'
import { checkouts, subscriptions } from '../../../schema/payments.ts'
import { database } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import type { Plan } from '../../policy/plans.ts'
import type { Subscription } from './customer.ts'
import { settle } from './standing.ts'

// The local ledger replaces Stripe in local development. It has the same states, and no money. It needs LOCAL=1.

type At = { env: Env; now: Date }

type LocalCheckout = { id: string; tenantId: string; plan: Plan; isComplete: boolean }

/** The length of a paid period, in ms. The ledger never renews it. */
const PERIOD_MS = 30 * 86_400_000

/** A checkout of the local ledger. Fault: `not_found`. */
export async function findLocalCheckout(env: Env, id: string): Promise<LocalCheckout> {
  const [found] = await database(env)
    .select({ checkout: checkouts })
    .from(checkouts)
    .innerJoin(
      subscriptions,
      and(eq(subscriptions.tenantId, checkouts.tenantId), eq(subscriptions.provider, 'local')),
    )
    .where(eq(checkouts.id, id))
  if (!settings(env).isLocal || !found) throw new Fault('not_found', 'No such checkout.')
  const { tenantId, plan, completedAt } = found.checkout
  return { id, tenantId, plan, isComplete: completedAt !== null }
}

/** Completes a local checkout. Safe to repeat: a completed one stays as it is. */
export async function completeLocalCheckout(at: At, id: string): Promise<LocalCheckout> {
  const { tenantId, plan } = await findLocalCheckout(at.env, id)
  const actor = { kind: 'system', name: 'local_ledger' } as const
  await settle({ ...at, actor }, tenantId, async () => {
    if ((await findLocalCheckout(at.env, id)).isComplete) return null
    return {
      checkoutId: id,
      subscriptionId: id.replace('cs_', 'sub_'),
      plan,
      status: 'active',
      currentPeriodEnd: new Date(at.now.getTime() + PERIOD_MS),
      cancelAtPeriodEnd: false,
    }
  })
  return { id, tenantId, plan, isComplete: true }
}

/** The subscription of a local customer. Fault: `not_found`. */
export async function findLocalCustomer(env: Env, customerId: string): Promise<Subscription> {
  const [row] = await database(env)
    .select()
    .from(subscriptions)
    .where(and(eq(subscriptions.customerId, customerId), eq(subscriptions.provider, 'local')))
  if (!settings(env).isLocal || !row) throw new Fault('not_found', 'No such customer.')
  return row
}
