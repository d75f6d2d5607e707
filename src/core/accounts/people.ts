import { and, asc, eq, ne, sql } from 'drizzle-orm'
import { settings } from '../../env.ts'
import { type OwnerRole, owners, tenants } from '../../schema/accounts.ts'
import { parseAddress } from '../ground/address.ts'
import { type Ctx, mustBeAllowed, one } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId } from '../ground/ids.ts'
import { audited } from '../journal/audit.ts'
import type { Letter } from './letter.ts'

export type Owner = typeof owners.$inferSelect
export type { OwnerRole } from '../../schema/accounts.ts'

export const ROLES = ['owner', 'approver', 'viewer'] as const satisfies OwnerRole[]

const OWNERS_AT_MOST = 100

/** The people of the tenant, in the order they came. */
export async function listOwners(ctx: Ctx): Promise<Owner[]> {
  mustBeAllowed(ctx, 'read')
  return await ctx.db.select().from(owners).where(eq(owners.tenantId, ctx.tenantId)).orderBy(asc(owners.id))
}

/**
 * Adds a person, and writes the letter that invites them; signing in with a link mailed to that address proves it. Throws `conflict` for somebody who is
 * here already, and `invalid` for an address that an agent of ours could read.
 */
export async function addOwner(
  ctx: Ctx,
  request: { email: string; role: OwnerRole },
): Promise<{ owner: Owner; letter: Letter }> {
  mustBePerson(ctx)
  const address = parseAddress(request.email)
  if (!address) throw new Fault('invalid', 'This is not an email address.', { field: 'email' })
  const { mailDomain, publicUrl } = settings(ctx.env)
  if (address.domain === mailDomain || address.domain.endsWith(`.${mailDomain}`)) {
    throw new Fault('invalid', `Addresses at ${mailDomain} are agents': invite a person's own.`, {
      field: 'email',
    })
  }
  const id = newId('own', ctx.now)
  const [[invited]] = await ctx.db.batch([
    ctx.db
      .insert(owners)
      .select(
        sql`SELECT ${ctx.tenantId}, ${id}, ${address.email}, ${address.contact}, NULL, NULL, NULL, NULL, ${request.role},
        ${ctx.now.getTime()}
      WHERE (SELECT count(*) FROM ${owners} WHERE ${owners.tenantId} = ${ctx.tenantId}) < ${OWNERS_AT_MOST}`,
      )
      .onConflictDoNothing()
      .returning(),
    ...audited(ctx, [
      { action: 'person.invited', target: id, detail: { email: address.email, role: request.role } },
    ]),
  ])
  if (!invited)
    throw new Fault('conflict', 'This person is here already, or there are 100.', { field: 'email' })
  const [tenant] = await ctx.db
    .select({ name: tenants.name })
    .from(tenants)
    .where(eq(tenants.id, ctx.tenantId))
  const letter = {
    to: address.email,
    subject: 'You are invited to Moltpost',
    text: `You have been given the role "${request.role}" in the account ${plain(tenant?.name ?? '')}. Sign in with this address:

${publicUrl}/portal

If you do not know what this is about, do nothing.
`,
  }
  return { owner: invited, letter }
}

/** Gives a person another role, from the next request on. The last owner stays one. */
export async function changeRole(ctx: Ctx, id: string, role: OwnerRole): Promise<Owner> {
  mustBePerson(ctx)
  await ownerOf(ctx, id)
  const [rows] = await ctx.db.batch([
    ctx.db
      .update(owners)
      .set({ role })
      .where(and(isIt(ctx, id), role === 'owner' ? undefined : isNotLast(ctx, id)))
      .returning(),
    ...audited(ctx, [{ action: 'person.role_changed', target: id, detail: { role } }]),
  ])
  if (rows.length === 0) throw lastOwner()
  return one(rows)
}

/** Takes a person out of the tenant, from the next request on. The last owner stays. */
export async function removeOwner(ctx: Ctx, id: string): Promise<void> {
  mustBePerson(ctx)
  const owner = await ownerOf(ctx, id)
  const isGone = sql`NOT EXISTS (SELECT 1 FROM ${owners} gone
    WHERE gone.tenant_id = ${ctx.tenantId} AND gone.id = ${id})`
  const [removed] = await ctx.db.batch([
    ctx.db
      .delete(owners)
      .where(and(isIt(ctx, id), isNotLast(ctx, id)))
      .returning({ id: owners.id }),
    ...audited(ctx, [{ action: 'person.removed', target: id }]),
    // Somebody must stand for the claim, or the agent could be claimed anew.
    ctx.db
      .update(owners)
      .set({ claimedAt: owner.claimedAt })
      .where(
        and(
          eq(owners.tenantId, ctx.tenantId),
          sql`${owner.claimedAt?.getTime() ?? null} IS NOT NULL`,
          sql`${owners.id} = (SELECT min(o.id) FROM owners o WHERE o.tenant_id = ${ctx.tenantId}
            AND o.role = 'owner' AND o.verified_at IS NOT NULL AND o.id <> ${id})`,
          isGone,
        ),
      ),
  ])
  if (removed.length === 0) throw lastOwner()
}

/** Who lets people in must be able to do all that they are let do, and be a person. */
function mustBePerson(ctx: Ctx) {
  mustBeAllowed(ctx, 'manage')
  if (ctx.actor.kind === 'human' && ctx.actor.role === 'owner') return
  throw new Fault('human_decision_required', 'Only an owner can let people in.')
}

async function ownerOf(ctx: Ctx, id: string): Promise<Owner> {
  const [owner] = await ctx.db.select().from(owners).where(isIt(ctx, id))
  if (!owner) throw new Fault('not_found', 'No such person.')
  return owner
}

const isIt = (ctx: Ctx, id: string) => and(eq(owners.tenantId, ctx.tenantId), eq(owners.id, id))

/** There is another owner who has been here. */
const isNotLast = (ctx: Ctx, id: string) =>
  sql`(${ne(owners.role, 'owner')} OR EXISTS (SELECT 1 FROM owners o WHERE o.tenant_id = ${ctx.tenantId}
    AND o.role = 'owner' AND o.verified_at IS NOT NULL AND o.id <> ${id}))`

const lastOwner = () =>
  new Fault('conflict', 'This is the last owner who has signed in. Make somebody else an owner first.')

/** A name is anybody's words: on one line, and short. */
const plain = (name: string) => name.replace(/[^\p{L}\p{N} ._-]/gu, '').slice(0, 80)
