import type { Env } from '../../../env.ts'
import { sha256 } from '../../ground/hash.ts'
import { tellFailure } from '../../ground/log.ts'
import { slices } from '../../ground/slices.ts'
import { type Statement, statement } from '../../ground/sql.ts'
import { embed, quantised, type Text } from './embedding.ts'
import { embedByModel } from './model.ts'
import { beginning, words } from './words.ts'

export type Kind = 'message' | 'memory'

/** A text to index: the mailbox or agent it belongs to (`scope`), its id there, and its time in ms. */
export type Entry = Text & { scope: string; refId: string; at: number }

/** How much of each text is indexed, in bytes. */
const INDEXED = 32_768

/** SQL: the text of the entry `j` still exists. A text that was deleted meanwhile is not indexed again. */
const STILL_EXISTS: Record<Kind, string> = {
  message: `EXISTS (SELECT 1 FROM views v INDEXED BY views_by_message WHERE v.tenant_id = :tenantId AND v.message_id = j.value ->> 'refId'
    AND v.mailbox_id = j.value ->> 'scope' AND v.deleted_at IS NULL)`,
  memory: `EXISTS (SELECT 1 FROM memories m WHERE m.tenant_id = :tenantId AND m.agent_id = j.value ->> 'scope'
    AND m.key = j.value ->> 'refId')`,
}

/** Entries that are ready to be written. Vectors for Vectorize are written only after the rows. */
type Prepared = { kind: Kind; tenantId: string; rows: string[]; vectorize: VectorizeVector[] }

/**
 * The prefix of every word of a scope in the full-text index. All prefixes have the same length, so that no text and no query
 * can name a word of another scope.
 */
export async function scopeToken(kind: Kind, tenantId: string, scope: string): Promise<string> {
  return (await sha256(JSON.stringify([kind, tenantId, scope]))).slice(0, 12)
}

/** Makes entries of texts: their words, their embedded vectors and, if a model is configured, its vectors. */
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
  const answer = await embedByModel(
    env,
    entries.map(({ title, body }) => `${title}\n${body}`),
  )
  const byModel = answer !== null && 'vectors' in answer ? answer : null
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

const insertEntries = (kind: Kind) =>
  statement(
    `INSERT INTO search_entries (tenant_id, kind, scope, ref_id, row, vector, model, model_vector, created_at)
     SELECT :tenantId, '${kind}', j.value ->> 'scope', j.value ->> 'refId',
       (SELECT coalesce(max(row), 0) FROM search_entries) + row_number() OVER (ORDER BY j.key),
       j.value ->> 'vector', j.value ->> 'model', j.value ->> 'modelVector', j.value ->> 'at'
     FROM json_each(:entries) j WHERE ${STILL_EXISTS[kind]}
     ON CONFLICT (tenant_id, kind, scope, ref_id) DO UPDATE SET vector = excluded.vector, model = excluded.model,
       model_vector = excluded.model_vector, created_at = excluded.created_at`,
  )

const insertWords = (kind: Kind) =>
  statement(
    `INSERT OR REPLACE INTO search_fts (rowid, title, body, names)
     SELECT e.row, j.value ->> 'title', j.value ->> 'body', j.value ->> 'names'
     FROM json_each(:entries) j CROSS JOIN search_entries e ON e.tenant_id = :tenantId AND e.kind = '${kind}'
       AND e.scope = j.value ->> 'scope' AND e.ref_id = j.value ->> 'refId'
     WHERE ${STILL_EXISTS[kind]}`,
  )

const INSERTS: Record<Kind, Statement<never>[]> = {
  message: [insertEntries('message'), insertWords('message')],
  memory: [insertEntries('memory'), insertWords('memory')],
}

/** The statements that write entries. An entry replaces the one that its text had before. */
export function entryStatements(env: Env, { kind, tenantId, rows }: Prepared): D1PreparedStatement[] {
  return slices(rows).flatMap((entries) => INSERTS[kind].map((sql) => sql.bind(env, { tenantId, entries })))
}

/** Takes the text `:refId` out of the index. */
export const deleteEntry = statement(
  'DELETE FROM search_entries WHERE tenant_id = :tenantId AND kind = :kind AND scope = :scope AND ref_id = :refId',
)

/** Writes the model's vectors to Vectorize, if it is bound. A failure is only logged: search works without them. */
export async function keepVectors({ VECTORS }: Env, { vectorize }: Prepared): Promise<void> {
  if (!VECTORS || vectorize.length === 0) return
  await VECTORS.upsert(vectorize).catch(logFailure)
}

/** Removes the vectors of texts from Vectorize. */
export async function dropVectors(
  { VECTORS }: Env,
  kind: Kind,
  tenantId: string,
  texts: { scope: string; refId: string }[],
): Promise<void> {
  if (!VECTORS || texts.length === 0) return
  const ids = await Promise.all(texts.map(({ scope, refId }) => vectorId(kind, tenantId, scope, refId)))
  await VECTORS.deleteByIds(ids).catch(logFailure)
}

/** The id in Vectorize, which allows 64 bytes. */
async function vectorId(kind: Kind, tenantId: string, scope: string, refId: string): Promise<string> {
  return await sha256(JSON.stringify([kind, tenantId, scope, refId]))
}

function logFailure(error: unknown) {
  tellFailure('vectors_failed', error)
}
