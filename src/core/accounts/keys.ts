import { and, desc, eq, gt, isNull, lt, notExists, or } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { agents, keys, type MailboxScope, mailboxes, type Permission } from '../../schema/accounts.ts'
import { crc62 } from '../ground/checksum.ts'
import { type Ctx, database, mustBeAllowed, newCtx, one, permits } from '../ground/ctx.ts'
import { eventStream } from '../ground/event-stream.ts'
import { Fault } from '../ground/fault.ts'
import { sha256 } from '../ground/hash.ts'
import { newId } from '../ground/ids.ts'
import { audited } from '../journal/audit.ts'

export type Key = typeof keys.$inferSelect

/** What the secrets of each kind begin with: keys of the API, and passwords for SMTP. */
type SecretPrefix = 'mm_live_' | 'mm_smtp_'

const PREFIX = 'mm_live_'
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const WELL_FORMED = /^[0-9A-Za-z]{43}[0-9A-Za-z]{6}$/
/** Characters of a key that may be shown again, to tell one from another. */
const SHOWN = PREFIX.length + 6

/** A new secret: its prefix, 32 random bytes in base62 and a CRC32 in base62, so that a typo is told from a guess. */
export function newSecret(prefix: SecretPrefix = PREFIX): string {
  let value = crypto.getRandomValues(new Uint8Array(32)).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  let body = ''
  for (let i = 0; i < 43; i++) {
    body = BASE62.charAt(Number(value % 62n)) + body
    value /= 62n
  }
  return `${prefix}${body}${crc62(body)}`
}

/** Whether a text could be a secret of ours at all; a false one needs no look-up. */
export function isWellFormed(secret: string, prefix: SecretPrefix = PREFIX): boolean {
  const rest = secret.slice(prefix.length)
  return secret.startsWith(prefix) && WELL_FORMED.test(rest) && crc62(rest.slice(0, -6)) === rest.slice(-6)
}

/** SHA-256 of a key in hex: all that is stored of it. */
export const hashSecret = sha256

/** The context of whoever presents this key. Missing, unknown, revoked, expired and a banned agent's are one fault. */
export async function authenticate(env: Env, now: Date, secret: string | null): Promise<Ctx> {
  const row = secret === null ? undefined : await findKey(env, now, secret)
  if (!row) throw new Fault('unauthorized', 'The API key is missing, unknown or revoked.')
  const { id: keyId, agentId, permissions, scopes } = row
  return newCtx(env, now, row.tenantId, { kind: 'key', keyId, agentId, permissions, scopes })
}

async function findKey(env: Env, now: Date, secret: string): Promise<Key | undefined> {
  const hash = await hashSecret(secret)
  const db = database(env)
  const banned = db
    .select({ id: agents.id })
    .from(agents)
    .where(and(eq(agents.tenantId, keys.tenantId), eq(agents.id, keys.agentId), eq(agents.status, 'banned')))
  const isLiving = or(isNull(keys.expiresAt), gt(keys.expiresAt, now))
  const [row] = await db
    .select()
    .from(keys)
    .where(and(eq(keys.hash, hash), isNull(keys.revokedAt), isLiving, notExists(banned)))
  return row
}

export type KeyRequest = {
  label: string | null
  agentId: string | null
  permissions: Permission[]
  scopes: MailboxScope[] | null
  expiresAt: Date | null
}

/**
 * Creates a key and returns its secret, which is never shown again. Nobody can grant what they do not hold; a key of an
 * agent never gets `approve`, and what it creates is that agent's too.
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
        prefix: secret.slice(0, SHOWN),
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

/** Changes the label, scopes or permissions of a key that is not revoked. */
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

/** Revokes a key from the next request on. Revoking twice is once. */
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
  if (!row) throw new Fault('not_found', 'No such key.')
  return row
}

/** An agent's key governs the keys of that agent, and nobody without `approve` governs a key that has it. */
function mustGovern({ actor }: Ctx, key: Pick<Key, 'agentId' | 'permissions' | 'scopes'>) {
  if (actor.kind !== 'key') return
  if (actor.agentId !== null && actor.agentId !== key.agentId) {
    throw new Fault('agent_mismatch', "An agent's key can create and change keys of that agent only.", {
      field: 'agentId',
    })
  }
  const held = [...key.permissions, ...(key.scopes ?? []).flatMap((scope) => scope.permissions)]
  if (held.includes('approve') && !actor.permissions.includes('approve')) {
    throw new Fault(
      'human_decision_required',
      'Only a person, or a key that may approve, governs such a key.',
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
  if (ctx.actor.kind === 'key') {
    const held = ctx.actor.permissions
    const lacking = granted.find((permission) => !permits(held, permission))
    if (lacking) throw new Fault('insufficient_scope', `This key cannot grant "${lacking}", which it lacks.`)
  }
  mustGovern(ctx, { agentId, permissions, scopes })
  if (agentId !== null) {
    const [agent] = await ctx.db
      .select({ id: agents.id })
      .from(agents)
      .where(and(eq(agents.tenantId, ctx.tenantId), eq(agents.id, agentId)))
    if (!agent) throw new Fault('agent_not_found', 'No such agent.', { field: 'agentId' })
  }
  const wanted = new Set((scopes ?? []).map((scope) => scope.mailboxId))
  if (wanted.size === 0) return
  const own = await ctx.db
    .select({ id: mailboxes.id })
    .from(mailboxes)
    .where(eq(mailboxes.tenantId, ctx.tenantId))
  const unknown = [...wanted].find((id) => !own.some((mailbox) => mailbox.id === id))
  if (unknown !== undefined) {
    throw new Fault('mailbox_not_found', `No such mailbox: "${unknown}".`, { field: 'mailboxScopes' })
  }
}
