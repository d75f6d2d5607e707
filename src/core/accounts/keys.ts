import { and, desc, eq, isNull, lt, type SQL, sql } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { keys } from '../../schema/accounts.ts'
import { crc62 } from '../ground/checksum.ts'
import {
  actorName,
  agentOfKey,
  type Ctx,
  database,
  keyIdOf,
  mustBeAllowed,
  newCtx,
  prepared,
} from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { sha256 } from '../ground/hash.ts'
import { newId } from '../ground/ids.ts'
import { fragment } from '../ground/sql.ts'
import { audited } from '../journal/audit.ts'
import { isLiveKey } from '../policy/live-key.ts'
import { reachedBy } from '../policy/reach.ts'
import { endRecords, endStatements, lineOf, madeBy, NARROW } from './descent.ts'
import {
  beyond,
  isStanding,
  mustBePossible,
  mustGovern,
  mustGrantWithin,
  mustStillStand,
  type Rights,
} from './grants.ts'
import { endStreams } from './streams.ts'

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
  const { id: keyId, agentId, permissions, scopes, expiresAt, version, tenantId } = row.key
  const reach: string[] | null = row.reach === null ? null : JSON.parse(row.reach)
  return newCtx(env, now, tenantId, {
    ...{ kind: 'key', keyId, agentId, permissions, scopes, reach, expiresAt, version },
  })
}

async function findKey(
  env: Env,
  now: Date,
  secret: string,
): Promise<{ key: Key; reach: string | null } | undefined> {
  const [row] = await database(env)
    .select({ key: keys, reach: sql<string | null>`${fragment(reachedBy('keys'))}` })
    .from(keys)
    .where(and(eq(keys.hash, await hashSecret(secret)), fragment(isLiveKey('keys'), { now: now.getTime() })))
  return row
}

/** Without `expiresAt`, the key expires when its maker does. */
type KeyRequest = Omit<Rights, 'expiresAt'> & { label: string | null; expiresAt?: Date | null }

/**
 * Creates a key and returns its secret, which is never shown again. A key can grant only what it has itself: permissions,
 * mailboxes, its agent, and time. An agent's key never gets `approve`, and the keys that it creates belong to the same agent.
 */
export async function createKey(ctx: Ctx, asked: KeyRequest): Promise<{ key: Key; secret: string }> {
  mustBeAllowed(ctx, 'manage')
  const { actor } = ctx
  const own = actor.kind === 'key' ? actor : { agentId: null, expiresAt: null }
  const { label, permissions, scopes, expiresAt = own.expiresAt } = asked
  const rights = { agentId: asked.agentId ?? own.agentId, permissions, scopes, expiresAt }
  mustGovern(ctx, rights)
  await mustBePossible(ctx, rights)
  mustGrantWithin(ctx, rights)
  const secret = newSecret()
  const id = newId('key', ctx.now)
  const hash = await hashSecret(secret)
  const isStillAllowed = isStanding(ctx)
  const [[key]] = await ctx.db.batch([
    ctx.db
      .insert(keys)
      .select(
        sql`SELECT ${id}, ${ctx.tenantId}, ${hash}, ${shownPrefix(secret)}, ${label}, ${rights.agentId},
          ${JSON.stringify(permissions)}, ${scopes && JSON.stringify(scopes)}, ${actorName(actor)}, ${keyIdOf(actor)}, 1,
          ${ctx.now.getTime()}, ${expiresAt?.getTime() ?? null}, NULL WHERE ${isStillAllowed}`,
      )
      .returning(),
    ...audited(ctx, [{ action: 'key.created', target: id, detail: { label, ...rights } }]),
  ])
  if (key) return { key, secret }
  await mustStillStand(ctx)
  throw changedMeanwhile()
}

/** The keys that the actor may see, newest first, without their secrets: an agent's own, or all of the tenant. */
export async function listKeys(
  ctx: Ctx,
  page: { before?: string | undefined; limit: number },
): Promise<Key[]> {
  mustBeAllowed(ctx, 'manage')
  return await ctx.db
    .select()
    .from(keys)
    .where(and(isVisible(ctx), page.before ? lt(keys.id, page.before) : undefined))
    .orderBy(desc(keys.id))
    .limit(page.limit)
}

type KeyChange = Partial<Omit<Rights, 'agentId'> & { label: string | null }>

/**
 * Changes the label, scopes, permissions or expiry of a key. What is taken from a key is taken from the keys that descend from
 * it, too. A key may be given no more than its changer has, nor than the key that made it has. Throws `conflict` for a revoked
 * key.
 */
export async function updateKey(ctx: Ctx, id: string, change: KeyChange): Promise<Key> {
  mustBeAllowed(ctx, 'manage')
  const standing = await keyOf(ctx, id)
  mustGovern(ctx, standing)
  if (standing.revokedAt) throw new Fault('conflict', 'This key is revoked and cannot be changed.')
  if (Object.keys(change).length === 0) return standing
  const rights = { ...standing, ...change }
  const isWider = beyond(rights, standing) !== null
  if (isWider || change.scopes) await mustBePossible(ctx, rights)
  const isMakerSame = isWider ? await mustWiden(ctx, standing, rights) : undefined
  const isSame = and(
    ...[eq(keys.tenantId, ctx.tenantId), eq(keys.id, id), eq(keys.version, standing.version)],
    ...[isNull(keys.revokedAt), isMakerSame, isStanding(ctx)],
  )
  const changed = ctx.db.update(keys).set(change).where(isSame).returning({ id: keys.id })
  const [written] = await ctx.env.DB.batch([
    prepared(ctx.env, changed),
    ...audited(ctx, [{ action: 'key.changed', target: id, detail: change }]).map((each) =>
      prepared(ctx.env, each),
    ),
    NARROW.bind(ctx.env, { tenantId: ctx.tenantId, keyId: id }),
  ])
  await endStreams(ctx)
  if (written?.results.length) return await keyOf(ctx, id)
  await mustStillStand(ctx)
  throw changedMeanwhile()
}

/**
 * Throws unless the actor may give a key these rights, which go further than its present ones: a person, a key with `loosen`, or
 * a key that made it. Nobody gives more than the key that made it has. Returns SQL: the maker has not changed since.
 */
async function mustWiden(ctx: Ctx, standing: Key, rights: Rights): Promise<SQL | undefined> {
  mustGrantWithin(ctx, rights)
  const line = await lineOf(ctx, standing.id)
  const { actor } = ctx
  if (actor.kind === 'key' && !actor.permissions.includes('loosen') && !line.slice(1).includes(actor.keyId)) {
    const message =
      'Only a person, a key with the permission "loosen", or the key that made this key can give it more rights.'
    throw new Fault('human_decision_required', message, { kind: 'key', id: standing.id })
  }
  if (standing.makerKeyId === null) return undefined
  const maker = await keyOf(ctx, standing.makerKeyId)
  const excess = beyond(rights, maker)
  if (excess === null) {
    return sql`EXISTS (SELECT 1 FROM keys maker WHERE maker.id = ${maker.id} AND maker.version = ${maker.version})`
  }
  const message = `${excess.field}: this key was made by ${maker.id}, which does not have ${excess.what} itself. Create a new key instead.`
  throw new Fault('insufficient_scope', message, { field: excess.field })
}

/** Revokes a key and all that it made, from the next request on. A second call changes nothing. */
export async function revokeKey(ctx: Ctx, id: string): Promise<Key> {
  mustBeAllowed(ctx, 'manage')
  const standing = await keyOf(ctx, id)
  mustGovern(ctx, standing)
  if (standing.revokedAt) return standing
  const made = await madeBy(ctx, { keyId: id })
  await ctx.db.batch([...endStatements(ctx, { keyId: id }), ...audited(ctx, endRecords(made, { keyId: id }))])
  await endStreams(ctx)
  return await keyOf(ctx, id)
}

/**
 * Gives a key a new secret, which is shown once. The old one stops working at once. All else stays: the key's id, what it made,
 * and its sends. A key does this for itself and for keys that it made; a person for any.
 */
export async function rotateKey(ctx: Ctx, id: string): Promise<{ key: Key; secret: string }> {
  mustBeAllowed(ctx, 'manage')
  const standing = await keyOf(ctx, id)
  mustGovern(ctx, standing)
  const { actor } = ctx
  if (actor.kind === 'key' && !(await lineOf(ctx, id)).includes(actor.keyId)) {
    const message = 'Only a person, the key itself, or the key that made it can give a key a new secret.'
    throw new Fault('human_decision_required', message, { kind: 'key', id })
  }
  const secret = newSecret()
  const isLive = fragment(isLiveKey('keys'), { now: ctx.now.getTime() })
  const [rotated] = await ctx.db.batch([
    ctx.db
      .update(keys)
      .set({ hash: await hashSecret(secret), prefix: shownPrefix(secret) })
      .where(and(eq(keys.tenantId, ctx.tenantId), eq(keys.id, id), isLive, isStanding(ctx)))
      .returning(),
    ...audited(ctx, [{ action: 'key.rotated', target: id }]),
  ])
  const [key] = rotated
  await endStreams(ctx)
  if (key) return { key, secret }
  await mustStillStand(ctx)
  throw new Fault('conflict', 'This key is revoked or has expired. Create a new one.')
}

async function keyOf(ctx: Ctx, id: string): Promise<Key> {
  const [row] = await ctx.db
    .select()
    .from(keys)
    .where(and(isVisible(ctx), eq(keys.id, id)))
  if (!row) throw new Fault('not_found', 'This tenant has no key with this id.')
  return row
}

function isVisible(ctx: Ctx) {
  const own = agentOfKey(ctx)
  return and(eq(keys.tenantId, ctx.tenantId), own === null ? undefined : eq(keys.agentId, own))
}

const changedMeanwhile = () =>
  new Fault('conflict', 'The key was changed by somebody else at the same moment. Read it and try again.')
