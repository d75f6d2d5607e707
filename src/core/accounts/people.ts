import { and, asc, desc, eq, isNotNull, ne, sql } from 'drizzle-orm'
import { settings } from '../../env.ts'
import { type OwnerRole, owners, secondAddresses } from '../../schema/accounts.ts'
import { type Ctx, mustBeAllowed, one } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId } from '../ground/ids.ts'
import { fragment } from '../ground/sql.ts'
import { audited } from '../journal/audit.ts'
import { isReceived } from '../policy/received.ts'
import { endRecords, endStatements, type Made, madeBy } from './descent.ts'
import type { Letter } from './letter.ts'
import { mustBePersonal } from './personal-address.ts'
import { endStreams } from './streams.ts'

export type Owner = typeof owners.$inferSelect
export type { OwnerRole } from '../../schema/accounts.ts'

export const ROLES = ['owner', 'approver', 'viewer'] as const satisfies OwnerRole[]

const OWNERS_AT_MOST = 100

/** The people of the tenant, oldest first. */
export async function listOwners(ctx: Ctx): Promise<Owner[]> {
  mustBeAllowed(ctx, 'read')
  return await ctx.db.select().from(owners).where(eq(owners.tenantId, ctx.tenantId)).orderBy(asc(owners.id))
}

/**
 * The person who claimed the caller's tenant and has proved their address. Throws `not_claimed` if nobody has: a claim that is
 * not proved allows nothing.
 */
export async function claimedOwner({ db, tenantId }: Ctx): Promise<Owner> {
  const [owner] = await db
    .select()
    .from(owners)
    .where(and(eq(owners.tenantId, tenantId), isNotNull(owners.claimedAt)))
    .orderBy(desc(isNotNull(owners.verifiedAt)))
    .limit(1)
  if (owner?.verifiedAt) return owner
  throw new Fault(
    'not_claimed',
    owner
      ? 'The person who claimed this agent has not confirmed their address yet. They must open the link that was mailed to them.'
      : 'Nobody has claimed this agent yet. A person must open its claim_url first; GET /v1/agents/heartbeat returns it.',
  )
}

/**
 * Adds a person to the tenant and returns the letter that invites them. It names the owner who invites by their proved address,
 * and no text that an account chose. The first sign-in with a mailed link proves their
 * address. Throws `conflict` if the person is already in the tenant or the tenant is full, and `invalid` for an address
 * whose mail we receive, because an agent could read it.
 */
export async function addOwner(
  ctx: Ctx,
  request: { email: string; role: OwnerRole },
): Promise<{ owner: Owner; letter: Letter }> {
  mustBePerson(ctx)
  const address = await mustBePersonal(ctx.env, request.email, 'email')
  const { publicUrl } = settings(ctx.env)
  const id = newId('own', ctx.now)
  const [[invited]] = await ctx.db.batch([
    ctx.db
      .insert(owners)
      .select(
        sql`SELECT ${ctx.tenantId}, ${id}, ${address.email}, ${address.contact}, NULL, NULL, NULL, NULL, ${request.role},
        ${ctx.now.getTime()}
      WHERE NOT ${fragment(isReceived(':contact'), { contact: address.contact })}
        AND (SELECT count(*) FROM ${owners} WHERE ${owners.tenantId} = ${ctx.tenantId}) < ${OWNERS_AT_MOST}`,
      )
      .onConflictDoNothing()
      .returning(),
    ...audited(ctx, [
      { action: 'person.invited', target: id, detail: { email: address.email, role: request.role } },
    ]),
  ])
  if (!invited)
    throw new Fault(
      'conflict',
      `This person is already in the account, or the account has its ${OWNERS_AT_MOST} people.`,
      { field: 'email' },
    )
  const [host] = await ctx.db
    .select({ email: owners.email })
    .from(owners)
    .where(and(eq(owners.tenantId, ctx.tenantId), eq(owners.id, ownerIdOf(ctx))))
  const letter = {
    to: address.email,
    subject: 'You are invited to Moltpost',
    text: `${host?.email ?? 'An owner'} invites you to an account with the role "${request.role}". Sign in with this address:

${publicUrl}/portal

If you do not know what this is about, do nothing.
`,
  }
  return { owner: invited, letter }
}

/**
 * Gives a person another role, from the next request on. Who is no owner any more loses the credentials that they made. Throws
 * `conflict` for the last owner who has signed in.
 */
export async function changeRole(ctx: Ctx, id: string, role: OwnerRole): Promise<Owner> {
  mustBePerson(ctx)
  await ownerOf(ctx, id)
  const made = role === 'owner' ? NOTHING : await madeBy(ctx, { ownerId: id })
  const isOwner = sql`EXISTS (SELECT 1 FROM owners o
    WHERE o.tenant_id = ${ctx.tenantId} AND o.id = ${id} AND o.role = 'owner')`
  const [rows] = await ctx.db.batch([
    ctx.db
      .update(owners)
      .set({ role })
      .where(and(isPerson(ctx, id), role === 'owner' ? undefined : isNotLast(ctx, id)))
      .returning(),
    ...audited(ctx, [{ action: 'person.role_changed', target: id, detail: { role } }]),
    ...endStatements(ctx, { ownerId: id }, sql`NOT ${isOwner}`),
    ...audited(ctx, endRecords(made, { ownerId: id }), sql`NOT ${isOwner}`),
  ])
  if (rows.length === 0) throw lastOwner()
  await endStreams(ctx)
  return one(rows)
}

const NOTHING = { keys: [], smtpCredentials: [], webhooks: [] }

/**
 * Removes a person, from the next request on, with the credentials that they made, unless these are to be kept. Throws
 * `conflict` for the last owner who has signed in.
 */
export async function removeOwner(
  ctx: Ctx,
  id: string,
  { keepsMade = false }: { keepsMade?: boolean } = {},
): Promise<void> {
  mustBePerson(ctx)
  const owner = await ownerOf(ctx, id)
  const made = keepsMade ? NOTHING : await madeBy(ctx, { ownerId: id })
  const isGone = sql`NOT EXISTS (SELECT 1 FROM ${owners} gone
    WHERE gone.tenant_id = ${ctx.tenantId} AND gone.id = ${id})`
  const [removed] = await ctx.db.batch([
    ctx.db
      .delete(owners)
      .where(and(isPerson(ctx, id), isNotLast(ctx, id)))
      .returning({ id: owners.id }),
    ...audited(ctx, [{ action: 'person.removed', target: id, detail: { keepsMade } }]),
    // Another owner takes over the claim. Without one, the agent could be claimed again.
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
    ctx.db
      .delete(secondAddresses)
      .where(and(eq(secondAddresses.tenantId, ctx.tenantId), eq(secondAddresses.ownerId, id), isGone)),
    ...endStatements(ctx, { ownerId: id }, keepsMade ? sql`0` : isGone),
    ...audited(ctx, endRecords(made, { ownerId: id }), isGone),
  ])
  if (removed.length === 0) throw lastOwner()
  await endStreams(ctx)
}

/** What a person made: keys, SMTP passwords and webhooks, and what these keys made in turn. */
export async function madeByOwner(ctx: Ctx, id: string): Promise<{ owner: Owner; made: Made }> {
  mustBePerson(ctx)
  const owner = await ownerOf(ctx, id)
  return { owner, made: await madeBy(ctx, { ownerId: id }) }
}

/** Only an owner manages people: nobody may give others more rights than they have, and an agent gives none. */
function mustBePerson(ctx: Ctx) {
  mustBeAllowed(ctx, 'manage')
  if (ctx.actor.kind === 'human' && ctx.actor.role === 'owner') return
  throw new Fault(
    'human_decision_required',
    'Only a person with the role owner can add, change or remove people.',
  )
}

async function ownerOf(ctx: Ctx, id: string): Promise<Owner> {
  const [owner] = await ctx.db.select().from(owners).where(isPerson(ctx, id))
  if (!owner) throw new Fault('not_found', 'No person with this id belongs to the account.')
  return owner
}

const isPerson = (ctx: Ctx, id: string) => and(eq(owners.tenantId, ctx.tenantId), eq(owners.id, id))

/** SQL: this person is no owner, or another owner has signed in before. */
const isNotLast = (ctx: Ctx, id: string) =>
  sql`(${ne(owners.role, 'owner')} OR EXISTS (SELECT 1 FROM owners o WHERE o.tenant_id = ${ctx.tenantId}
    AND o.role = 'owner' AND o.verified_at IS NOT NULL AND o.id <> ${id}))`

const lastOwner = () =>
  new Fault('conflict', 'This is the last owner who has signed in. Make somebody else an owner first.')

const ownerIdOf = ({ actor }: Ctx) => (actor.kind === 'human' ? actor.ownerId : '')
