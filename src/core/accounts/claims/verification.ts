import { and, eq } from 'drizzle-orm'
import { type Env, settings } from '../../../env.ts'
import { owners, tenants, verifications } from '../../../schema/accounts.ts'
import { database, prepared } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { sha256 } from '../../ground/hash.ts'
import { newToken } from '../../ground/ids.ts'
import { statement } from '../../ground/sql.ts'
import { audited } from '../../journal/audit.ts'
import { throttle } from '../../limits/throttle.ts'
import { hasBond } from '../../policy/bond.ts'
import { isProved } from '../../policy/claim.ts'
import { isReceived } from '../../policy/received.ts'
import { hashSecret } from '../keys.ts'
import type { Letter } from '../letter.ts'
import type { Claim, ClaimOwner } from './claim.ts'
import { isLinkToken, stateOf, unknownLink } from './link.ts'

type At = { env: Env; now: Date }

export type Verification = {
  tenantId: string
  email: string
  agentName: string
  level: Claim['level']
  state: Claim['state']
}

/** How long the link in the letter is valid, in ms. */
const VERIFY_MS = 86_400_000
/** Letters to one address, for all agents that are claimed with it. */
const LETTERS = { hour: 5, day: 10 }
/** What a mailed link would verify, or null for a link that is not ours. Changes nothing, because scanners follow every link. */
export async function findVerification({ env, now }: At, token: string): Promise<Verification | null> {
  if (!isLinkToken(token)) return null
  const [row] = await verificationQuery(env, await hashSecret(token))
  if (!row) return null
  const { usedAt, expiresAt, verifiedAt, ...verification } = row
  return { ...verification, state: stateOf(usedAt !== null || verifiedAt !== null, expiresAt, now) }
}

/**
 * Marks an owner's address as verified, once, and raises `supervised` to `trusted`, or to `autonomous` if a bond is posted.
 * Never lowers a level. The first owner who proves their address keeps the agent: all other claims of it end with their links
 * and sessions, and the agent's claim links are used up. Throws `not_found`, `conflict` if it was verified before, and `expired`.
 */
export async function verifyOwner(at: At, token: string): Promise<Verification> {
  if (!isLinkToken(token)) throw unknownLink()
  const hash = await hashSecret(token)
  const db = database(at.env)
  const [asked] = await db
    .select({ tenantId: verifications.tenantId, ownerId: verifications.ownerId })
    .from(verifications)
    .where(eq(verifications.tokenHash, hash))
  const { tenantId, ownerId } = asked ?? { tenantId: '', ownerId: '' }
  const change = { hash, now: at.now.getTime() }
  const [won] = await at.env.DB.batch([
    USE_LINK.bind(at.env, change),
    ...audited({ db, now: at.now, tenantId, actor: { kind: 'human', role: 'owner', ownerId } }, [
      { action: 'owner.verified', target: ownerId },
    ]).map((query) => prepared(at.env, query)),
    VERIFY_OWNER.bind(at.env, change),
    USE_CLAIM_LINKS.bind(at.env, change),
    ...END_OTHER_CLAIMS.map((query) => query.bind(at.env, change)),
    RAISE_LEVEL.bind(at.env, { ...change, isLocal: settings(at.env).isLocal ? 1 : 0 }),
  ])
  const verification = await findVerification(at, token)
  if (!verification) throw unknownLink()
  if (won?.results.length === 1) return verification
  if (verification.state === 'expired')
    throw new Fault('expired', 'This link has expired. Ask for a new one on the claim page.')
  throw new Fault('conflict', 'This address has been verified already.')
}

/** A letter with a link that verifies an owner's address; `takeBack` revokes the link if the letter cannot be sent. */
type VerificationLetter = { letter: Letter; takeBack: () => Promise<void> }

/**
 * Writes the letter that verifies the owner's address, with a link for 24 hours, or returns when the next letter to this
 * address may be written. It names the agent by its address only, because anyone can choose a name.
 */
export async function verificationLetter(
  at: At,
  { tenantId, address, owner }: Claim & { owner: ClaimOwner },
): Promise<VerificationLetter | { retryAt: Date }> {
  const { env, now } = at
  const { publicUrl } = settings(env)
  const counted = await throttle(at, `verification:${await sha256(owner.contact)}`, LETTERS)
  if (!counted.isAllowed) return { retryAt: counted.retryAt }
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

Until then every letter of the agent waits.

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

/** SQL: the tenant and the owner that this batch has just verified. */
const VERIFIED = (columns: string) => `
  SELECT ${columns} FROM verifications v WHERE v.token_hash = :hash AND v.used_at = :now`

const USE_LINK = statement(`
  UPDATE verifications SET used_at = :now
  WHERE token_hash = :hash AND used_at IS NULL AND expires_at > :now AND EXISTS (
    SELECT 1 FROM owners o WHERE o.tenant_id = verifications.tenant_id AND o.id = verifications.owner_id
      AND o.verified_at IS NULL AND NOT ${isReceived('o.contact')})
    AND NOT ${isProved('verifications.tenant_id')}
  RETURNING tenant_id`)

const VERIFY_OWNER = statement(`
  UPDATE owners SET verified_at = :now
  WHERE verified_at IS NULL AND (tenant_id, id) = (${VERIFIED('v.tenant_id, v.owner_id')})`)

const USE_CLAIM_LINKS = statement(`
  UPDATE claims SET used_at = :now WHERE used_at IS NULL AND tenant_id = (${VERIFIED('v.tenant_id')})`)

/** SQL: the claims of the tenant that this batch has just proved, but for the one that was proved. */
const OTHER_CLAIMS = (columns: string) => `
  SELECT ${columns} FROM owners o
  WHERE o.tenant_id = (${VERIFIED('v.tenant_id')}) AND o.claimed_at IS NOT NULL AND o.verified_at IS NULL`

const END_OTHER_CLAIMS = [
  `DELETE FROM verifications WHERE tenant_id = (${VERIFIED('v.tenant_id')}) AND owner_id <> (${VERIFIED('v.owner_id')})`,
  `DELETE FROM sessions WHERE (tenant_id, contact) IN (${OTHER_CLAIMS('o.tenant_id, o.contact')})`,
  `DELETE FROM owners WHERE (tenant_id, id) IN (${OTHER_CLAIMS('o.tenant_id, o.id')})`,
].map((text) => statement(text))

const RAISE_LEVEL = statement(`
  UPDATE tenants SET level = iif(${hasBond('tenants.id')}, 'autonomous', 'trusted')
  WHERE level = 'supervised' AND id = (${VERIFIED('v.tenant_id')})`)

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
