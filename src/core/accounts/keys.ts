import { and, desc, eq, gt, isNull, lt, notExists, or } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { agents, keys, type MailboxScope, mailboxes, type Permission } from '../../schema/accounts.ts'
import { crc62 } from '../ground/checksum.ts'
import { actorName, type Ctx, database, keyIdOf, mustBeAllowed, newCtx, one, permits } from '../ground/ctx.ts'
import { eventStream } from '../ground/event-stream.ts'
import { Fault } from '../ground/fault.ts'
import { sha256 } from '../ground/hash.ts'
import { newId } from '../ground/ids.ts'
import { audited } from '../journal/audit.ts'

export type Key = typeof keys.$inferSelect

/** The prefixes of API keys and of SMTP passwords. */
type SecretPrefix = 'mm_live_' | 'mm_smtp_'

const PREFIX = 'mm_live_'
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const WELL_FORMED = /^[0-9A-Za-z]{43}[0-9A-Za-z]{6}$/

/** A new secret: its prefix, 32 random bytes in base62, and their CRC32 in base62, which finds typing errors. */
export function newSecret(prefix: SecretPrefix = PREFIX): string {
  let value = crypto.getRandomValues(new Uint8Array(32)).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  let body = ''
  for (let i = 0; i < 43; i++) {
    body = BASE62.charAt(Number(value % 62n)) + body
    value /= 62n
  }
  return `${prefix}${body}${crc62(body)}`
}

/** Whether a text has the form and checksum of a secret. A text without them needs no database look-up. */
export function isWellFormed(secret: string, prefix: SecretPrefix = PREFIX): boolean {
  const rest = secret.slice(prefix.length)
  return secret.startsWith(prefix) && WELL_FORMED.test(rest) && crc62(rest.slice(0, -6)) === rest.slice(-6)
}

/** The first characters of a key, which are shown later to tell one key from another. */
export const shownPrefix = (secret: string) => secret.slice(0, PREFIX.length + 6)

/** The SHA-256 of a secret in hex. Only this hash is stored. */
export const hashSecret = sha256

/**
 * The context for a key. Throws `unauthorized` if it is missing, unknown, revoked, expired or a banned agent's: the
 * caller does not learn which.
 */
export async function authenticate(env: Env, now: Date, secret: string | null): Promise<Ctx> {
  const row = secret === null ? undefined : await findKey(env, now, secret)
  if (!row) throw new Fault('unauthorized', 'The API key is missing, unknown or revoked.')
  const { id: keyId, agentId, permissions, scopes, expiresAt, version } = row
  return newCtx(env, now, row.tenantId, {
    ...{ kind: 'key', keyId, agentId, permissions, scopes, expiresAt, version },
  })
}

async function findKey(env: Env, now: Date, secret: string): Promise<Key | undefined> {
  const hash = await hashSecret(secret)
  const db = database(env)
  const banned = db
    .select({ id: agents.id })
    .from(agents)
    .where(and(eq(agents.tenantId, keys.tenantId), eq(agents.id, keys.agentId), eq(agents.status, 'banned')))
  const isUnexpired = or(isNull(keys.expiresAt), gt(keys.expiresAt, now))
  const [row] = await db
    .select()
    .from(keys)
    .where(and(eq(keys.hash, hash), isNull(keys.revokedAt), isUnexpired, notExists(banned)))
  return row
}

type KeyRequest = {
  label: string | null
  agentId: string | null
  permissions: Permission[]
  scopes: MailboxScope[] | null
  expiresAt: Date | null
}

/**
 * Creates a key and returns its secret, which is never shown again. A caller can grant only permissions that it has. An
 * agent's key never gets `approve`, and the keys that it creates belong to the same agent.
 */
export async function createKey(ctx: Ctx, asked: KeyRequest): Promise<{ key: Key; secret: string }> {
  mustBeAllowed(ctx, 'manage')
  const ownAgentId = ctx.actor.kind === 'key' ? ctx.actor.agentId : null
  const request = { ...asked, agentId: asked.agentId ?? ownAgentId }
  await mustBeGrantable(ctx, request)
  const secret = newSecret()
  const id = newId('key', ctx.now)
  const hash = await hashSecret(secret)
  const [rows] = await ctx.db.batch([
    ctx.db
      .insert(keys)
      .values({
        id,
        tenantId: ctx.tenantId,
        hash,
        prefix: shownPrefix(secret),
        createdBy: actorName(ctx.actor),
        makerKeyId: keyIdOf(ctx.actor),
        createdAt: ctx.now,
        ...request,
      })
      .returning(),
    ...audited(ctx, [{ action: 'key.created', target: id, detail: request }]),
  ])
  return { key: one(rows), secret }
}

/** The tenant's keys, newest first, without their secrets. */
export async function listKeys(
  ctx: Ctx,
  page: { before?: string | undefined; limit: number },
): Promise<Key[]> {
  mustBeAllowed(ctx, 'manage')
  return await ctx.db
    .select()
    .from(keys)
    .where(and(eq(keys.tenantId, ctx.tenantId), page.before ? lt(keys.id, page.before) : undefined))
    .orderBy(desc(keys.id))
    .limit(page.limit)
}

/** Changes the label, scopes, permissions or expiry of a key. Throws `conflict` for a revoked key. */
export async function updateKey(
  ctx: Ctx,
  id: string,
  change: Partial<Omit<KeyRequest, 'agentId'>>,
): Promise<Key> {
  mustBeAllowed(ctx, 'manage')
  const standing = await keyOf(ctx, id)
  mustGovern(ctx, standing)
  if (standing.revokedAt) throw new Fault('conflict', 'This key is revoked and cannot be changed.')
  await mustBeGrantable(ctx, { ...standing, ...change })
  if (Object.keys(change).length === 0) return standing
  const [rows] = await ctx.db.batch([
    ctx.db
      .update(keys)
      .set(change)
      .where(and(eq(keys.tenantId, ctx.tenantId), eq(keys.id, id)))
      .returning(),
    ...audited(ctx, [{ action: 'key.changed', target: id, detail: change }]),
  ])
  return one(rows)
}

/** Revokes a key, from the next request on. A second call changes nothing. */
export async function revokeKey(ctx: Ctx, id: string): Promise<Key> {
  mustBeAllowed(ctx, 'manage')
  const standing = await keyOf(ctx, id)
  mustGovern(ctx, standing)
  if (standing.revokedAt) return standing
  const [rows] = await ctx.db.batch([
    ctx.db
      .update(keys)
      .set({ revokedAt: ctx.now })
      .where(and(eq(keys.tenantId, ctx.tenantId), eq(keys.id, id)))
      .returning(),
    ...audited(ctx, [{ action: 'key.revoked', target: id }]),
  ])
  await eventStream(ctx.env, ctx.tenantId).leave(id)
  return one(rows)
}

async function keyOf(ctx: Ctx, id: string): Promise<Key> {
  const [row] = await ctx.db
    .select()
    .from(keys)
    .where(and(eq(keys.tenantId, ctx.tenantId), eq(keys.id, id)))
  if (!row) throw new Fault('not_found', 'This tenant has no key with this id.')
  return row
}

/** An agent's key may change only keys of that agent. A key without `approve` may not change a key that has it. */
function mustGovern({ actor }: Ctx, key: Pick<Key, 'agentId' | 'permissions' | 'scopes'>) {
  if (actor.kind !== 'key') return
  if (actor.agentId !== null && actor.agentId !== key.agentId) {
    throw new Fault('agent_mismatch', "An agent's key can create and change keys of that agent only.", {
      field: 'agentId',
    })
  }
  const held = [...key.permissions, ...(key.scopes ?? []).flatMap((scope) => scope.permissions)]
  for (const permission of ['approve', 'loosen'] as const) {
    if (!held.includes(permission) || actor.permissions.includes(permission)) continue
    throw new Fault(
      'human_decision_required',
      `Only a person, or a key with the permission "${permission}", can create or change a key that has it.`,
    )
  }
}

async function mustBeGrantable(
  ctx: Ctx,
  { agentId, permissions, scopes }: Omit<KeyRequest, 'label' | 'expiresAt'>,
) {
  const granted = [...permissions, ...(scopes ?? []).flatMap((scope) => scope.permissions)]
  if (agentId !== null && granted.includes('approve')) {
    throw new Fault('human_decision_required', 'A key of an agent cannot approve: approving needs a person.')
  }
  if (granted.includes('loosen')) mustGiveLoosen(ctx, agentId === null && scopes === null)
  if (ctx.actor.kind === 'key') {
    const held = ctx.actor.permissions
    const lacking = granted.find((permission) => !permits(held, permission))
    if (lacking)
      throw new Fault(
        'insufficient_scope',
        `This key cannot grant the permission "${lacking}", because it does not have it.`,
      )
  }
  mustGovern(ctx, { agentId, permissions, scopes })
  if (agentId !== null) {
    const [agent] = await ctx.db
      .select({ id: agents.id })
      .from(agents)
      .where(and(eq(agents.tenantId, ctx.tenantId), eq(agents.id, agentId)))
    if (!agent)
      throw new Fault('agent_not_found', `agentId: this tenant has no agent "${agentId}".`, {
        field: 'agentId',
      })
  }
  const wanted = new Set((scopes ?? []).map((scope) => scope.mailboxId))
  if (wanted.size === 0) return
  const own = await ctx.db
    .select({ id: mailboxes.id })
    .from(mailboxes)
    .where(eq(mailboxes.tenantId, ctx.tenantId))
  const unknown = [...wanted].find((id) => !own.some((mailbox) => mailbox.id === id))
  if (unknown !== undefined) {
    throw new Fault('mailbox_not_found', `mailboxScopes: this tenant has no mailbox "${unknown}".`, {
      field: 'mailboxScopes',
    })
  }
}

/** Only an owner in person gives `loosen` to a key, and only to a key of the whole tenant. */
function mustGiveLoosen({ actor }: Ctx, isTenantWide: boolean) {
  if (isTenantWide && actor.kind === 'human') return
  const message = isTenantWide
    ? 'permissions: only a person can give a key the permission "loosen", in the portal.'
    : 'permissions: "loosen" is for keys of the whole tenant, without an agent and without mailbox scopes.'
  throw new Fault('human_decision_required', message, {
    ...{ field: 'permissions', kind: 'key', id: null },
    loosens: ['permissions'],
  })
}
