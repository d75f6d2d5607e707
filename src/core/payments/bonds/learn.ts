import { and, eq, type SQL } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { bonds } from '../../../schema/payments.ts'
import { database } from '../../ground/ctx.ts'
import type { Report } from '../billing/standing.ts'
import { attendBond, ended } from './attend.ts'
import type { Bond } from './bond.ts'
import { type At, changeBond, countReport } from './change.ts'
import { readCharge, readHold, readPage, readSetup } from './hold.ts'

type Subject = { tenantId: string; customerId: string; id: string }

/** A form was filled in or closed. If filled in, the card is stored and the money held at once. */
export async function learnSetup(at: At, subject: Subject, report: Report): Promise<void> {
  const bond = await bondBy(at.env, subject.tenantId, eq(bonds.setupId, subject.id))
  if (bond?.status !== 'pending') return await countReport(at, subject.tenantId, report)
  const setup = await readSetup(at.env, subject.id)
  if (setup.customerId !== bond.customerId) return await countReport(at, bond.tenantId, report)
  if (setup.status === 'succeeded' && setup.paymentMethodId !== null) {
    await takeCard(at, bond, setup.paymentMethodId, report)
  } else if (setup.status === 'canceled') {
    await changeBond(at, bond, { status: bond.status }, ended(at, 'failed', 'setup_canceled'), report)
  } else await countReport(at, bond.tenantId, report)
}

/** As `learnSetup`, for a page of Stripe. Returns false and does nothing if the page belongs to no bond. */
export async function learnPage(at: At, subject: Subject, report: Report): Promise<boolean> {
  const bond = await bondBy(at.env, subject.tenantId, eq(bonds.checkoutId, subject.id))
  if (!bond) return false
  const page = bond.status === 'pending' ? await readPage(at.env, subject.id) : null
  if (page?.paymentMethodId && page.customerId === bond.customerId)
    await takeCard(at, bond, page.paymentMethodId, report)
  else await countReport(at, bond.tenantId, report)
  return true
}

/** Stores the card that the owner of a pending bond entered, and holds the money at once. */
export async function takeCard(
  at: At,
  bond: Bond,
  paymentMethodId: string,
  report: Report | null = null,
): Promise<void> {
  await changeBond(at, bond, { status: 'pending' }, { paymentMethodId, nextAt: at.now }, report)
  await attendBond(at, bond)
}

/**
 * A hold changed without a request of ours. If it lapsed, which some issuers do before seven days are over, a new hold is
 * authorised at once. If somebody captured it in Stripe's dashboard, the bond is captured.
 */
export async function learnHold(at: At, subject: Subject, report: Report): Promise<void> {
  const bond = await bondBy(at.env, subject.tenantId, eq(bonds.holdId, subject.id))
  if (bond?.status !== 'posted' || bond.closing !== null)
    return await countReport(at, subject.tenantId, report)
  const status = await readHold(at.env, subject.id)
  const guard = { status: bond.status }
  if (status === 'canceled') {
    await changeBond(at, bond, guard, { nextReauthAt: at.now, nextAt: at.now }, report)
    await attendBond(at, bond)
  } else if (status === 'succeeded')
    await changeBond(at, bond, guard, ended(at, 'captured', 'captured_elsewhere'), report)
  else await countReport(at, bond.tenantId, report)
}

/** A captured bond was refunded in full: it counts as released. */
export async function learnCharge(at: At, subject: Subject, report: Report): Promise<void> {
  const { isRefunded, holdId } = await readCharge(at.env, subject.id)
  const bond = holdId === null ? null : await bondBy(at.env, subject.tenantId, eq(bonds.holdId, holdId))
  if (bond?.status !== 'captured' || !isRefunded) return await countReport(at, subject.tenantId, report)
  await changeBond(at, bond, { status: 'captured' }, ended(at, 'released', 'refunded'), report)
}

async function bondBy(env: Env, tenantId: string, condition: SQL): Promise<Bond | null> {
  const [bond] = await database(env)
    .select()
    .from(bonds)
    .where(and(eq(bonds.tenantId, tenantId), condition))
  return bond ?? null
}
