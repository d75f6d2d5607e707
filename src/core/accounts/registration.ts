import { type Env, settings } from '../../env.ts'
import { agents, claims, keys, mailboxes, owners, tenants } from '../../schema/accounts.ts'
import { parseAddress } from '../ground/address.ts'
import { type Actor, actorName, type Db, database } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId, newToken } from '../ground/ids.ts'
import { isLoopback, networkOf } from '../ground/network.ts'
import { audited } from '../journal/audit.ts'
import { throttle } from '../limits/throttle.ts'
import { CLAIM_LINK_MS, claimToken } from './claims/link.ts'
import { takeAddress } from './given-addresses.ts'
import { hashSecret, newSecret, shownPrefix } from './keys.ts'
import { isReserved, mustBeOwnName, suggestLocalPart } from './local-part.ts'

export type Registered = {
  tenantId: string
  agent: typeof agents.$inferSelect
  mailbox: typeof mailboxes.$inferSelect
  level: (typeof tenants.$inferSelect)['level']
  secret: string
  keyPrefix: string
  claimToken: string
  owner: { email: string } | null
}

export type RegistrationRequest = {
  name: string
  description: string | null
  ownerHint: string | null
  localPart?: string | null
  /** The client's IP address as Cloudflare reports it, or null if it reports none. */
  clientAddress: string | null
}

/**
 * Opens a tenant with one agent, one mailbox and one key. The key can never approve, and it cannot send until an owner
 * claims the agent. With AUTO_CLAIM, in local development only, the agent is claimed and verified at once.
 *
 * Throws `conflict` if the local part that the request asks for is taken or reserved, and `too_many_registrations` if too
 * many agents registered from the same network.
 */
export async function register(env: Env, now: Date, request: RegistrationRequest): Promise<Registered> {
  const parts = localParts(env, request)
  mustBeOwnName(env, request.name, 'name')
  const giveBack = await countRegistration(env, now, request.clientAddress)
  for (const localPart of parts) {
    const registered = await open(env, now, request, localPart)
    if (registered) return registered
  }
  await giveBack()
  if (request.localPart) throw taken(request.localPart)
  throw new Fault('conflict', 'No address is free for this name. Choose another.', { field: 'name' })
}

const REGISTRATION: Actor = { kind: 'system', name: 'registration' }

/** What a new tenant is made of, before anything is written. */
type Opening = {
  request: RegistrationRequest
  now: Date
  address: string
  tenantId: string
  agentId: string
  mailboxId: string
  keyId: string
  secret: string
  claimToken: string
  /** Claimed at once, by this owner; null for an agent that a person has to claim. */
  owner: { email: string; contact: string } | null
  level: 'trusted' | 'sandbox'
}

function newOpening(env: Env, now: Date, request: RegistrationRequest, localPart: string): Opening {
  const { autoClaim, mailDomain } = settings(env)
  const tenantId = newId('tenant', now)
  return {
    request,
    now,
    address: `${localPart}@${mailDomain}`,
    tenantId,
    agentId: newId('agent', now),
    mailboxId: newId('mbx', now),
    keyId: newId('key', now),
    secret: newSecret(),
    // Without a TOKEN_SECRET the link is random, and the service cannot show it again.
    claimToken: claimToken(env, { id: tenantId, createdAt: now }, now) ?? `${newToken()}${newToken()}`,
    owner: autoClaim ? (parseAddress(request.ownerHint ?? '') ?? localOwner(tenantId, mailDomain)) : null,
    level: autoClaim ? 'trusted' : 'sandbox',
  }
}

/** Opens a tenant with this address, or returns null and writes nothing if another tenant has it or had it before. */
async function open(
  env: Env,
  now: Date,
  request: RegistrationRequest,
  localPart: string,
): Promise<Registered | null> {
  const db = database(env)
  const opening = newOpening(env, now, request, localPart)
  const { tenantId, agentId, keyId, address, secret, level, owner } = opening
  if (!(await takeAddress({ env, now }, tenantId, address))) return null
  const [mailbox] = await insertMailbox(db, opening)
  if (!mailbox) return null
  const [keyHash, tokenHash] = await Promise.all([hashSecret(secret), hashSecret(opening.claimToken)])
  const [, opened] = await db.batch([
    insertTenant(db, opening),
    insertAgent(db, opening),
    insertKey(db, opening, keyHash),
    insertClaim(db, opening, tokenHash),
    ...(owner ? [insertOwner(db, opening, owner)] : []),
    ...audited({ db, now, tenantId, actor: REGISTRATION }, [
      { action: 'tenant.opened', target: tenantId, detail: { name: request.name, level } },
      { action: 'agent.registered', target: agentId, detail: { name: request.name, address } },
      { action: 'key.created', target: keyId, detail: { agentId } },
    ]),
  ])
  const [agent] = opened
  if (!agent) throw new Error('the agent was not written')
  const keyPrefix = shownPrefix(secret)
  return { tenantId, agent, mailbox, level, secret, keyPrefix, claimToken: opening.claimToken, owner }
}

function insertMailbox(db: Db, { request, now, address, tenantId, agentId, mailboxId }: Opening) {
  return db
    .insert(mailboxes)
    .values({
      tenantId,
      id: mailboxId,
      agentId,
      address,
      contact: address,
      displayName: request.name,
      cooldownMs: 0,
      createdAt: now,
      updatedAt: now,
    })
    .onConflictDoNothing()
    .returning()
}

function insertTenant(db: Db, { request, now, tenantId, mailboxId, level }: Opening) {
  return db
    .insert(tenants)
    .values({ id: tenantId, name: request.name, level, defaultMailboxId: mailboxId, createdAt: now })
}

function insertAgent(db: Db, { request, now, tenantId, agentId, owner }: Opening) {
  return db
    .insert(agents)
    .values({
      tenantId,
      id: agentId,
      name: request.name,
      description: request.description,
      status: owner ? 'active' : 'pending_claim',
      lastHeartbeatAt: now,
      registeredAt: now,
    })
    .returning()
}

function insertKey(db: Db, { now, tenantId, agentId, keyId, secret }: Opening, hash: string) {
  return db.insert(keys).values({
    id: keyId,
    tenantId,
    hash,
    prefix: shownPrefix(secret),
    label: 'registration',
    agentId,
    permissions: ['read', 'send', 'manage'],
    createdBy: actorName(REGISTRATION),
    createdAt: now,
  })
}

function insertClaim(db: Db, { now, tenantId, owner }: Opening, tokenHash: string) {
  const expiresAt = new Date(now.getTime() + CLAIM_LINK_MS)
  return db.insert(claims).values({ tokenHash, tenantId, expiresAt, usedAt: owner ? now : null })
}

function insertOwner(db: Db, { now, tenantId }: Opening, { email, contact }: NonNullable<Opening['owner']>) {
  return db
    .insert(owners)
    .values({ tenantId, id: newId('own', now), email, contact, claimedAt: now, verifiedAt: now })
}

/**
 * Counts one registration for the network of its client, and returns a function that takes the count back. In local
 * development calls from this machine are not counted. Clients without a known address are counted together.
 */
async function countRegistration(env: Env, now: Date, address: string | null): Promise<() => Promise<void>> {
  const { isLocal, registrations } = settings(env)
  if (isLocal && (address === null || isLoopback(address))) return async () => undefined
  const network = (address === null ? null : networkOf(address)) ?? 'local'
  const counted = await throttle({ env, now }, `registration:${network}`, registrations)
  if (counted.isAllowed) return counted.giveBack
  const retryAfter = Math.ceil((counted.retryAt.getTime() - now.getTime()) / 1000)
  const message = `Too many agents have registered from this network. Try again in ${retryAfter} seconds.`
  throw new Fault('too_many_registrations', message, { retryAfter })
}

/** The local parts to try, in this order: the one asked for, or five made from the name. */
function localParts(env: Env, { name, localPart }: { name: string; localPart?: string | null }): string[] {
  if (!localPart) return Array.from({ length: 5 }, (_, attempt) => suggestLocalPart(env, name, attempt))
  if (isReserved(env, localPart)) throw taken(localPart)
  return [localPart]
}

const taken = (localPart: string) =>
  new Fault('conflict', `"${localPart}" is taken or reserved. Choose another.`, { field: 'agent_id' })

/** The owner of an agent that is claimed at once, if the request names none. */
function localOwner(tenantId: string, mailDomain: string) {
  const email = `owner-${tenantId.slice(-8)}@${mailDomain}`
  return { email, contact: email }
}
