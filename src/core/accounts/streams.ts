import type { Env } from '../../env.ts'
import type { Ctx } from '../ground/ctx.ts'
import { eventStream } from '../ground/event-stream.ts'
import { Fault } from '../ground/fault.ts'
import { tellFailure } from '../ground/log.ts'
import { statement } from '../ground/sql.ts'
import { nameOf, type Right } from '../policy/listener.ts'
import { isLiveKey } from '../policy/live-key.ts'

/** A session that was not used for this long has ended. */
export const SESSION_IDLE_MS = 12 * 3_600_000

/**
 * The rights that still exist, each with a stamp that changes with everything it rests on. A key: its version, its agent not
 * banned or deleted, its tenant not frozen meanwhile. A session: the person's place and role in the tenant.
 */
const RIGHTS = `
  SELECT k.id, k.version || ' ' || (t.status = 'frozen') AS stamp, k.expires_at AS ends_at
  FROM keys k JOIN tenants t ON t.id = k.tenant_id
  WHERE k.tenant_id = :tenantId AND k.id IN (SELECT value FROM json_each(:ids))
    AND ${isLiveKey('k')} AND (k.agent_id IS NULL OR EXISTS (
      SELECT 1 FROM agents a WHERE a.tenant_id = k.tenant_id AND a.id = k.agent_id))
  UNION ALL
  SELECT s.id, o.id || ' ' || o.role || ' ' || (t.status = 'frozen'), s.expires_at
  FROM sessions s JOIN owners o ON o.tenant_id = s.tenant_id AND o.contact = s.contact JOIN tenants t ON t.id = s.tenant_id
  WHERE s.tenant_id = :tenantId AND s.id IN (SELECT value FROM json_each(:ids))
    AND s.expires_at > :now AND s.seen_at > :now - ${SESSION_IDLE_MS} AND (o.verified_at IS NOT NULL OR o.claimed_at IS NULL)`

const FIND = statement<{ id: string; stamp: string; ends_at: number | null }>(RIGHTS)

/** SQL: the right with the id `:rightId` exists as it was stamped. For the query that reads what its stream is sent. */
export const RIGHT_STANDS = `EXISTS (SELECT 1 FROM (${RIGHTS.replaceAll(':ids', 'json_array(:rightId)')}) WHERE stamp = :stamp)`

type At = { env: Env; now: Date; tenantId: string }

/**
 * The right that a stream of this actor rests on, and its end. Throws `unauthorized` if it was changed since the actor was read:
 * what the actor may read would then be out of date.
 */
export async function rightOf(
  ctx: Ctx,
  sessionId: string | null,
): Promise<Right & { endsAt: number | null }> {
  const { actor } = ctx
  const id = actor.kind === 'key' ? actor.keyId : (sessionId ?? '')
  const [found] = await findRights(ctx, [id])
  const isSame =
    actor.kind === 'key'
      ? found?.stamp.startsWith(`${actor.version} `)
      : actor.kind === 'human' && found?.stamp.startsWith(`${actor.ownerId} ${actor.role} `)
  if (!found || !isSame) {
    throw new Fault('unauthorized', 'The key or the session was changed a moment ago. Connect again.')
  }
  return { id, stamp: found.stamp, endsAt: found.ends_at }
}

/** Those of the rights that exist as they were stamped. */
export async function standingRights(at: At, rights: Right[]): Promise<Right[]> {
  if (rights.length === 0) return []
  const found = await findRights(at, [...new Set(rights.map(({ id }) => id))])
  const standing = new Set(found.map(nameOf))
  return rights.filter((right) => standing.has(nameOf(right)))
}

async function findRights({ env, now, tenantId }: At, ids: string[]) {
  return await FIND.all(env, { tenantId, ids: JSON.stringify(ids), now: now.getTime() })
}

/**
 * Ends the streams of a tenant whose right has changed or ended. Every change of a key, a session, a person or an agent calls it,
 * so that idle streams end at once; a stream that it misses is found out before the next event is sent.
 */
export async function endStreams(at: At): Promise<void> {
  try {
    const stream = eventStream(at.env, at.tenantId)
    const rights = await stream.rights()
    if (rights.length > 0) await stream.keep(rights, await standingRights(at, rights))
  } catch (error) {
    tellFailure('streams_not_ended', error, { tenantId: at.tenantId }, 'warn')
  }
}
