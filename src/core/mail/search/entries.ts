import type { Env } from '../../../env.ts'
import { sha256 } from '../../ground/hash.ts'
import { tellFailure } from '../../ground/log.ts'
import { slices } from '../../ground/slices.ts'
import { embed, quantised, type Text } from './embedding.ts'
import { embedByModel } from './model.ts'
import { beginning, words } from './words.ts'

export type Kind = 'message' | 'memory'

/** A text to be found: whose it is, by what id, and when it came to be, in ms. */
export type Entry = Text & { scope: string; refId: string; at: number }

/** More than this many bytes of a body are not indexed. */
const INDEXED = 32_768

/** What must still stand for an entry `j` to be written: nothing that was deleted in the meantime comes back. */
const STANDS: Record<Kind, string> = {
  message: `EXISTS (SELECT 1 FROM views v INDEXED BY views_by_message WHERE v.tenant_id = ?1 AND v.message_id = j.value ->> 'refId'
    AND v.mailbox_id = j.value ->> 'scope' AND v.deleted_at IS NULL)`,
  memory: `EXISTS (SELECT 1 FROM memories m WHERE m.tenant_id = ?1 AND m.agent_id = j.value ->> 'scope'
    AND m.key = j.value ->> 'refId')`,
}

/** Texts read and ready to be written: the model's vectors that are kept in Vectorize go there only after the rows. */
export type Prepared = { kind: Kind; tenantId: string; rows: string[]; vectorize: VectorizeVector[] }

/**
 * What every word of a scope begins with in the full-text index. All have the same length, so that no word of one scope
 * is ever a word of another, whatever anybody writes or asks.
 */
export async function scopeToken(kind: Kind, tenantId: string, scope: string): Promise<string> {
  return (await sha256(JSON.stringify([kind, tenantId, scope]))).slice(0, 12)
}

/** Reads texts: their words, their embedded vectors and, where there is a model, what it makes of them. */
export async function prepareEntries(
  env: Env,
  kind: Kind,
  tenantId: string,
  entries: Entry[],
): Promise<Prepared> {
  const tokens = new Map<string, string>()
  for (const scope of new Set(entries.map((entry) => entry.scope))) {
    tokens.set(scope, await scopeToken(kind, tenantId, scope))
  }
  const read = await embedByModel(
    env,
    entries.map(({ title, body }) => `${title}\n${body}`),
  )
  const byModel = read !== null && 'vectors' in read ? read : null
  const prepared: Prepared = { kind, tenantId, rows: [], vectorize: [] }
  for (const [place, entry] of entries.entries()) {
    const { scope, refId, at, title, body, names } = entry
    const token = tokens.get(scope) ?? ''
    const vector = byModel?.vectors[place]
    const scoped = (text: string) =>
      words(beginning(text, INDEXED))
        .map((word) => token + word)
        .join(' ')
    prepared.rows.push(
      JSON.stringify({
        scope,
        refId,
        at,
        title: scoped(title),
        body: scoped(body),
        names: scoped(names),
        vector: embed({ title, body, names }),
        ...(byModel === null ? {} : { model: byModel.name }),
        ...(vector === undefined || env.VECTORS ? {} : { modelVector: quantised(vector) }),
      }),
    )
    if (vector !== undefined && env.VECTORS) {
      const id = await vectorId(kind, tenantId, scope, refId)
      prepared.vectorize.push({ id, namespace: token, values: vector, metadata: { refId } })
    }
  }
  return prepared
}

/** The statements that write what was prepared, each text at one row of the index, whatever stood there before. */
export function entryStatements({ DB }: Env, { kind, tenantId, rows }: Prepared): D1PreparedStatement[] {
  return slices(rows).flatMap((slice) => [
    DB.prepare(
      `INSERT INTO search_entries (tenant_id, kind, scope, ref_id, row, vector, model, model_vector, created_at)
       SELECT ?1, ?2, j.value ->> 'scope', j.value ->> 'refId',
         (SELECT coalesce(max(row), 0) FROM search_entries) + row_number() OVER (ORDER BY j.key),
         j.value ->> 'vector', j.value ->> 'model', j.value ->> 'modelVector', j.value ->> 'at'
       FROM json_each(?3) j WHERE ${STANDS[kind]}
       ON CONFLICT (tenant_id, kind, scope, ref_id) DO UPDATE SET vector = excluded.vector, model = excluded.model,
         model_vector = excluded.model_vector, created_at = excluded.created_at`,
    ).bind(tenantId, kind, slice),
    DB.prepare(
      `INSERT OR REPLACE INTO search_fts (rowid, title, body, names)
       SELECT e.row, j.value ->> 'title', j.value ->> 'body', j.value ->> 'names'
       FROM json_each(?3) j CROSS JOIN search_entries e ON e.tenant_id = ?1 AND e.kind = ?2
         AND e.scope = j.value ->> 'scope' AND e.ref_id = j.value ->> 'refId'
       WHERE ${STANDS[kind]}`,
    ).bind(tenantId, kind, slice),
  ])
}

/** The statement that takes one text out of the index. */
export function forgetStatement(
  { DB }: Env,
  kind: Kind,
  tenantId: string,
  scope: string,
  refId: string,
): D1PreparedStatement {
  return DB.prepare(
    'DELETE FROM search_entries WHERE tenant_id = ?1 AND kind = ?2 AND scope = ?3 AND ref_id = ?4',
  ).bind(tenantId, kind, scope, refId)
}

/** Puts the model's vectors where `VECTORS` is bound. They are a help to find by: that they fail stops nothing. */
export async function keepVectors({ VECTORS }: Env, { vectorize }: Prepared): Promise<void> {
  if (!VECTORS || vectorize.length === 0) return
  await VECTORS.upsert(vectorize).catch(tellOf)
}

/** Takes the vectors of texts out of Vectorize. */
export async function dropVectors(
  { VECTORS }: Env,
  kind: Kind,
  tenantId: string,
  texts: { scope: string; refId: string }[],
): Promise<void> {
  if (!VECTORS || texts.length === 0) return
  const ids = await Promise.all(texts.map(({ scope, refId }) => vectorId(kind, tenantId, scope, refId)))
  await VECTORS.deleteByIds(ids).catch(tellOf)
}

/** An id in Vectorize: 64 bytes at most. */
async function vectorId(kind: Kind, tenantId: string, scope: string, refId: string): Promise<string> {
  return await sha256(JSON.stringify([kind, tenantId, scope, refId]))
}

function tellOf(error: unknown) {
  tellFailure('vectors_failed', error)
}
