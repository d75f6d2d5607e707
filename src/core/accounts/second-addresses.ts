import { and, asc, eq } from 'drizzle-orm'
import { type Env, settings } from '../../env.ts'
import { secondAddresses } from '../../schema/accounts.ts'
import { type Ctx, database, prepared } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { sha256 } from '../ground/hash.ts'
import { newBearer } from '../ground/ids.ts'
import { statement } from '../ground/sql.ts'
import { audited } from '../journal/audit.ts'
import { domainOf, isReceived } from '../policy/received.ts'
import type { Letter } from './letter.ts'
import { mustBePersonal } from './personal-address.ts'

export type SecondAddress = Pick<typeof secondAddresses.$inferSelect, 'email' | 'contact' | 'verifiedAt'>

const ADDRESSES_AT_MOST = 5
/** How long the link that confirms an address is valid, in ms. */
const CONFIRM_MS = 86_400_000
const TOKEN = /^[A-Za-z0-9_-]{43}$/

/** The person's other addresses in this account. With each that is confirmed they can sign in to it, and to no other account. */
export async function listSecondAddresses(ctx: Ctx): Promise<SecondAddress[]> {
  return await ctx.db
    .select({
      email: secondAddresses.email,
      contact: secondAddresses.contact,
      verifiedAt: secondAddresses.verifiedAt,
    })
    .from(secondAddresses)
    .where(and(eq(secondAddresses.tenantId, ctx.tenantId), eq(secondAddresses.ownerId, personOf(ctx))))
    .orderBy(asc(secondAddresses.createdAt))
}

const ADD = statement(`
  INSERT INTO second_addresses (tenant_id, owner_id, email, contact, token_hash, expires_at, created_at)
  SELECT o.tenant_id, o.id, :email, :contact, :hash, :expiresAt, :now FROM owners o
  WHERE o.tenant_id = :tenantId AND o.id = :ownerId AND o.contact <> :contact AND NOT ${isReceived(':contact')}
    AND (SELECT count(*) FROM second_addresses s WHERE s.tenant_id = o.tenant_id AND s.owner_id = o.id
      AND s.contact <> :contact) < ${ADDRESSES_AT_MOST}
  ON CONFLICT (tenant_id, owner_id, contact) DO UPDATE
    SET token_hash = excluded.token_hash, expires_at = excluded.expires_at WHERE verified_at IS NULL`)

/** Adds another address of the signed-in person and returns the letter whose link confirms it. */
export async function addSecondAddress(ctx: Ctx, given: string): Promise<Letter> {
  const ownerId = personOf(ctx)
  const { email, contact } = await mustBePersonal(ctx.env, given, 'email')
  const token = newBearer()
  const [added] = await ctx.env.DB.batch([
    ADD.bind(ctx.env, {
      ...{ tenantId: ctx.tenantId, ownerId, email, contact, hash: await sha256(token) },
      ...{ now: ctx.now.getTime(), expiresAt: ctx.now.getTime() + CONFIRM_MS },
    }),
    ...audited(ctx, [{ action: 'person.address_added', target: ownerId, detail: { email } }]).map((query) =>
      prepared(ctx.env, query),
    ),
  ])
  if (added?.meta.changes === 0) {
    const message = `This address is yours already, or you have ${ADDRESSES_AT_MOST} others. Remove one first.`
    throw new Fault('conflict', message, { field: 'email' })
  }
  return {
    to: email,
    subject: 'Confirm another address for signing in to Moltpost',
    text: `Somebody who is signed in to Moltpost has given this address as another address of theirs.

If it was you, open this link within 24 hours and press the button there:

${settings(ctx.env).publicUrl}/portal/address/${token}

If it was not you, do nothing: the address counts for nothing until it is confirmed.
`,
  }
}

/** The address that a mailed link confirms, or null if the link is unknown, used or expired. Changes nothing. */
export async function findSecondAddress(
  { env, now }: { env: Env; now: Date },
  token: string,
): Promise<string | null> {
  if (!TOKEN.test(token)) return null
  const [row] = await database(env)
    .select({ email: secondAddresses.email, expiresAt: secondAddresses.expiresAt })
    .from(secondAddresses)
    .where(eq(secondAddresses.tokenHash, await sha256(token)))
  return row && row.expiresAt > now ? row.email : null
}

const CONFIRM = statement<{ email: string }>(`
  UPDATE second_addresses SET verified_at = :now, token_hash = NULL
  WHERE token_hash = :hash AND verified_at IS NULL AND expires_at > :now AND NOT ${isReceived('second_addresses.contact')}
  RETURNING email`)

/** Confirms an address by its mailed link, once. Throws `expired` for a link that is unknown, used or expired. */
export async function confirmSecondAddress(
  { env, now }: { env: Env; now: Date },
  token: string,
): Promise<string> {
  const hash = await sha256(token)
  const row = await CONFIRM.first(env, { hash, now: now.getTime() })
  if (row) return row.email
  throw new Fault('expired', 'This link was already used, or it has expired. Add the address again.')
}

const REMOVE = statement(`
  DELETE FROM second_addresses WHERE tenant_id = :tenantId AND owner_id = :ownerId AND contact = :contact
    AND (verified_at IS NULL OR NOT EXISTS (
      SELECT 1 FROM owners o JOIN domains d ON d.tenant_id = o.tenant_id AND d.domain = ${domainOf('o.contact')}
      WHERE o.tenant_id = :tenantId AND o.id = :ownerId AND d.status = 'verified')
    OR EXISTS (SELECT 1 FROM second_addresses s WHERE s.tenant_id = :tenantId AND s.owner_id = :ownerId
      AND s.contact <> :contact AND s.verified_at IS NOT NULL))`)

/** Removes an address. Throws `conflict` for the last one of a person whose own address lies in a domain of the account. */
export async function removeSecondAddress(ctx: Ctx, contact: string): Promise<void> {
  const ownerId = personOf(ctx)
  const [removed] = await ctx.env.DB.batch([
    REMOVE.bind(ctx.env, { tenantId: ctx.tenantId, ownerId, contact }),
    ...audited(ctx, [{ action: 'person.address_removed', target: ownerId }]).map((query) =>
      prepared(ctx.env, query),
    ),
  ])
  if (removed?.meta.changes !== 0) return
  throw new Fault(
    'conflict',
    'Your own address lies in a domain of this account, so you need another address to sign in with. Add another one first.',
  )
}

function personOf({ actor }: Ctx): string {
  if (actor.kind === 'human') return actor.ownerId
  throw new Fault('human_decision_required', 'Only a signed-in person has addresses to sign in with.')
}
