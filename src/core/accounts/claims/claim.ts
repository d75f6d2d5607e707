import { and, eq, isNotNull, sql } from 'drizzle-orm'
import { type Env, settings } from '../../../env.ts'
import {
  agents,
  aliases,
  claims,
  mailboxes,
  owners,
  tenants,
  verifications,
} from '../../../schema/accounts.ts'
import { type Address, parseAddress } from '../../ground/address.ts'
import { database, prepared } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { sha256 } from '../../ground/hash.ts'
import { newId, newToken } from '../../ground/ids.ts'
import { audited } from '../../journal/audit.ts'
import { throttle } from '../../limits/throttle.ts'
import { hasBond } from '../../policy/bond.ts'
import { hashSecret } from '../keys.ts'
import type { Letter } from '../letter.ts'

type At = { env: Env; now: Date }
export type ClaimOwner = Pick<
  typeof owners.$inferSelect,
  'id' | 'email' | 'contact' | 'xHandle' | 'verifiedAt'
>

/** An agent as the person sees it who holds its claim link. */
export type Claim = {
  tenantId: string
  agent: Pick<typeof agents.$inferSelect, 'id' | 'name' | 'description' | 'status' | 'registeredAt'>
  address: string | null
  level: (typeof tenants.$inferSelect)['level']
  owner: ClaimOwner | null
  /** `used` as soon as the agent has an owner, by whichever link. */
  state: 'open' | 'used' | 'expired'
}

export type Verification = {
  tenantId: string
  email: string
  agentName: string
  level: Claim['level']
  state: Claim['state']
}

/** How long the link in the letter is good for, in ms. */
const VERIFY_MS = 86_400_000
/** Letters to one address, over all agents that somebody claims in its name. */
const LETTERS = { hour: 5, day: 10 }
const TOKEN = /^[A-Za-z0-9_-]{43,64}$/

/** What a claim link leads to, or null where it is none of ours. Nothing is changed. */
export async function findClaim({ env, now }: At, token: string): Promise<Claim | null> {
  if (!TOKEN.test(token)) return null
  const [row] = await claimQuery(env, await hashSecret(token))
  return row ? claimOf(row, now) : null
}

/**
 * Makes a person the owner of an agent, once: `pending_claim` becomes `active`, `sandbox` becomes
 * `supervised`. Of any number of claims at the same time, one wins. Faults: `not_found`, `conflict` where
 * the agent has an owner, `expired`, `invalid`.
 */
export async function claimAgent(
  at: At,
  token: string,
  request: { email: string; xHandle: string | null },
): Promise<Claim & { owner: ClaimOwner }> {
  const address = await ownAddress(at.env, request.email)
  const xHandle = xHandleOf(request.xHandle)
  if (!TOKEN.test(token)) throw unknownLink()
  const { DB } = at.env
  const [hash, ownerId, now] = [await hashSecret(token), newId('own', at.now), at.now.getTime()]
  const author = {
    db: database(at.env),
    now: at.now,
    tenantId: sql`(SELECT c.tenant_id FROM claims c WHERE c.token_hash = ${hash})`,
    actor: { kind: 'human', role: 'owner', ownerId } as const,
  }
  const detail = { email: address.email, xHandle }
  await DB.batch([
    DB.prepare(TAKE).bind(hash, ownerId, now, address.email, address.contact, xHandle),
    ...audited(author, [{ action: 'owner.claimed', target: ownerId, detail }]).map((query) =>
      prepared(at.env, query),
    ),
    DB.prepare(SPEND).bind(hash, ownerId, now),
    ...[ADMIT, ACTIVATE].map((statement) => DB.prepare(statement).bind(hash, ownerId)),
  ])
  const claim = await findClaim(at, token)
  if (!claim) throw unknownLink()
  const { owner } = claim
  if (owner?.id === ownerId) return { ...claim, owner }
  if (claim.state === 'expired')
    throw new Fault('expired', 'This claim link has run out. Ask the agent for a new one.')
  throw new Fault('conflict', 'This agent has been claimed already.')
}

/** The claim of an agent whose owner has not proved the address yet. Faults: `not_found`, `conflict`. */
export async function unprovedClaim(at: At, token: string): Promise<Claim & { owner: ClaimOwner }> {
  const claim = await findClaim(at, token)
  if (!claim) throw unknownLink()
  const { owner } = claim
  if (!owner) throw new Fault('conflict', 'This agent has not been claimed yet.')
  if (owner.verifiedAt) throw new Fault('conflict', 'The address of its owner is verified already.')
  return { ...claim, owner }
}

/** What a mailed link would verify, or null where it is none of ours. Nothing is changed: scanners follow every link. */
export async function findVerification({ env, now }: At, token: string): Promise<Verification | null> {
  if (!TOKEN.test(token)) return null
  const [row] = await verificationQuery(env, await hashSecret(token))
  if (!row) return null
  const { usedAt, expiresAt, verifiedAt, ...verification } = row
  return { ...verification, state: stateOf(usedAt !== null || verifiedAt !== null, expiresAt, now) }
}

/**
 * Takes an owner's address as proved, once, and raises `supervised` to `trusted`, or `autonomous` where a bond is posted;
 * no level is ever lowered. Faults: `not_found`, `conflict`, `expired`.
 */
export async function verifyOwner(at: At, token: string): Promise<Verification> {
  if (!TOKEN.test(token)) throw unknownLink()
  const { DB } = at.env
  const hash = await hashSecret(token)
  const db = database(at.env)
  const [asked] = await db
    .select({ tenantId: verifications.tenantId, ownerId: verifications.ownerId })
    .from(verifications)
    .where(eq(verifications.tokenHash, hash))
  const { tenantId, ownerId } = asked ?? { tenantId: '', ownerId: '' }
  const change = (statement: string) => DB.prepare(statement).bind(hash, at.now.getTime())
  const [won] = await DB.batch([
    change(PROVE),
    ...audited({ db, now: at.now, tenantId, actor: { kind: 'human', role: 'owner', ownerId } }, [
      { action: 'owner.verified', target: ownerId },
    ]).map((query) => prepared(at.env, query)),
    change(VERIFY),
    change(TRUST),
  ])
  const verification = await findVerification(at, token)
  if (!verification) throw unknownLink()
  if (won?.results.length === 1) return verification
  if (verification.state === 'expired')
    throw new Fault('expired', 'This link has run out. Ask for a new one on the claim page.')
  throw new Fault('conflict', 'This address has been verified already.')
}

/** The claim whose owner this batch has just written, which it has only if nobody was before it. */
const MINE = `SELECT c.tenant_id FROM claims c WHERE c.token_hash = ?1
  AND EXISTS (SELECT 1 FROM owners o WHERE o.tenant_id = c.tenant_id AND o.id = ?2)`

const TAKE = `
  INSERT INTO owners (tenant_id, id, email, contact, x_handle, claimed_at)
  SELECT c.tenant_id, ?2, ?4, ?5, ?6, ?3 FROM claims c
  WHERE c.token_hash = ?1 AND c.used_at IS NULL AND c.expires_at > ?3
    AND NOT EXISTS (SELECT 1 FROM owners o WHERE o.tenant_id = c.tenant_id AND o.claimed_at IS NOT NULL)`

const SPEND = `UPDATE claims SET used_at = ?3 WHERE token_hash = ?1 AND tenant_id = (${MINE})`

const ADMIT = `UPDATE tenants SET level = 'supervised' WHERE id = (${MINE}) AND level = 'sandbox'`

const ACTIVATE = `UPDATE agents SET status = 'active' WHERE tenant_id = (${MINE}) AND status = 'pending_claim'`

const PROVE = `
  UPDATE verifications SET used_at = ?2
  WHERE token_hash = ?1 AND used_at IS NULL AND expires_at > ?2 AND EXISTS (
    SELECT 1 FROM owners o WHERE o.tenant_id = verifications.tenant_id AND o.id = verifications.owner_id
      AND o.verified_at IS NULL)
  RETURNING tenant_id`

const VERIFY = `
  UPDATE owners SET verified_at = ?2
  WHERE verified_at IS NULL AND (tenant_id, id) = (
    SELECT v.tenant_id, v.owner_id FROM verifications v WHERE v.token_hash = ?1 AND v.used_at = ?2)`

const TRUST = `
  UPDATE tenants SET level = iif(${hasBond('tenants.id')}, 'autonomous', 'trusted')
  WHERE level = 'supervised'
    AND id = (SELECT v.tenant_id FROM verifications v WHERE v.token_hash = ?1 AND v.used_at = ?2)`

const OWNER = {
  id: owners.id,
  email: owners.email,
  contact: owners.contact,
  xHandle: owners.xHandle,
  verifiedAt: owners.verifiedAt,
}

function claimQuery(env: Env, tokenHash: string) {
  return database(env)
    .select({
      tenantId: claims.tenantId,
      usedAt: claims.usedAt,
      expiresAt: claims.expiresAt,
      level: tenants.level,
      agent: {
        id: agents.id,
        name: agents.name,
        description: agents.description,
        status: agents.status,
        registeredAt: agents.registeredAt,
      },
      address: sql<string | null>`(SELECT m.address FROM ${mailboxes} m
        WHERE m.tenant_id = ${agents.tenantId} AND m.agent_id = ${agents.id} ORDER BY m.id LIMIT 1)`,
      owner: OWNER,
    })
    .from(claims)
    .innerJoin(tenants, eq(tenants.id, claims.tenantId))
    .innerJoin(agents, and(eq(agents.tenantId, claims.tenantId), eq(agents.id, FIRST_AGENT)))
    .leftJoin(owners, and(eq(owners.tenantId, claims.tenantId), isNotNull(owners.claimedAt)))
    .where(eq(claims.tokenHash, tokenHash))
    .limit(1)
}

/** The agent that the tenant was opened with. */
const FIRST_AGENT = sql<string>`(SELECT min(a.id) FROM agents a WHERE a.tenant_id = ${claims.tenantId})`

type ClaimRow = Awaited<ReturnType<typeof claimQuery>>[number]

function claimOf({ usedAt, expiresAt, ...claim }: ClaimRow, now: Date): Claim {
  return { ...claim, state: stateOf(usedAt !== null || claim.owner !== null, expiresAt, now) }
}

function verificationQuery(env: Env, tokenHash: string) {
  return database(env)
    .select({
      tenantId: verifications.tenantId,
      usedAt: verifications.usedAt,
      expiresAt: verifications.expiresAt,
      email: owners.email,
      verifiedAt: owners.verifiedAt,
      level: tenants.level,
      agentName: tenants.name,
    })
    .from(verifications)
    .innerJoin(tenants, eq(tenants.id, verifications.tenantId))
    .innerJoin(owners, and(eq(owners.tenantId, verifications.tenantId), eq(owners.id, verifications.ownerId)))
    .where(eq(verifications.tokenHash, tokenHash))
}

function stateOf(isUsed: boolean, expiresAt: Date, now: Date): Claim['state'] {
  if (isUsed) return 'used'
  return expiresAt <= now ? 'expired' : 'open'
}

/** A letter that proves an owner's address, with what takes its link back if the letter cannot be sent. */
export type VerificationLetter = { letter: Letter; takeBack: () => Promise<void> }

/**
 * Writes the letter that proves the owner's address, with a link for 24 hours; or says when the next letter to this
 * address may be written. It names the agent by its address only: anyone can choose a name.
 */
export async function verificationLetter(
  at: At,
  { tenantId, address, owner }: Claim & { owner: ClaimOwner },
): Promise<VerificationLetter | { retryAt: Date }> {
  const { env, now } = at
  const { publicUrl, mailDomain } = settings(env)
  const counted = await throttle(at, `verification:${await sha256(owner.contact)}`, LETTERS)
  if (!counted.isLet) return { retryAt: counted.retryAt }
  const token = `${newToken()}${newToken()}`
  const tokenHash = await hashSecret(token)
  const expiresAt = new Date(now.getTime() + VERIFY_MS)
  const db = database(env)
  await db.insert(verifications).values({ tokenHash, tenantId, ownerId: owner.id, expiresAt })
  const letter = {
    to: owner.email,
    subject: `Confirm that you own ${address ?? 'an agent'}`,
    text: `Somebody has claimed the agent ${address ?? ''} and given this address as its owner's.

If it was you, open this link within 24 hours and press the button there:

${publicUrl}/verify/${token}

Until then every letter of the agent to addresses outside ${mailDomain} waits for a person's approval.

If it was not you, do nothing: the address counts for nothing until it is confirmed.
`,
  }
  return {
    letter,
    takeBack: async () => {
      await Promise.all([
        db.delete(verifications).where(eq(verifications.tokenHash, tokenHash)),
        counted.giveBack(),
      ])
    },
  }
}

/** An address that an agent of ours could read proves no person. */
async function ownAddress(env: Env, email: string): Promise<Address> {
  const address = parseAddress(email)
  if (!address)
    throw new Fault('invalid', `"${email.slice(0, 100)}" is not an email address.`, { field: 'email' })
  const { mailDomain } = settings(env)
  const [alias] = await database(env).select().from(aliases).where(eq(aliases.contact, address.contact))
  if (!alias && address.domain !== mailDomain && !address.domain.endsWith(`.${mailDomain}`)) return address
  throw new Fault(
    'invalid',
    `Give an address of your own: this one is an agent's, as are all at ${mailDomain}.`,
    {
      field: 'email',
    },
  )
}

function xHandleOf(given: string | null): string | null {
  const handle = given?.trim().replace(/^@/, '') ?? ''
  if (handle === '') return null
  if (/^[A-Za-z0-9_]{1,15}$/.test(handle)) return handle
  throw new Fault('invalid', 'An X handle has 1 to 15 letters, digits and underscores.', {
    field: 'x_handle',
  })
}

const unknownLink = () => new Fault('not_found', 'This link is not valid.')
