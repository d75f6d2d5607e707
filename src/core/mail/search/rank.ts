import type { Ctx } from '../../ground/ctx.ts'
import { tellFailure } from '../../ground/log.ts'
import { DIMENSIONS, embed, nearnessTo, quantised, type Vector } from './embedding.ts'
import { type Kind, scopeToken } from './entries.ts'
import { type EmbeddingFailure, embedByModel } from './model.ts'
import { matchExpressions, type Query } from './query.ts'

/**
 * Where to look, and what an entry `e` must be for it to count: an SQL condition whose `?` stand for `binds`. It is narrow
 * where many entries do not fit; else those few that do not may come along, and the caller leaves them out.
 */
export type Place = { kind: Kind; scope: string; fits: string; binds: unknown[]; isNarrow: boolean }

export type Arm = 'keyword' | 'embedded' | 'model'

export type Hit = { row: number; at: number; score: number }

/** How the vectors were made, and why not by the model where one is configured. */
export type Vectors = { vectors: string; fallback?: EmbeddingFailure | 'vectorize_failed' }

export type Ranking = Vectors & { hits: Hit[] }

/** How many of the best each arm brings. */
const DEPTH = 200
/** What the index may hold beside what a scope still shows, as long as nothing was asked that only some would fit. */
const SPARE = 50
/** How many dimensions one search compares, of the newest texts: 5,000 embedded vectors. */
const SCANNED = 5_000 * DIMENSIONS
const ENTRIES_PER_PART = 1_000
/** Texts less near than this, by their cosine, have nothing to do with each other. */
const NEAR = { embedded: 0.17, model: 0.35 }
/** Of reciprocal rank fusion (Cormack, Clarke, Büttcher 2009). */
const K = 60
/** The most that Vectorize tells together with what it keeps beside a vector. */
const VECTORIZE_DEPTH = 50

/** What a title, a body and a name count for, in the order of the index. */
const BM25 = 'bm25(search_fts, 4.0, 1.0, 2.0)'

type Ranked = { row: number; at: number }

/**
 * The texts of one scope that answer a query, best first and of equals the newest first: by their words and by how near
 * their vectors are, fused by reciprocal rank. A score is 1 where a text is the first in every way of looking.
 */
export async function rank(
  ctx: Ctx,
  query: Query,
  place: Place,
  arms: Arm[] = ['keyword', 'embedded', 'model'],
): Promise<Ranking> {
  const token = await scopeToken(place.kind, ctx.tenantId, place.scope)
  const { any, all } = matchExpressions(query, token)
  const hasWords = any !== null
  if (!hasWords && !place.isNarrow) return { hits: [], vectors: 'embedded' }

  const asked = hasWords && arms.includes('model') ? await askModel(ctx, query.text, place, token) : null
  const statements = new Map<string, D1PreparedStatement>()
  if (any !== null && arms.includes('keyword')) statements.set('keyword', keywordStatement(ctx, place, any))
  if (hasWords && arms.includes('embedded')) {
    statements.set('embedded', scanStatement(ctx, place, 'vector', DIMENSIONS, all))
  }
  if (asked && 'vector' in asked) {
    statements.set('model', scanStatement(ctx, place, 'model_vector', asked.vector.length, all, asked.name))
  }
  if (asked && 'refIds' in asked) statements.set('model', namedStatement(ctx, place, asked.refIds, all))
  if (!hasWords) statements.set('keyword', newestStatement(ctx, place))

  const names = [...statements.keys()]
  const results = await ctx.env.DB.batch([...statements.values()])
  const rowsOf = (name: string) => results[names.indexOf(name)]?.results ?? []
  const byWords = rowsOf('keyword') as (Ranked & { vector?: string })[]

  const lists: Ranked[][] = statements.has('keyword') ? [byWords] : []
  if (statements.has('embedded')) {
    const vector = embed({ title: query.text, body: '', names: '' })
    lists.push(nearest(vector, NEAR.embedded, rowsOf('embedded') as Part[], byWords))
  }
  if (asked && 'vector' in asked) lists.push(nearest(asked.vector, NEAR.model, rowsOf('model') as Part[]))
  if (asked && 'refIds' in asked) lists.push(rowsOf('model') as Ranked[])
  const isByModel = asked !== null && !('failure' in asked)
  return {
    hits: fused(lists),
    vectors: isByModel ? asked.name : 'embedded',
    ...(asked && 'failure' in asked ? { fallback: asked.failure } : {}),
  }
}

/** Each list's n-th counts for 1 / (60 + n). */
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

/** The nearest of the vectors that were scanned and of those that were found by their words. */
function nearest(
  wanted: Vector,
  atLeast: number,
  parts: Part[],
  found: (Ranked & { vector?: string })[] = [],
): Ranked[] {
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
  for (const { row, at, vector } of found) {
    if (vector !== undefined) judge(row, at, vector, 0)
  }
  return near.sort((a, b) => b.nearness - a.nearness || b.at - a.at || b.row - a.row).slice(0, DEPTH)
}

type Asked =
  | { name: string; vector: Vector }
  | { name: string; refIds: string[] }
  | { failure: EmbeddingFailure | 'vectorize_failed' }

async function askModel({ env }: Ctx, text: string, { kind }: Place, token: string): Promise<Asked | null> {
  const read = await embedByModel(env, [text])
  if (read === null || 'failure' in read) return read
  const [values] = read.vectors
  if (values === undefined) return { failure: 'model_garbage' }
  if (!env.VECTORS) return { name: read.name, vector: quantised(values) }
  try {
    const { matches } = await env.VECTORS.query(values, {
      topK: VECTORIZE_DEPTH,
      namespace: token,
      returnMetadata: 'all',
    })
    const refIds = matches
      .filter(({ score }) => score >= NEAR.model)
      .flatMap(({ metadata }) => (typeof metadata?.refId === 'string' ? [metadata.refId] : []))
    return { name: read.name, refIds }
  } catch (error) {
    tellFailure('vectors_failed', error, { job: `search_${kind}` })
    return { failure: 'vectorize_failed' }
  }
}

const OWN = 'e.tenant_id = ? AND e.kind = ? AND e.scope = ?'

const own = ({ tenantId }: Ctx, { kind, scope }: Place) => [tenantId, kind, scope]

/** The best by their words, with their vectors: those may be older than all that is scanned. */
function keywordStatement(ctx: Ctx, place: Place, match: string): D1PreparedStatement {
  return ctx.env.DB.prepare(
    `WITH hit AS MATERIALIZED (
       SELECT rowid AS row, ${BM25} AS cost FROM search_fts WHERE search_fts MATCH ?
       ORDER BY cost, rowid DESC LIMIT ?)
     SELECT e.row, e.created_at AS at, e.vector
     FROM hit CROSS JOIN search_entries e ON e.row = hit.row
     WHERE ${OWN} AND ${place.fits} ORDER BY hit.cost, e.created_at DESC, e.row DESC LIMIT ${DEPTH}`,
  ).bind(match, place.isNarrow ? -1 : DEPTH + SPARE, ...own(ctx, place), ...place.binds)
}

/** The vectors of the newest texts, many to a row: a row for each would cost more than the vectors. */
function scanStatement(
  ctx: Ctx,
  place: Place,
  column: 'vector' | 'model_vector',
  size: number,
  all: string | null,
  model?: string,
): D1PreparedStatement {
  const phrases = all === null ? '' : 'AND e.row IN (SELECT rowid FROM search_fts WHERE search_fts MATCH ?)'
  const ofModel = model === undefined ? '' : `AND e.model = ? AND length(e.${column}) = ?`
  return ctx.env.DB.prepare(
    `SELECT group_concat(row) AS rows, group_concat(created_at) AS times, group_concat(vector, '') AS vectors
     FROM (SELECT *, row_number() OVER () / ${ENTRIES_PER_PART} AS part FROM (
       SELECT e.row, e.created_at, e.${column} AS vector FROM search_entries e
       WHERE ${OWN} ${ofModel} ${phrases} ${place.isNarrow ? `AND ${place.fits}` : ''}
       ORDER BY e.created_at DESC LIMIT ?))
     GROUP BY part`,
  ).bind(
    ...own(ctx, place),
    ...(model === undefined ? [] : [model, size]),
    ...(all === null ? [] : [all]),
    ...(place.isNarrow ? place.binds : []),
    Math.floor(SCANNED / size),
  )
}

function namedStatement(ctx: Ctx, place: Place, refIds: string[], all: string | null): D1PreparedStatement {
  const phrases = all === null ? '' : 'AND e.row IN (SELECT rowid FROM search_fts WHERE search_fts MATCH ?)'
  return ctx.env.DB.prepare(
    `SELECT e.row, e.created_at AS at FROM json_each(?) j CROSS JOIN search_entries e ON e.ref_id = j.value
     WHERE ${OWN} ${phrases} AND ${place.fits} ORDER BY j.key`,
  ).bind(JSON.stringify(refIds), ...own(ctx, place), ...(all === null ? [] : [all]), ...place.binds)
}

/** All that fits, newest first: for a query of filters alone. */
function newestStatement(ctx: Ctx, place: Place): D1PreparedStatement {
  return ctx.env.DB.prepare(
    `SELECT e.row, e.created_at AS at FROM search_entries e WHERE ${OWN} AND ${place.fits}
     ORDER BY e.created_at DESC, e.row DESC LIMIT ${DEPTH}`,
  ).bind(...own(ctx, place), ...place.binds)
}
