import { type Env, settings } from '../../env.ts'
import { agents, claims, keys, mailboxes, owners, tenants } from '../../schema/accounts.ts'
import { parseAddress, safeHeaderText } from '../ground/address.ts'
import { type Actor, database } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId, newToken } from '../ground/ids.ts'
import { isLoopback, networkOf } from '../ground/network.ts'
import { audited } from '../journal/audit.ts'
import { throttle } from '../limits/throttle.ts'
import { CLAIM_LINK_MS, claimToken } from './claims/link.ts'
import { hashSecret, newSecret } from './keys.ts'

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
  /** Where the request came from, as the network's edge tells it; null where it tells nothing. */
  clientAddress: string | null
}

/**
 * Opens a tenant with one agent, one mailbox and one key. The key can never approve; until the owner claims the agent
 * it may read and not send. Under AUTO_CLAIM, in local development only, the owner is taken as claimed and verified.
 * Where a local part is asked for, the mailbox has that address or the fault is `conflict`.
 */
export async function register(env: Env, now: Date, request: RegistrationRequest): Promise<Registered> {
  const unsafe = safeHeaderText(request.name)
  if (unsafe !== null) throw new Fault('invalid', `name ${unsafe}`, { field: 'name' })
  const parts = localParts(request)
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

/** Opens a tenant under one address, or nothing at all where the address is taken. */
async function open(
  env: Env,
  now: Date,
  request: RegistrationRequest,
  localPart: string,
): Promise<Registered | null> {
  const { autoClaim, mailDomain } = settings(env)
  const db = database(env)
  const tenantId = newId('tenant', now)
  const agentId = newId('agent', now)
  const mailboxId = newId('mbx', now)
  const keyId = newId('key', now)
  const secret = newSecret()
  // Without a TOKEN_SECRET the link is shown this once.
  const token = claimToken(env, { id: tenantId, createdAt: now }, now) ?? `${newToken()}${newToken()}`
  const claimedAt = autoClaim ? now : null
  const level = autoClaim ? 'trusted' : 'sandbox'
  const keyPrefix = secret.slice(0, 14)
  const owner = autoClaim ? (parseAddress(request.ownerHint ?? '') ?? ownerOf(tenantId, mailDomain)) : null
  const address = `${localPart}@${mailDomain}`
  const [free] = await db
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
  if (!free) return null
  const [, opened] = await db.batch([
    db.insert(tenants).values({
      id: tenantId,
      name: request.name,
      level,
      defaultMailboxId: mailboxId,
      createdAt: now,
    }),
    db
      .insert(agents)
      .values({
        tenantId,
        id: agentId,
        name: request.name,
        description: request.description,
        status: autoClaim ? 'active' : 'pending_claim',
        lastHeartbeatAt: now,
        registeredAt: now,
      })
      .returning(),
    db.insert(keys).values({
      id: keyId,
      tenantId,
      hash: await hashSecret(secret),
      prefix: keyPrefix,
      label: 'registration',
      agentId,
      permissions: ['read', 'send', 'manage'],
      createdAt: now,
    }),
    db.insert(claims).values({
      tokenHash: await hashSecret(token),
      tenantId,
      expiresAt: new Date(now.getTime() + CLAIM_LINK_MS),
      usedAt: claimedAt,
    }),
    ...(owner
      ? [
          db.insert(owners).values({
            tenantId,
            id: newId('own', now),
            email: owner.email,
            contact: owner.contact,
            claimedAt: now,
            verifiedAt: now,
          }),
        ]
      : []),
    ...audited({ db, now, tenantId, actor: REGISTRATION }, [
      { action: 'tenant.opened', target: tenantId, detail: { name: request.name, level } },
      { action: 'agent.registered', target: agentId, detail: { name: request.name, address } },
      { action: 'key.created', target: keyId, detail: { agentId } },
    ]),
  ])
  const [agent] = opened
  if (!agent) throw new Error('the agent was not written')
  return { tenantId, agent, mailbox: free, level, secret, keyPrefix, claimToken: token, owner }
}

/**
 * Counts one registration against the network it comes from, and gives the way to take it back. Calls from this machine
 * itself are not counted in local development; where no address is told, all count together.
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

/** The local parts to try, in this order: the one asked for, or five that the name suggests. */
function localParts({ name, localPart }: { name: string; localPart?: string | null }): string[] {
  if (!localPart) return Array.from({ length: 5 }, (_, attempt) => slug(name, attempt))
  if (RESERVED.has(localPart) || RESERVED.has(localPart.replaceAll('-', ''))) throw taken(localPart)
  return [localPart]
}

const taken = (localPart: string) =>
  new Fault('conflict', `"${localPart}" is taken or reserved. Choose another.`, { field: 'agent_id' })

/** The local part that a name asks for; from the second attempt on with something random behind it. */
function slug(name: string, attempt: number): string {
  const plain = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)
  const base = plain === '' || RESERVED.has(plain) ? `agent-${plain}`.replace(/-$/, '') : plain
  return attempt === 0 && base === plain ? base : `${base}-${newToken().slice(0, 6)}`
}

/** Local parts that speak for the domain itself (RFC 2142) and must not be an agent's. */
export const RESERVED = new Set(
  'abuse admin administrator billing dns ftp help hostmaster info mailer-daemon marketing news no-reply noc noreply postmaster root sales security ssl-admin support usenet uucp webmaster www'.split(
    ' ',
  ),
)

function ownerOf(tenantId: string, mailDomain: string) {
  const email = `owner-${tenantId.slice(-8)}@${mailDomain}`
  return { email, contact: email }
}
