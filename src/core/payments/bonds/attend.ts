import { and, eq, inArray, isNull, lte, or } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { bonds } from '../../../schema/payments.ts'
import { database } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { newToken } from '../../ground/ids.ts'
import { tellFailure } from '../../ground/log.ts'
import { providerOf } from '../billing/stripe.ts'
import type { Bond } from './bond.ts'
import { type At, type BondChange, changeBond } from './change.ts'
import { authorise, capture, closeSetup, type Held, letGo } from './hold.ts'

const DAY_MS = 86_400_000

/** How often a new hold is authorised, in ms: before issuers let the old one lapse. */
const REAUTH_MS = 7 * DAY_MS
/** How long an owner may take to enter a card, in ms. */
export const PENDING_MS = DAY_MS
/** How long Stripe may be unreachable before a bond that is due fails, in ms. */
const GRACE_MS = DAY_MS
/** How long a worker's lock on a bond lasts, in ms. */
const LOCK_MS = 120_000
/** When to try again after Stripe could not be reached, in ms. */
const RETRY_MS = 900_000
/** Bonds that one sweep looks at; the rest wait for the next. */
const AT_ONCE = 20

const SWEEP = { kind: 'system', name: 'sweep' } as const

/** Attends to every bond that is due. A missed sweep only delays the work. Returns the number of due bonds. */
export async function sweepBonds(env: Env, now: Date): Promise<number> {
  const due = await database(env)
    .select({ tenantId: bonds.tenantId, id: bonds.id })
    .from(bonds)
    .where(
      and(
        lte(bonds.nextAt, now),
        // We cannot ask another provider about its bonds. Such a bond fails after its time of grace.
        or(
          eq(bonds.provider, providerOf(env) ?? 'stripe'),
          lte(bonds.nextReauthAt, new Date(now.getTime() - GRACE_MS)),
        ),
      ),
    )
    .orderBy(bonds.nextAt)
    .limit(AT_ONCE)
  for (const each of due) {
    await attendBond({ env, now, actor: SWEEP }, each).catch((error: unknown) => {
      tellFailure('bond_unattended', error, { tenantId: each.tenantId, bondId: each.id })
    })
  }
  return due.length
}

/**
 * Does what is due for one bond: ends it as ordered, authorises the first or the next hold, or gives up a form that was never
 * filled in. If several callers try it at once, a lock lets only one do it. If Stripe cannot be reached, the sweep tries
 * again later.
 */
export async function attendBond(at: At, which: Pick<Bond, 'tenantId' | 'id'>): Promise<void> {
  const bond = await lock(at, which)
  if (!bond?.lockToken) return
  const guard = { status: bond.status, lockToken: bond.lockToken }
  try {
    const change = await due(at, bond)
    const isChanged = await changeBond(at, bond, guard, change)
    const lapsed = bond.holdId !== null && change.holdId !== undefined ? bond.holdId : null
    // If this fails, the old hold lapses by itself after seven days.
    if (isChanged && lapsed !== null) await letGo(at.env, bond, lapsed).catch(() => undefined)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    const isOver = bond.status === 'posted' && bond.closing === null && overdue(at, bond) > GRACE_MS
    const again = { nextAt: new Date(at.now.getTime() + RETRY_MS) }
    await changeBond(at, bond, guard, isOver ? ended(at, 'failed', 'provider_unreachable') : again)
  }
}

async function lock({ env, now }: At, { tenantId, id }: Pick<Bond, 'tenantId' | 'id'>) {
  const until = new Date(now.getTime() + LOCK_MS)
  const [bond] = await database(env)
    .update(bonds)
    .set({ lockToken: newToken(), lockUntil: until, nextAt: until })
    .where(
      and(
        eq(bonds.tenantId, tenantId),
        eq(bonds.id, id),
        inArray(bonds.status, ['pending', 'posted']),
        lte(bonds.nextAt, now),
        or(isNull(bonds.lockUntil), lte(bonds.lockUntil, now)),
      ),
    )
    .returning()
  return bond
}

async function due(at: At, bond: Bond): Promise<BondChange> {
  const { env, now } = at
  if (bond.closing !== null) return await close(at, bond, bond.closing)
  if (bond.status === 'posted' && overdue(at, bond) < 0) return { nextAt: bond.nextReauthAt }
  if (bond.status === 'pending' && bond.paymentMethodId === null) {
    const until = new Date(bond.createdAt.getTime() + PENDING_MS)
    if (until > now) return { nextAt: until }
    await closeSetup(env, bond)
    return ended(at, 'failed', 'never_confirmed')
  }
  const held = await authorise(env, now, bond)
  if (!held.isDone) {
    if (bond.holdId !== null) await letGo(env, bond, bond.holdId).catch(() => undefined)
    return ended(at, 'failed', held.reason)
  }
  const nextReauthAt = new Date(now.getTime() + REAUTH_MS)
  return {
    status: 'posted',
    ...{ holdId: held.holdId, holds: bond.holds + 1, postedAt: bond.postedAt ?? now },
    ...{ nextReauthAt, nextAt: nextReauthAt },
  }
}

async function close(at: At, bond: Bond, closing: 'captured' | 'released'): Promise<BondChange> {
  const { env } = at
  if (bond.status === 'pending') {
    await closeSetup(env, bond)
    return ended(at, 'released', bond.reason)
  }
  const moved: Held = closing === 'captured' ? await capture(env, bond) : await letGo(env, bond, bond.holdId)
  return moved.isDone ? ended(at, closing, bond.reason) : ended(at, 'failed', moved.reason)
}

/** The change that ends a bond. Nothing more is due for it. */
export function ended(
  { now }: At,
  status: 'captured' | 'released' | 'failed',
  reason: string | null,
): BondChange {
  return { status, reason, closing: null, nextReauthAt: null, nextAt: null, endedAt: now }
}

/** How long the next hold is overdue, in ms. Below 0 before it is due. */
const overdue = ({ now }: At, { nextReauthAt }: Bond) => now.getTime() - (nextReauthAt?.getTime() ?? 0)
