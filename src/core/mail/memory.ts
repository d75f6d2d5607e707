import type { Env } from '../../env.ts'
import type { memories } from '../../schema/mail.ts'
import { agentOfKey, type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { statement } from '../ground/sql.ts'
import { deleteEntry, dropVectors, entryStatements, keepVectors, prepareEntries } from './search/entries.ts'
import { parseQuery } from './search/query.ts'
import { type Arm, rank, type Vectors } from './search/rank.ts'

/** A note that an agent keeps under a key, across its sessions. */
export type Memory = Pick<
  typeof memories.$inferSelect,
  'key' | 'value' | 'kind' | 'importance' | 'expiresAt' | 'createdAt' | 'updatedAt'
>
type Note = Pick<Memory, 'key' | 'value' | 'kind' | 'importance' | 'expiresAt'>

/** Lengths in Unicode code points, as JSON Schema counts them. */
export const KEY_AT_MOST = 256
export const VALUE_AT_MOST = 32_768
export const KIND_AT_MOST = 64
/** How many memories that have not expired one agent may have. */
export const MEMORIES_AT_MOST = 10_000

/** How many memories one run of the sweep removes at most. */
const SWEPT = 500

const NO_AGENT =
  'This request needs an agent, whose memory it is: use an API key of an agent, or name one in the X-Agent-Id header.'

const agentOfCaller = statement<{ id: string }>(
  `SELECT a.id FROM agents a WHERE a.tenant_id = :tenantId AND (a.id = :named
     OR (:named IS NULL AND (SELECT count(*) FROM agents o WHERE o.tenant_id = :tenantId) = 1))`,
)

/**
 * The agent whose memory the request is about: the key's own agent, else the one that the request names, else the only one of
 * the tenant. Throws `agent_required` if there is none, and `insufficient_scope` for a key that is limited to
 * mailboxes: a memory belongs to no single mailbox.
 */
async function ownAgent(ctx: Ctx, named: string | null, wanted: 'read' | 'send'): Promise<string> {
  mustBeAllowed(ctx, wanted)
  const { env, tenantId } = ctx
  const own = agentOfKey(ctx)
  if (own !== null) {
    if (named === null || named === own) return own
    throw new Fault('agent_mismatch', 'This key belongs to another agent and cannot speak for this one.')
  }
  const row = await agentOfCaller.first(env, { tenantId, named })
  if (row) return row.id
  throw named === null
    ? new Fault('agent_required', NO_AGENT)
    : new Fault('agent_not_found', 'No such agent.', { field: 'X-Agent-Id' })
}

/** SQL: the memory `m` has not expired at `:now`. */
const IS_ALIVE = '(m.expires_at IS NULL OR m.expires_at > :now)'
const OWN = 'm.tenant_id = :tenantId AND m.agent_id = :agentId'
const HEAD = 'm.key, m.kind, m.importance, m.expires_at, m.created_at, m.updated_at'

type Row = {
  key: string
  value: string
  kind: string | null
  importance: number
  expires_at: number | null
  created_at: number
  updated_at: number
}

const memoriesAfter = statement<Row>(
  `SELECT ${HEAD} FROM memories m WHERE ${OWN} AND m.key > :after AND ${IS_ALIVE} ORDER BY m.key LIMIT :limit`,
)
const countMemories = statement<{ total: number }>(
  `SELECT count(*) AS total FROM memories m WHERE ${OWN} AND ${IS_ALIVE}`,
)

/**
 * A page of the agent's memories by key, without their values, and how many there are in all. Here and below, `me` is the
 * agent that the request names, or null.
 */
export async function listMemories(
  ctx: Ctx,
  me: string | null,
  page: { after: string | null; limit: number },
): Promise<{ memories: Omit<Memory, 'value'>[]; hasMore: boolean; total: number }> {
  const agentId = await ownAgent(ctx, me, 'read')
  const { env, tenantId } = ctx
  const alive = { tenantId, agentId, now: ctx.now.getTime() }
  const [rows, counts] = await env.DB.batch([
    memoriesAfter.bind(env, { ...alive, after: page.after ?? '', limit: page.limit + 1 }),
    countMemories.bind(env, alive),
  ])
  const found = memoriesAfter.rows(rows)
  const [count] = countMemories.rows(counts)
  return {
    memories: found.slice(0, page.limit).map(memoryOf),
    hasMore: found.length > page.limit,
    total: count?.total ?? 0,
  }
}

const oneMemory = statement<Row>(
  `SELECT ${HEAD}, m.value FROM memories m WHERE ${OWN} AND m.key = :key AND ${IS_ALIVE}`,
)

/** The memory under a key. Throws `not_found` also for an expired memory that is not swept yet. */
export async function readMemory(ctx: Ctx, me: string | null, key: string): Promise<Memory> {
  const agentId = await ownAgent(ctx, me, 'read')
  const { env, tenantId } = ctx
  const row = await oneMemory.first(env, { tenantId, agentId, key, now: ctx.now.getTime() })
  if (!row) throw new Fault('not_found', 'There is no memory under this key.')
  return memoryOf(row)
}

const upsertMemory = statement<Row>(
  `INSERT INTO memories (tenant_id, agent_id, key, value, kind, importance, expires_at, created_at, updated_at)
   SELECT :tenantId, :agentId, :key, :value, :kind, :importance, :expiresAt, :now, :now
   WHERE EXISTS (SELECT 1 FROM memories m WHERE ${OWN} AND m.key = :key)
     OR (SELECT count(*) FROM memories m WHERE ${OWN} AND ${IS_ALIVE}) < ${MEMORIES_AT_MOST}
   ON CONFLICT (tenant_id, agent_id, key) DO UPDATE SET value = excluded.value, kind = excluded.kind,
     importance = excluded.importance, expires_at = excluded.expires_at, updated_at = excluded.updated_at,
     created_at = iif(memories.expires_at <= :now, excluded.created_at, memories.created_at)
   RETURNING *`,
)

/**
 * Writes a memory and its index entry in one batch, in place of an earlier memory under the same key. Of simultaneous writes
 * the last wins as a whole. `createdAt` stays that of the earlier memory unless it had expired.
 */
export async function keepMemory(ctx: Ctx, me: string | null, note: Note): Promise<Memory> {
  const agentId = await ownAgent(ctx, me, 'send')
  const { env, now, tenantId } = ctx
  const { key, value, kind, importance, expiresAt } = note
  if (expiresAt !== null && expiresAt <= now) {
    throw new Fault('invalid', 'expires_at: it must lie in the future', { field: 'expires_at' })
  }
  const prepared = await prepareEntries(env, 'memory', tenantId, [
    { scope: agentId, refId: key, at: now.getTime(), title: key, body: value, names: kind ?? '' },
  ])
  const [kept] = await env.DB.batch([
    upsertMemory.bind(env, {
      ...{ tenantId, agentId, key, value, kind, importance },
      expiresAt: expiresAt?.getTime() ?? null,
      now: now.getTime(),
    }),
    ...entryStatements(env, prepared),
  ])
  const [row] = upsertMemory.rows(kept)
  if (!row)
    throw new Fault('conflict', `An agent keeps at most ${MEMORIES_AT_MOST} memories: delete some first.`)
  await keepVectors(env, prepared)
  return memoryOf(row)
}

const deleteOne = statement(
  'DELETE FROM memories WHERE tenant_id = :tenantId AND agent_id = :agentId AND key = :key',
)

/** Deletes a memory and its index entry. Deleting an unknown key is no error. */
export async function deleteMemory(ctx: Ctx, me: string | null, key: string): Promise<void> {
  const agentId = await ownAgent(ctx, me, 'send')
  const { env, tenantId } = ctx
  const text = { scope: agentId, refId: key }
  await env.DB.batch([
    deleteOne.bind(env, { tenantId, agentId, key }),
    deleteEntry.bind(env, { tenantId, kind: 'memory', ...text }),
  ])
  await dropVectors(env, 'memory', tenantId, [text])
}

type FoundMemory = Memory & { score: number }

const OF_KIND = '(:kindOfMemory IS NULL OR m.kind = :kindOfMemory)'
const memoriesOfHits = statement<Row & { row: number }>(
  `SELECT e.row, ${HEAD}, m.value FROM json_each(:hits) j
   CROSS JOIN search_entries e ON e.row = j.value AND e.tenant_id = :tenantId AND e.kind = 'memory' AND e.scope = :agentId
   CROSS JOIN memories m ON m.tenant_id = e.tenant_id AND m.agent_id = e.scope AND m.key = e.ref_id
   WHERE ${IS_ALIVE} AND ${OF_KIND} ORDER BY j.key`,
)

/** The agent's memories that answer a query, all or of one kind: best first, of equals the newest first. */
export async function searchMemories(
  ctx: Ctx,
  me: string | null,
  { q, kind, limit, arms }: { q: string; kind: string | null; limit: number; arms?: Arm[] },
): Promise<Vectors & { found: FoundMemory[]; total: number }> {
  const agentId = await ownAgent(ctx, me, 'read')
  const { env, now, tenantId } = ctx
  const query = parseQuery(q, false)
  if (query.terms.length + query.phrases.length === 0) return { vectors: 'embedded', found: [], total: 0 }
  const values = { kindOfMemory: kind, now: now.getTime() }
  const { hits, ...how } = await rank(
    ctx,
    query,
    {
      kind: 'memory',
      scope: agentId,
      isNarrow: true,
      matching: `EXISTS (SELECT 1 FROM memories m WHERE m.tenant_id = e.tenant_id AND m.agent_id = e.scope
        AND m.key = e.ref_id AND ${IS_ALIVE} AND ${OF_KIND})`,
      values,
    },
    arms,
  )
  const scores = new Map(hits.slice(0, limit).map(({ row, score }) => [row, score]))
  const rows = await memoriesOfHits.all(env, {
    tenantId,
    agentId,
    hits: JSON.stringify([...scores.keys()]),
    ...values,
  })
  const found = rows.map((row) => ({ ...memoryOf(row), score: scores.get(row.row) ?? 0 }))
  return { ...how, found, total: hits.length }
}

const EXPIRED = `SELECT m.tenant_id, m.agent_id, m.key FROM memories m WHERE m.expires_at <= :now
  ORDER BY m.expires_at, m.tenant_id, m.agent_id, m.key LIMIT ${SWEPT}`
const deleteExpiredEntries = statement(
  `DELETE FROM search_entries WHERE kind = 'memory' AND (tenant_id, scope, ref_id) IN (${EXPIRED})`,
)
const deleteExpired = statement<{ tenant_id: string; agent_id: string; key: string }>(
  `DELETE FROM memories WHERE (tenant_id, agent_id, key) IN (${EXPIRED}) RETURNING tenant_id, agent_id, key`,
)

/** Removes expired memories with their entries. No read shows them even before that. Returns how many it removed. */
export async function forgetExpired(env: Env, now: Date): Promise<number> {
  const values = { now: now.getTime() }
  const [, deleted] = await env.DB.batch([
    deleteExpiredEntries.bind(env, values),
    deleteExpired.bind(env, values),
  ])
  const rows = deleteExpired.rows(deleted)
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
