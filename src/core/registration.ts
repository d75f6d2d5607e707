import { type Env, settings } from '../env.ts'
import { agents, claims, keys, mailboxes, owners, tenants } from '../schema.ts'
import { parseAddress, safeHeaderText } from './address.ts'
import { database } from './ctx.ts'
import { Fault } from './fault.ts'
import { newId, newToken } from './ids.ts'
import { hashSecret, newSecret } from './keys.ts'

/** How long an owner has to claim an agent, in ms. */
const CLAIM_MS = 30 * 86_400_000

export type Registered = {
  tenantId: string
  agent: typeof agents.$inferSelect
  mailbox: typeof mailboxes.$inferSelect
  level: (typeof tenants.$inferSelect)['level']
  secret: string
  keyPrefix: string
  claimToken: string
}

/**
 * Opens a tenant with one agent, one mailbox and one key. The key can never approve; until the owner claims the agent
 * it may read and not send. Under AUTO_CLAIM, in local development only, the owner is taken as claimed and verified.
 */
export async function register(
  env: Env,
  now: Date,
  request: { name: string; description: string | null; ownerHint: string | null },
): Promise<Registered> {
  const unsafe = safeHeaderText(request.name)
  if (unsafe !== null) throw new Fault('invalid', `name ${unsafe}`, { field: 'name' })
  const { autoClaim, mailDomain } = settings(env)
  const db = database(env)
  const tenantId = newId('tenant', now)
  const agentId = newId('agent', now)
  const mailboxId = newId('mbx', now)
  const secret = newSecret()
  const claimToken = `${newToken()}${newToken()}`
  const claimedAt = autoClaim ? now : null
  const level = autoClaim ? 'trusted' : 'sandbox'
  const keyPrefix = secret.slice(0, 14)
  const owner = autoClaim ? (parseAddress(request.ownerHint ?? '') ?? ownerOf(tenantId, mailDomain)) : null

  for (let attempt = 0; attempt < 5; attempt++) {
    const address = `${slug(request.name, attempt)}@${mailDomain}`
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
    if (!free) continue
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
        id: newId('key', now),
        tenantId,
        hash: await hashSecret(secret),
        prefix: keyPrefix,
        label: 'registration',
        agentId,
        permissions: ['read', 'send', 'manage'],
        createdAt: now,
      }),
      db.insert(claims).values({
        tokenHash: await hashSecret(claimToken),
        tenantId,
        expiresAt: new Date(now.getTime() + CLAIM_MS),
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
    ])
    const [agent] = opened
    if (!agent) throw new Error('the agent was not written')
    return { tenantId, agent, mailbox: free, level, secret, keyPrefix, claimToken }
  }
  throw new Fault('conflict', 'No address is free for this name. Choose another.', { field: 'name' })
}

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
