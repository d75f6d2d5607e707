import { and, eq, isNull, or, type SQL } from 'drizzle-orm'
import { keys, smtpCredentials } from '../../schema/accounts.ts'
import { webhooks } from '../../schema/publishing.ts'
import { actorName, type Ctx } from '../ground/ctx.ts'
import { fragment, statement } from '../ground/sql.ts'
import { includes, keyMay } from '../policy/live-key.ts'

/** Who made a credential: a key, or a person. */
type Maker = { keyId: string } | { ownerId: string }

/** SQL: the ids of the key `:keyId`, of the keys that `:maker` made, and of all that descend from these. */
const LINE = `(WITH RECURSIVE line(id) AS (
  SELECT k.id FROM keys k WHERE k.tenant_id = :tenantId AND (k.id = :keyId OR k.created_by = :maker)
  UNION SELECT k.id FROM line CROSS JOIN keys k ON k.maker_key_id = line.id AND k.tenant_id = :tenantId)
  SELECT id FROM line)`

/** What a maker made, and what that made in turn, as far as it can be used. */
export type Made = {
  keys: { id: string; prefix: string; label: string | null }[]
  smtpCredentials: { id: string; name: string | null }[]
  webhooks: { id: string; url: string }[]
}

function nameOf(maker: Maker): string {
  return 'keyId' in maker ? `key:${maker.keyId}` : actorName({ kind: 'human', role: 'owner', ...maker })
}

function conditions(ctx: Ctx, maker: Maker) {
  const name = nameOf(maker)
  const values = { tenantId: ctx.tenantId, keyId: 'keyId' in maker ? maker.keyId : null, maker: name }
  const line = fragment(LINE, values)
  return {
    keys: and(eq(keys.tenantId, ctx.tenantId), isNull(keys.revokedAt), isIn('keys.id', line)),
    smtpCredentials: and(
      eq(smtpCredentials.tenantId, ctx.tenantId),
      isNull(smtpCredentials.revokedAt),
      or(eq(smtpCredentials.createdBy, name), isIn('smtp_credentials.maker_key_id', line)),
    ),
    webhooks: and(
      eq(webhooks.tenantId, ctx.tenantId),
      eq(webhooks.isActive, true),
      or(eq(webhooks.createdBy, name), isIn('webhooks.maker_key_id', line)),
    ),
  }
}

const isIn = (column: string, line: SQL) => fragment(`${column} IN `).append(line)

/** What ends if the key is revoked, itself included, or if the person's credentials are ended. */
export async function madeBy(ctx: Ctx, maker: Maker): Promise<Made> {
  const isMade = conditions(ctx, maker)
  const [made, passwords, hooks] = await ctx.db.batch([
    ctx.db.select({ id: keys.id, prefix: keys.prefix, label: keys.label }).from(keys).where(isMade.keys),
    ctx.db
      .select({ id: smtpCredentials.id, name: smtpCredentials.name })
      .from(smtpCredentials)
      .where(isMade.smtpCredentials),
    ctx.db.select({ id: webhooks.id, url: webhooks.url }).from(webhooks).where(isMade.webhooks),
  ])
  return { keys: made, smtpCredentials: passwords, webhooks: hooks }
}

/** The records of an end, for the audit log. */
export function endRecords(made: Made, why: Record<string, unknown>) {
  return [
    ...made.keys.map(({ id }) => ({ action: 'key.revoked' as const, target: id, detail: why })),
    ...made.smtpCredentials.map(({ id }) => ({
      ...{ action: 'smtp_credential.revoked' as const, target: id, detail: why },
    })),
    ...made.webhooks.map(({ id }) => ({ action: 'webhook.disabled' as const, target: id, detail: why })),
  ]
}

/**
 * The statements that end what a maker made: webhooks and SMTP credentials first, since the keys lead to them. `condition` is
 * SQL that must hold for it, such as that the person is gone.
 */
export function endStatements(ctx: Ctx, maker: Maker, condition?: SQL) {
  const isMade = conditions(ctx, maker)
  const { db, now } = ctx
  return [
    db
      .update(webhooks)
      .set({ isActive: false, disabledReason: 'maker_ended', releaseAt: now, updatedAt: now })
      .where(and(isMade.webhooks, condition)),
    db.update(smtpCredentials).set({ revokedAt: now }).where(and(isMade.smtpCredentials, condition)),
    db.update(keys).set({ revokedAt: now }).where(and(isMade.keys, condition)).returning({ id: keys.id }),
  ] as const
}

/** SQL: the permissions in `list` for which `allowed` holds. Where `manage` is lost, what it includes may stay. */
const kept = (list: string, allowed: (permission: string) => string) => `(
  SELECT json_group_array(value) FROM (
    SELECT p.value FROM json_each(${list}) p WHERE ${allowed('p.value')}
    UNION ALL
    SELECT part.value FROM json_each('["read","send"]') part
    WHERE EXISTS (SELECT 1 FROM json_each(${list}) m WHERE m.value = 'manage') AND NOT ${allowed(`'manage'`)}
      AND ${allowed('part.value')}
      AND NOT EXISTS (SELECT 1 FROM json_each(${list}) already WHERE already.value = part.value)))`

/** SQL: the mailbox scopes of the key `keys` as far as the key `top` has them. Null if both are for all mailboxes. */
const KEPT_SCOPES = `CASE WHEN keys.scopes IS NULL AND top.scopes IS NULL THEN NULL ELSE (
  SELECT json_group_array(json_object('mailboxId', m.mailbox_id, 'permissions', json(m.permissions))) FROM (
    SELECT own.value ->> 'mailboxId' AS mailbox_id,
      ${kept(`own.value -> 'permissions'`, (each) => keyMay('top', each, `own.value ->> 'mailboxId'`))} AS permissions
    FROM json_each(keys.scopes) own
    UNION ALL
    SELECT its.value ->> 'mailboxId',
      ${kept('keys.permissions', (each) => keyMay('top', each, `its.value ->> 'mailboxId'`))}
    FROM json_each(top.scopes) its WHERE keys.scopes IS NULL) m
  WHERE m.permissions <> '[]') END`

/**
 * Takes from the keys that descend from a key what that key no longer has, in the batch of its change. SMTP credentials and
 * webhooks need no change: they work only as far as the key that made them.
 */
export const NARROW = statement(`
  WITH RECURSIVE line(id) AS (
    SELECT k.id FROM keys k WHERE k.tenant_id = :tenantId AND k.maker_key_id = :keyId
    UNION SELECT k.id FROM line CROSS JOIN keys k ON k.maker_key_id = line.id AND k.tenant_id = :tenantId)
  UPDATE keys SET
    permissions = ${kept('keys.permissions', (each) => includes('top.permissions', each))},
    scopes = ${KEPT_SCOPES},
    expires_at = iif(top.expires_at IS NULL, keys.expires_at,
      min(coalesce(keys.expires_at, top.expires_at), top.expires_at))
  FROM keys top
  WHERE top.id = :keyId AND top.tenant_id = :tenantId
    AND keys.tenant_id = :tenantId AND keys.id IN (SELECT id FROM line) AND keys.revoked_at IS NULL`)

const LINE_UPWARD = statement<{ id: string }>(`
  WITH RECURSIVE up(id, maker_key_id, depth) AS (
    SELECT k.id, k.maker_key_id, 0 FROM keys k WHERE k.tenant_id = :tenantId AND k.id = coalesce(
      (SELECT c.maker_key_id FROM smtp_credentials c WHERE c.tenant_id = :tenantId AND c.id = :id), :id)
    UNION ALL
    SELECT k.id, k.maker_key_id, up.depth + 1 FROM up CROSS JOIN keys k ON k.id = up.maker_key_id
    WHERE k.tenant_id = :tenantId)
  SELECT id FROM up ORDER BY depth`)

/**
 * The keys from which a key or an SMTP credential descends, its maker first. A key is in its own line; a credential that a
 * person made has none.
 */
export async function lineOf(ctx: Ctx, credentialId: string): Promise<string[]> {
  const rows = await LINE_UPWARD.all(ctx.env, { tenantId: ctx.tenantId, id: credentialId })
  return rows.map(({ id }) => id)
}
