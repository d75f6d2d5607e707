import { and, desc, eq, lt, sql } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { bonds } from '../../../schema/payments.ts'
import { claimedOwner } from '../../accounts/people.ts'
import { type Ctx, database, mustBeAllowed, one } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { newId } from '../../ground/ids.ts'
import { customerOf } from '../billing/customer.ts'
import { mustCollect } from '../billing/stripe.ts'
import { attendBond, PENDING_MS } from './attend.ts'
import { BOND_AMOUNTS, type Bond, type BondTier } from './bond.ts'
import { changeBond } from './change.ts'
import { openPage, openSetup, readPage } from './hold.ts'
import { takeCard } from './learn.ts'

/** The payment method of the local ledger. It is never declined. */
const LOCAL_METHOD = 'pm_local'

/** The caller's bonds, newest first. */
export async function listBonds(ctx: Ctx, page: { limit: number; after: string | null }) {
  mustBeAllowed(ctx, 'read')
  const own = eq(bonds.tenantId, ctx.tenantId)
  const [found, counted] = await ctx.db.batch([
    ctx.db
      .select()
      .from(bonds)
      .where(and(own, page.after === null ? undefined : lt(bonds.id, page.after)))
      .orderBy(desc(bonds.id))
      .limit(page.limit + 1),
    ctx.db.select({ total: sql<number>`count(*)` }).from(bonds).where(own),
  ])
  const { total } = one(counted)
  return { bonds: found.slice(0, page.limit), total, hasMore: found.length > page.limit }
}

/**
 * Opens a bond. It is posted when the owner has confirmed a card with the client secret and the money is held. A repeat
 * before that returns the same bond and secret. The local ledger posts at once. Faults: `not_claimed`, `not_configured`,
 * `conflict` if another bond of the owner is pending or posted.
 */
export async function postBond(ctx: Ctx, tier: BondTier): Promise<{ bond: Bond; clientSecret: string }> {
  const bond = await openBond(ctx, tier)
  if (bond.provider === 'local') return { bond, clientSecret: `${bond.id}_secret_local` }
  const setup = await openSetup(ctx.env, bond)
  if (setup.clientSecret === null)
    throw new Fault(
      'payment_unavailable',
      'The payment provider cannot take a card now. Try again in a minute.',
    )
  if (bond.setupId !== setup.id)
    await changeBond(ctx, bond, { status: 'pending' }, { setupId: setup.id, reason: null })
  return { bond: { ...bond, setupId: setup.id }, clientSecret: setup.clientSecret }
}

/**
 * Opens a bond for a person in a browser, with the rules of `postBond`. The person enters the card at `url`, a page of the
 * payment provider. `url` is null if no card is needed any more. A repeat returns the same page, or uses the card that was
 * entered there.
 */
export async function startBond(ctx: Ctx, tier: BondTier): Promise<{ bond: Bond; url: string | null }> {
  const { env } = ctx
  const bond = await openBond(ctx, tier)
  if (bond.provider === 'local') return { bond, url: null }
  const known = bond.checkoutId === null ? null : await readPage(env, bond.checkoutId)
  if (known?.paymentMethodId && known.customerId === bond.customerId) {
    await takeCard(ctx, bond, known.paymentMethodId)
    return { bond: await bondById(env, bond.id), url: null }
  }
  const page = known?.url ? known : await openPage(env, bond)
  if (page.url === null)
    throw new Fault(
      'payment_unavailable',
      'The payment provider returned no page for the card. Try again in a minute.',
    )
  if (bond.checkoutId !== page.id)
    await changeBond(ctx, bond, { status: 'pending' }, { checkoutId: page.id, reason: null })
  return { bond: { ...bond, checkoutId: page.id }, url: page.url }
}

/** Returns the owner's pending bond of this tier. Creates it if there is none. The local ledger posts it at once. */
async function openBond(ctx: Ctx, tier: BondTier): Promise<Bond> {
  mustBeAllowed(ctx, 'manage')
  const { env, db, now, tenantId } = ctx
  const owner = await claimedOwner(ctx)
  const provider = mustCollect(env)
  const { customerId } = await customerOf(ctx, provider, owner)
  const until = new Date(now.getTime() + PENDING_MS)
  const local = provider === 'local' ? { paymentMethodId: LOCAL_METHOD, nextAt: now } : { nextAt: until }
  await db
    .insert(bonds)
    .values({
      ...{ tenantId, id: newId('bond', now), provider, tier, amountUsdCents: BOND_AMOUNTS[tier] },
      ...{ status: 'pending', customerId, createdAt: now, updatedAt: now, ...local },
    })
    .onConflictDoNothing()
  const bond = await liveBond(ctx)
  if (bond.tier !== tier || bond.status !== 'pending') throw anotherIsLive(bond)
  if (provider === 'local') {
    await attendBond(ctx, bond)
    return await bondById(env, bond.id)
  }
  return bond
}

/**
 * Withdraws a pending bond, so that another can be posted. Throws `conflict` for a posted bond: it is a security for mail
 * that was already sent, so only the operator may release it. A bond that has ended stays as it is. Another fault:
 * `not_found`.
 */
export async function withdrawBond(ctx: Ctx, id: string): Promise<Bond> {
  mustBeAllowed(ctx, 'manage')
  const bond = await ownBond(ctx, id)
  if (bond.status === 'pending') {
    await changeBond(
      ctx,
      bond,
      { status: 'pending' },
      { closing: 'released', reason: 'withdrawn', nextAt: ctx.now },
    )
    await attendBond(ctx, bond)
  }
  const withdrawn = await ownBond(ctx, id)
  if (withdrawn.status !== 'posted') return withdrawn
  throw new Fault('conflict', 'This bond is posted. Only the operator can release it: ask them.')
}

/** The bonds of all tenants, newest first. For the operator, so it takes no tenant. */
export async function listAllBonds(
  env: Env,
  page: { status: Bond['status'] | null; limit: number; after: string | null },
): Promise<{ bonds: Bond[]; hasMore: boolean }> {
  const found = await database(env)
    .select()
    .from(bonds)
    .where(
      and(
        page.status === null ? undefined : eq(bonds.status, page.status),
        page.after === null ? undefined : lt(bonds.id, page.after),
      ),
    )
    .orderBy(desc(bonds.id))
    .limit(page.limit + 1)
  return { bonds: found.slice(0, page.limit), hasMore: found.length > page.limit }
}

/**
 * Captures a bond (for abuse) or releases it. If the payment provider cannot be reached, a later sweep does it. Safe to
 * repeat. Faults: `not_found`, and `conflict` if the bond has ended in another way, or if `closing` is `captured` and no
 * money is held.
 */
export async function closeBond(
  { env, now }: { env: Env; now: Date },
  id: string,
  closing: 'captured' | 'released',
  reason: string,
): Promise<Bond> {
  const at = { env, now, actor: { kind: 'system', name: 'operator' } as const }
  const bond = await bondById(env, id)
  if (bond.status === closing) return bond
  if (bond.closing === null) {
    const status = closing === 'released' && bond.status === 'pending' ? 'pending' : 'posted'
    await changeBond(at, bond, { status }, { closing, reason, nextAt: now })
  }
  const ordered = await bondById(env, id)
  if (ordered.closing === closing) await attendBond(at, ordered)
  const closed = ordered.closing === closing ? await bondById(env, id) : ordered
  if (closed.status === closing || closed.closing === closing) return closed
  throw new Fault('conflict', `This bond is ${closed.closing ?? closed.status}: it cannot be ${closing}.`)
}

/** The tenant's pending or posted bond. There is at most one. */
async function liveBond({ db, tenantId }: Ctx): Promise<Bond> {
  return one(
    await db
      .select()
      .from(bonds)
      .where(and(eq(bonds.tenantId, tenantId), sql`${bonds.status} IN ('pending', 'posted')`)),
  )
}

async function ownBond({ db, tenantId }: Ctx, id: string): Promise<Bond> {
  const [bond] = await db
    .select()
    .from(bonds)
    .where(and(eq(bonds.tenantId, tenantId), eq(bonds.id, id)))
  if (bond) return bond
  throw new Fault('not_found', 'No such bond.')
}

async function bondById(env: Env, id: string): Promise<Bond> {
  const [bond] = await database(env).select().from(bonds).where(eq(bonds.id, id))
  if (bond) return bond
  throw new Fault('not_found', 'No such bond.')
}

function anotherIsLive({ tier, status, createdAt }: Bond): Fault {
  const until = new Date(createdAt.getTime() + PENDING_MS).toISOString()
  return new Fault(
    'conflict',
    status === 'posted'
      ? `A bond of the tier "${tier}" is posted. A tenant can have only one bond: ask the operator to release it first.`
      : `A bond of the tier "${tier}" waits for a card until ${until}. Enter the card, or wait until then.`,
  )
}
