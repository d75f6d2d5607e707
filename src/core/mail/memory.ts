import type { Env } from '../../env.ts'
import type { memories } from '../../schema/mail.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import {
  dropVectors,
  entryStatements,
  forgetStatement,
  keepVectors,
  prepareEntries,
} from './search/entries.ts'
import { parseQuery } from './search/query.ts'
import { type Arm, rank, type Vectors } from './search/rank.ts'

/** What an agent has noted under a key, for itself and across sessions. */
export type Memory = Pick<
  typeof memories.$inferSelect,
  'key' | 'value' | 'kind' | 'importance' | 'expiresAt' | 'createdAt' | 'updatedAt'
>
export type Note = Pick<Memory, 'key' | 'value' | 'kind' | 'importance' | 'expiresAt'>

/** In Unicode code points, as JSON Schema counts. */
export const KEY_AT_MOST = 256
export const VALUE_AT_MOST = 32_768
export const KIND_AT_MOST = 64
/** Keys of one agent that have not expired. */
export const MEMORIES_AT_MOST = 10_000

/** Memories that one run of the sweep removes. */
const SWEPT = 500

const NO_AGENT = 'Whose memory is meant? Use a key of an agent, or name one in the X-Agent-Id header.'

/**
 * The agent that a caller calls itself: the key's, else the one that the request names, else the one the key last
 * registered. Throws `agent_required` where there is none. Its memory is no single mailbox's: a key of mailboxes is refused.
 */
async function ownAgent(ctx: Ctx, named: string | null, wanted: 'read' | 'send'): Promise<string> {
  mustBeAllowed(ctx, wanted)
  const { actor, env, tenantId } = ctx
  const own = actor.kind === 'key' ? actor.agentId : null
  if (own !== null) {
    if (named === null || named === own) return own
    throw new Fault('agent_mismatch', 'This key belongs to another agent and cannot speak for this one.')
  }
  const row = await env.DB.prepare(
    `SELECT a.id FROM agents a WHERE a.tenant_id = ?1
       AND a.id = coalesce(?2, (SELECT k.default_agent_id FROM keys k WHERE k.tenant_id = ?1 AND k.id = ?3))`,
  )
    .bind(tenantId, named, actor.kind === 'key' ? actor.keyId : '')
    .first<{ id: string }>()
  if (row) return row.id
  throw named === null
    ? new Fault('agent_required', NO_AGENT)
    : new Fault('agent_not_found', 'No such agent.', { field: 'X-Agent-Id' })
}

const LIVES = '(m.expires_at IS NULL OR m.expires_at > ?)'
const COLUMNS = 'm.key, m.value, m.kind, m.importance, m.expires_at, m.created_at, m.updated_at'

type Row = {
  key: string
  value: string
  kind: string | null
  importance: number
  expires_at: number | null
  created_at: number
  updated_at: number
}

/**
 * The agent's keys in their own order, after one of them, without their values; and how many there are in all. `me` is, here
 * and below, the agent that the request names, or null.
 */
export async function listMemories(
  ctx: Ctx,
  me: string | null,
  page: { after: string | null; limit: number },
): Promise<{ memories: Omit<Memory, 'value'>[]; hasMore: boolean; total: number }> {
  const agentId = await ownAgent(ctx, me, 'read')
  const { env, now, tenantId } = ctx
  const [rows, counts] = await env.DB.batch([
    env.DB.prepare(
      `SELECT m.key, m.kind, m.importance, m.expires_at, m.created_at, m.updated_at FROM memories m
       WHERE m.tenant_id = ? AND m.agent_id = ? AND m.key > ? AND ${LIVES} ORDER BY m.key LIMIT ?`,
    ).bind(tenantId, agentId, page.after ?? '', now.getTime(), page.limit + 1),
    env.DB.prepare(
      `SELECT count(*) AS total FROM memories m WHERE m.tenant_id = ? AND m.agent_id = ? AND ${LIVES}`,
    ).bind(tenantId, agentId, now.getTime()),
  ])
  const found = (rows as D1Result<Row>).results
  const [count] = (counts as D1Result<{ total: number }>).results
  return {
    memories: found.slice(0, page.limit).map(memoryOf),
    hasMore: found.length > page.limit,
    total: count?.total ?? 0,
  }
}

/** What stands under a key. An expired memory is as absent as one that never was. */
export async function readMemory(ctx: Ctx, me: string | null, key: string): Promise<Memory> {
  const agentId = await ownAgent(ctx, me, 'read')
  const row = await ctx.env.DB.prepare(
    `SELECT ${COLUMNS} FROM memories m WHERE m.tenant_id = ? AND m.agent_id = ? AND m.key = ? AND ${LIVES}`,
  )
    .bind(ctx.tenantId, agentId, key, ctx.now.getTime())
    .first<Row>()
  if (!row) throw new Fault('not_found', 'There is no memory under this key.')
  return memoryOf(row)
}

/**
 * Puts a memory in the place of whatever stood under its key, together with its entry in the index: of many at the same
 * time the last stands whole. When it was first made stays, unless that one had expired.
 */
export async function keepMemory(ctx: Ctx, me: string | null, note: Note): Promise<Memory> {
  const agentId = await ownAgent(ctx, me, 'send')
  const { env, now, tenantId } = ctx
  if (note.expiresAt !== null && note.expiresAt <= now) {
    throw new Fault('invalid', 'expires_at: it must lie in the future', { field: 'expires_at' })
  }
  const prepared = await prepareEntries(env, 'memory', tenantId, [
    {
      scope: agentId,
      refId: note.key,
      at: now.getTime(),
      title: note.key,
      body: note.value,
      names: note.kind ?? '',
    },
  ])
  const [kept] = await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO memories (tenant_id, agent_id, key, value, kind, importance, expires_at, created_at, updated_at)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8
       WHERE EXISTS (SELECT 1 FROM memories m WHERE m.tenant_id = ?1 AND m.agent_id = ?2 AND m.key = ?3)
         OR (SELECT count(*) FROM memories m WHERE m.tenant_id = ?1 AND m.agent_id = ?2
           AND (m.expires_at IS NULL OR m.expires_at > ?8)) < ${MEMORIES_AT_MOST}
       ON CONFLICT (tenant_id, agent_id, key) DO UPDATE SET value = excluded.value, kind = excluded.kind,
         importance = excluded.importance, expires_at = excluded.expires_at, updated_at = excluded.updated_at,
         created_at = iif(memories.expires_at <= ?8, excluded.created_at, memories.created_at)
       RETURNING *`,
    ).bind(
      ...[tenantId, agentId, note.key, note.value, note.kind, note.importance],
      note.expiresAt?.getTime() ?? null,
      now.getTime(),
    ),
    ...entryStatements(env, prepared),
  ])
  const [row] = (kept as D1Result<Row>).results
  if (!row)
    throw new Fault('conflict', `An agent keeps at most ${MEMORIES_AT_MOST} memories: delete some first.`)
  await keepVectors(env, prepared)
  return memoryOf(row)
}

/** Deletes a memory and its entry in the index. To delete what is not there is no mistake. */
export async function deleteMemory(ctx: Ctx, me: string | null, key: string): Promise<void> {
  const agentId = await ownAgent(ctx, me, 'send')
  const { env, tenantId } = ctx
  await env.DB.batch([
    env.DB.prepare('DELETE FROM memories WHERE tenant_id = ?1 AND agent_id = ?2 AND key = ?3').bind(
      tenantId,
      agentId,
      key,
    ),
    forgetStatement(env, 'memory', tenantId, agentId, key),
  ])
  await dropVectors(env, 'memory', tenantId, [{ scope: agentId, refId: key }])
}

export type FoundMemory = Memory & { score: number }

/** The agent's memories that answer a query, of one kind where it is given: best first, of equals the newest first. */
export async function searchMemories(
  ctx: Ctx,
  me: string | null,
  { q, kind, limit, arms }: { q: string; kind: string | null; limit: number; arms?: Arm[] },
): Promise<Vectors & { found: FoundMemory[]; total: number }> {
  const agentId = await ownAgent(ctx, me, 'read')
  const { env, now, tenantId } = ctx
  const query = parseQuery(q, false)
  if (query.terms.length + query.phrases.length === 0) return { vectors: 'embedded', found: [], total: 0 }
  const ofKind = kind === null ? '' : 'AND m.kind = ?'
  const binds = [now.getTime(), ...(kind === null ? [] : [kind])]
  const { hits, ...how } = await rank(
    ctx,
    query,
    {
      kind: 'memory',
      scope: agentId,
      isNarrow: true,
      fits: `EXISTS (SELECT 1 FROM memories m WHERE m.tenant_id = e.tenant_id AND m.agent_id = e.scope
        AND m.key = e.ref_id AND ${LIVES} ${ofKind})`,
      binds,
    },
    arms,
  )
  const scores = new Map(hits.slice(0, limit).map(({ row, score }) => [row, score]))
  const { results } = await env.DB.prepare(
    `SELECT e.row, ${COLUMNS} FROM json_each(?) j
     CROSS JOIN search_entries e ON e.row = j.value AND e.tenant_id = ? AND e.kind = 'memory' AND e.scope = ?
     CROSS JOIN memories m ON m.tenant_id = e.tenant_id AND m.agent_id = e.scope AND m.key = e.ref_id
     WHERE ${LIVES} ${ofKind} ORDER BY j.key`,
  )
    .bind(JSON.stringify([...scores.keys()]), tenantId, agentId, ...binds)
    .all<Row & { row: number }>()
  const found = results.map((row) => ({ ...memoryOf(row), score: scores.get(row.row) ?? 0 }))
  return { ...how, found, total: hits.length }
}

/** Removes memories whose time is over, with their entries; nothing shows them from that moment on in any case. */
export async function forgetExpired(env: Env, now: Date): Promise<number> {
  const over = `SELECT m.tenant_id, m.agent_id, m.key FROM memories m WHERE m.expires_at <= ?1
    ORDER BY m.expires_at, m.tenant_id, m.agent_id, m.key LIMIT ${SWEPT}`
  const [, gone] = await env.DB.batch([
    env.DB.prepare(
      `DELETE FROM search_entries WHERE kind = 'memory' AND (tenant_id, scope, ref_id) IN (${over})`,
    ).bind(now.getTime()),
    env.DB.prepare(
      `DELETE FROM memories WHERE (tenant_id, agent_id, key) IN (${over}) RETURNING tenant_id, agent_id, key`,
    ).bind(now.getTime()),
  ])
  const rows = (gone as D1Result<{ tenant_id: string; agent_id: string; key: string }>).results
  for (const tenantId of env.VECTORS ? new Set(rows.map((row) => row.tenant_id)) : []) {
    const own = rows.filter((row) => row.tenant_id === tenantId)
    const texts = own.map((row) => ({ scope: row.agent_id, refId: row.key }))
    await dropVectors(env, 'memory', tenantId, texts)
  }
  return rows.length
}

function memoryOf(row: Row): Memory {
  return {
    key: row.key,
    value: row.value,
    kind: row.kind,
    importance: row.importance,
    expiresAt: row.expires_at === null ? null : new Date(row.expires_at),
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  }
}
