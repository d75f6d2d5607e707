import type { Ctx } from '../../ground/ctx.ts'
import { tellFailure } from '../../ground/log.ts'
import { type SqlValue, statement } from '../../ground/sql.ts'
import { DIMENSIONS, embed, nearnessTo, quantised, type Vector } from './embedding.ts'
import { type Kind, scopeToken } from './entries.ts'
import { type EmbeddingFailure, embedByModel } from './model.ts'
import { matchExpressions, type Query } from './query.ts'

/**
 * Where to search, and which entries `e` count: the SQL condition `matching` with its `values`. A narrow place excludes many
 * entries, so they are excluded before ranking. Otherwise a few excluded entries may be among the hits: the caller drops them.
 */
export type Place = {
  kind: Kind
  scope: string
  matching: string
  values: Record<string, SqlValue>
  isNarrow: boolean
}

/** A way to find texts: by words, by embedded vectors, or by the vectors of a model. */
export type Arm = 'keyword' | 'embedded' | 'model'

export type Hit = { row: number; at: number; score: number }

/** How the vectors were made, and, if a configured model was not used, why. */
export type Vectors = { vectors: string; fallback?: EmbeddingFailure | 'vectorize_failed' }

export type Ranking = Vectors & { hits: Hit[] }

/** How many hits each arm contributes at most. */
const DEPTH = 200
/** Extra hits by words, in place of entries whose text was deleted but which are still in the index. */
const SPARE = 50
/** How many dimensions one search compares, newest texts first: 5,000 embedded vectors. */
const SCANNED = 5_000 * DIMENSIONS
const ENTRIES_PER_PART = 1_000
/** The smallest cosine at which two texts count as related. */
const NEAR = { embedded: 0.17, model: 0.35 }
/** The constant of reciprocal rank fusion (Cormack, Clarke, Büttcher 2009). */
const K = 60
/** The most matches that Vectorize returns together with their metadata. */
const VECTORIZE_DEPTH = 50

/** The weights of title, body and names, in the order of the index. */
const BM25 = 'bm25(search_fts, 4.0, 1.0, 2.0)'

type Ranked = { row: number; at: number }
type ByWords = Ranked & { vector: string }

/**
 * The texts of one scope that answer a query, best first and of equals the newest first. Each arm makes a list, and the lists
 * are fused by reciprocal rank. A text that is first in every list has the score 1.
 */
export async function rank(
  ctx: Ctx,
  query: Query,
  place: Place,
  arms: Arm[] = ['keyword', 'embedded', 'model'],
): Promise<Ranking> {
  const token = await scopeToken(place.kind, ctx.tenantId, place.scope)
  const { any, all } = matchExpressions(query, token)
  if (any === null) {
    return { hits: place.isNarrow ? fused([await newest(ctx, place)]) : [], vectors: 'embedded' }
  }

  const asked = arms.includes('model') ? await askModel(ctx, query.text, place, token) : null
  const keyword = arms.includes('keyword') ? keywordSearch(ctx, place, any) : null
  const scan = arms.includes('embedded') ? vectorScan(ctx, place, 'vector', DIMENSIONS, all) : null
  const model = asked === null ? null : modelSearch(ctx, place, asked, all)
  const searches: { bound: D1PreparedStatement }[] = [keyword, scan, model].filter((each) => each !== null)
  const results = await ctx.env.DB.batch(searches.map(({ bound }) => bound))
  const resultOf = (search: { bound: D1PreparedStatement }) => results[searches.indexOf(search)]

  const byWords = keyword ? keyword.rows(resultOf(keyword)) : []
  const lists: Ranked[][] = keyword ? [byWords] : []
  if (scan) {
    const vector = embed({ title: query.text, body: '', names: '' })
    lists.push(nearest(vector, NEAR.embedded, scan.rows(resultOf(scan)), byWords))
  }
  if (model) lists.push(model.ranked(resultOf(model)))
  const isByModel = asked !== null && !('failure' in asked)
  return {
    hits: fused(lists),
    vectors: isByModel ? asked.name : 'embedded',
    ...(asked && 'failure' in asked ? { fallback: asked.failure } : {}),
  }
}

/** Reciprocal rank fusion: the n-th hit of each list counts 1 / (60 + n). */
export function fused(lists: Ranked[][]): Hit[] {
  const best = lists.length / (K + 1)
  const hits = new Map<number, Hit>()
  for (const list of lists) {
    for (const [place, { row, at }] of list.entries()) {
      const hit = hits.get(row) ?? { row, at, score: 0 }
      hit.score += 1 / (K + place + 1) / best
      hits.set(row, hit)
    }
  }
  return [...hits.values()].sort((a, b) => b.score - a.score || b.at - a.at || b.row - a.row)
}

type Part = { rows: string; times: string; vectors: string }

/** The nearest vectors among those that were scanned and those of the hits by words. */
function nearest(wanted: Vector, atLeast: number, parts: Part[], byWords: ByWords[] = []): Ranked[] {
  const near: { row: number; at: number; nearness: number }[] = []
  const seen = new Set<number>()
  const nearnessOf = nearnessTo(wanted)
  const judge = (row: number, at: number, vectors: string, from: number) => {
    if (seen.has(row)) return
    seen.add(row)
    const nearness = nearnessOf(vectors, from)
    if (nearness >= atLeast) near.push({ row, at, nearness })
  }
  for (const { rows, times, vectors } of parts) {
    const at = times.split(',')
    for (const [place, row] of rows.split(',').entries()) {
      judge(Number(row), Number(at[place]), vectors, place * wanted.length)
    }
  }
  for (const { row, at, vector } of byWords) judge(row, at, vector, 0)
  return near.sort((a, b) => b.nearness - a.nearness || b.at - a.at || b.row - a.row).slice(0, DEPTH)
}

type Asked =
  | { name: string; vector: Vector }
  | { name: string; refIds: string[] }
  | { failure: EmbeddingFailure | 'vectorize_failed' }

async function askModel({ env }: Ctx, text: string, { kind }: Place, token: string): Promise<Asked | null> {
  const answer = await embedByModel(env, [text])
  if (answer === null || 'failure' in answer) return answer
  const [values] = answer.vectors
  if (values === undefined) return { failure: 'model_garbage' }
  if (!env.VECTORS) return { name: answer.name, vector: quantised(values) }
  try {
    const { matches } = await env.VECTORS.query(values, {
      topK: VECTORIZE_DEPTH,
      namespace: token,
      returnMetadata: 'all',
    })
    const refIds = matches
      .filter(({ score }) => score >= NEAR.model)
      .flatMap(({ metadata }) => (typeof metadata?.refId === 'string' ? [metadata.refId] : []))
    return { name: answer.name, refIds }
  } catch (error) {
    tellFailure('vectors_failed', error, { job: `search_${kind}` })
    return { failure: 'vectorize_failed' }
  }
}

/** A statement of one search, ready for the batch, and the rows of its result. */
type Search<Row> = { bound: D1PreparedStatement; rows: (result: D1Result | undefined) => Row[] }

const OWN = 'e.tenant_id = :tenantId AND e.kind = :kind AND e.scope = :scope'

function search<Row>(
  { env, tenantId }: Ctx,
  { kind, scope }: Place,
  text: string,
  values: Record<string, SqlValue>,
): Search<Row> {
  const sql = statement<Row>(text)
  return { bound: sql.bind(env, { tenantId, kind, scope, ...values }), rows: sql.rows }
}

/** The best texts by their words. They bring their vectors, because they may be older than the texts that are scanned. */
function keywordSearch(ctx: Ctx, place: Place, match: string) {
  return search<ByWords>(
    ctx,
    place,
    `WITH hit AS MATERIALIZED (
       SELECT rowid AS row, ${BM25} AS cost FROM search_fts WHERE search_fts MATCH :match
       ORDER BY cost, rowid DESC LIMIT :hits)
     SELECT e.row, e.created_at AS at, e.vector
     FROM hit CROSS JOIN search_entries e ON e.row = hit.row
     WHERE ${OWN} AND ${place.matching} ORDER BY hit.cost, e.created_at DESC, e.row DESC LIMIT ${DEPTH}`,
    { match, hits: place.isNarrow ? -1 : DEPTH + SPARE, ...place.values },
  )
}

/** SQL: the entry `e` has all phrases of the query. */
const HAS_PHRASES = 'e.row IN (SELECT rowid FROM search_fts WHERE search_fts MATCH :phrases)'

/** The vectors of the newest texts, many in one row: a row for each would cost more than the vectors themselves. */
function vectorScan(
  ctx: Ctx,
  place: Place,
  column: 'vector' | 'model_vector',
  size: number,
  phrases: string | null,
  model?: string,
) {
  return search<Part>(
    ctx,
    place,
    `SELECT group_concat(row) AS rows, group_concat(created_at) AS times, group_concat(vector, '') AS vectors
     FROM (SELECT *, row_number() OVER () / ${ENTRIES_PER_PART} AS part FROM (
       SELECT e.row, e.created_at, e.${column} AS vector FROM search_entries e
       WHERE ${OWN} ${model === undefined ? '' : `AND e.model = :model AND length(e.${column}) = :size`}
         ${phrases === null ? '' : `AND ${HAS_PHRASES}`} ${place.isNarrow ? `AND ${place.matching}` : ''}
       ORDER BY e.created_at DESC LIMIT :texts))
     GROUP BY part`,
    {
      ...(model === undefined ? {} : { model, size }),
      ...(phrases === null ? {} : { phrases }),
      ...(place.isNarrow ? place.values : {}),
      texts: Math.floor(SCANNED / size),
    },
  )
}

/** The search by the model's answer to the query, or null if the model failed. */
function modelSearch(ctx: Ctx, place: Place, asked: Asked, phrases: string | null) {
  if ('failure' in asked) return null
  if ('refIds' in asked) {
    const found = textsById(ctx, place, asked.refIds, phrases)
    return { bound: found.bound, ranked: found.rows }
  }
  const scan = vectorScan(ctx, place, 'model_vector', asked.vector.length, phrases, asked.name)
  const ranked = (result: D1Result | undefined) => nearest(asked.vector, NEAR.model, scan.rows(result))
  return { bound: scan.bound, ranked }
}

/** The texts that Vectorize named, in its order. */
function textsById(ctx: Ctx, place: Place, refIds: string[], phrases: string | null) {
  return search<Ranked>(
    ctx,
    place,
    `SELECT e.row, e.created_at AS at FROM json_each(:refIds) j CROSS JOIN search_entries e ON e.ref_id = j.value
     WHERE ${OWN} ${phrases === null ? '' : `AND ${HAS_PHRASES}`} AND ${place.matching} ORDER BY j.key`,
    { refIds: JSON.stringify(refIds), ...(phrases === null ? {} : { phrases }), ...place.values },
  )
}

/** All texts of the place, newest first: the answer to a query that has only filters. */
async function newest({ env, tenantId }: Ctx, { kind, scope, matching, values }: Place): Promise<Ranked[]> {
  const sql = statement<Ranked>(
    `SELECT e.row, e.created_at AS at FROM search_entries e WHERE ${OWN} AND ${matching}
     ORDER BY e.created_at DESC, e.row DESC LIMIT ${DEPTH}`,
  )
  return await sql.all(env, { tenantId, kind, scope, ...values })
}
