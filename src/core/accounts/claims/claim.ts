import { and, eq, isNotNull, sql } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { agents, claims, mailboxes, owners, tenants } from '../../../schema/accounts.ts'
import { database, prepared } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { newId } from '../../ground/ids.ts'
import { fragment, statement } from '../../ground/sql.ts'
import { audited } from '../../journal/audit.ts'
import { claimantOf, isProved } from '../../policy/claim.ts'
import { isReceived } from '../../policy/received.ts'
import { hashSecret } from '../keys.ts'
import { mustBePersonal } from '../personal-address.ts'
import { isLinkToken, type LinkState, stateOf, unknownLink } from './link.ts'

type At = { env: Env; now: Date }
export type ClaimOwner = Pick<
  typeof owners.$inferSelect,
  'id' | 'email' | 'contact' | 'xHandle' | 'verifiedAt'
>

/** An agent as shown to a person who opens its claim link. */
export type Claim = {
  tenantId: string
  agent: Pick<typeof agents.$inferSelect, 'id' | 'name' | 'description' | 'status' | 'registeredAt'>
  address: string | null
  level: (typeof tenants.$inferSelect)['level']
  owner: ClaimOwner | null
  /** `used` as soon as an owner has proved their address, by whichever link. Until then others may claim the agent, too. */
  state: LinkState
}

/** The claim that a claim link leads to, or null for a link that is not ours. Changes nothing. */
export async function findClaim({ env, now }: At, token: string): Promise<Claim | null> {
  if (!isLinkToken(token)) return null
  const [row] = await claimQuery(env, await hashSecret(token))
  return row ? claimOf(row, now) : null
}

/**
 * Enters a person as the owner of an agent: `pending_claim` becomes `active`, `sandbox` becomes `supervised`. The claim counts
 * for nothing until the person has proved the address, and until then others may claim the agent, too: the first to prove
 * their address keeps it. A repeated claim with the same address is the same claim. Throws `not_found` for an unknown link,
 * `conflict` if the agent has an owner, `expired`, and `invalid` for an address that cannot be a person's.
 */
export async function claimAgent(
  at: At,
  token: string,
  request: { email: string; xHandle: string | null },
): Promise<Claim & { owner: ClaimOwner }> {
  const address = await mustBePersonal(at.env, request.email, 'email')
  const xHandle = xHandleOf(request.xHandle)
  if (!isLinkToken(token)) throw unknownLink()
  const [hash, ownerId, now] = [await hashSecret(token), newId('own', at.now), at.now.getTime()]
  const author = {
    db: database(at.env),
    now: at.now,
    tenantId: sql`(SELECT c.tenant_id FROM claims c WHERE c.token_hash = ${hash})`,
    actor: { kind: 'human', role: 'owner', ownerId } as const,
  }
  const detail = { email: address.email, xHandle }
  const { contact } = address
  await at.env.DB.batch([
    INSERT_OWNER.bind(at.env, {
      hash,
      ownerId,
      now,
      email: address.email,
      contact,
      xHandle,
    }),
    ...audited(author, [{ action: 'owner.claimed', target: ownerId, detail }]).map((query) =>
      prepared(at.env, query),
    ),
    FORGET_OLD_CLAIMS.bind(at.env, { hash, ownerId }),
    RAISE_TO_SUPERVISED.bind(at.env, { hash, ownerId }),
    ACTIVATE_AGENTS.bind(at.env, { hash, ownerId }),
  ])
  const [row] = await claimQuery(at.env, hash, contact)
  if (!row) throw unknownLink()
  const claim = claimOf(row, at.now)
  const { owner } = claim
  if (owner && claim.state === 'open') return { ...claim, owner }
  if (claim.state === 'expired')
    throw new Fault('expired', 'This claim link has expired. Ask the agent for a new one.')
  throw new Fault('conflict', 'This agent has been claimed already.')
}

/** The claim of an agent whose owner has not verified the address yet. Throws `not_found` and `conflict`. */
export async function unprovedClaim(at: At, token: string): Promise<Claim & { owner: ClaimOwner }> {
  const claim = await findClaim(at, token)
  if (!claim) throw unknownLink()
  const { owner } = claim
  if (!owner) throw new Fault('conflict', 'This agent has not been claimed yet.')
  if (owner.verifiedAt) throw new Fault('conflict', 'The address of its owner is verified already.')
  return { ...claim, owner }
}

/** Claims of one agent that are kept until one of them is proved. */
const CLAIMS_AT_MOST = 100

/** SQL: the tenant of the claim whose owner this batch has just written. Empty if the claim was refused. */
const CLAIMED_TENANT = `SELECT c.tenant_id FROM claims c WHERE c.token_hash = :hash
  AND EXISTS (SELECT 1 FROM owners o WHERE o.tenant_id = c.tenant_id AND o.id = :ownerId)`

const INSERT_OWNER = statement(`
  INSERT INTO owners (tenant_id, id, email, contact, x_handle, claimed_at)
  SELECT c.tenant_id, :ownerId, :email, :contact, :xHandle, :now FROM claims c
  WHERE c.token_hash = :hash AND c.used_at IS NULL AND c.expires_at > :now
    AND NOT ${isProved('c.tenant_id')} AND NOT ${isReceived(':contact')}
  ON CONFLICT (contact, tenant_id) DO NOTHING`)

const FORGET_OLD_CLAIMS = statement(`
  DELETE FROM owners WHERE tenant_id = (${CLAIMED_TENANT}) AND claimed_at IS NOT NULL AND id NOT IN (
    SELECT o.id FROM owners o WHERE o.tenant_id = (${CLAIMED_TENANT}) ORDER BY o.id DESC LIMIT ${CLAIMS_AT_MOST})`)

const RAISE_TO_SUPERVISED = statement(
  `UPDATE tenants SET level = 'supervised' WHERE id = (${CLAIMED_TENANT}) AND level = 'sandbox'`,
)

const ACTIVATE_AGENTS = statement(
  `UPDATE agents SET status = 'active' WHERE tenant_id = (${CLAIMED_TENANT}) AND status = 'pending_claim'`,
)

const OWNER = {
  id: owners.id,
  email: owners.email,
  contact: owners.contact,
  xHandle: owners.xHandle,
  verifiedAt: owners.verifiedAt,
}

/** The claim of a link, with the tenant's owner, or with the owner who has this address. */
function claimQuery(env: Env, tokenHash: string, contact: string | null = null) {
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
      isProved: sql<number>`${fragment(isProved('claims.tenant_id'))}`,
    })
    .from(claims)
    .innerJoin(tenants, eq(tenants.id, claims.tenantId))
    .innerJoin(agents, and(eq(agents.tenantId, claims.tenantId), eq(agents.id, FIRST_AGENT)))
    .leftJoin(
      owners,
      and(
        eq(owners.tenantId, claims.tenantId),
        isNotNull(owners.claimedAt),
        contact === null
          ? eq(owners.id, fragment(claimantOf('claims.tenant_id')))
          : eq(owners.contact, contact),
      ),
    )
    .where(eq(claims.tokenHash, tokenHash))
    .limit(1)
}

/** The agent that the tenant was opened with. */
const FIRST_AGENT = sql<string>`(SELECT min(a.id) FROM agents a WHERE a.tenant_id = ${claims.tenantId})`

type ClaimRow = Awaited<ReturnType<typeof claimQuery>>[number]

function claimOf({ usedAt, expiresAt, isProved, ...claim }: ClaimRow, now: Date): Claim {
  return { ...claim, state: stateOf(usedAt !== null || isProved === 1, expiresAt, now) }
}

function xHandleOf(given: string | null): string | null {
  const handle = given?.trim().replace(/^@/, '') ?? ''
  if (handle === '') return null
  if (/^[A-Za-z0-9_]{1,15}$/.test(handle)) return handle
  throw new Fault('invalid', 'An X handle has 1 to 15 letters, digits and underscores.', {
    field: 'x_handle',
  })
}
