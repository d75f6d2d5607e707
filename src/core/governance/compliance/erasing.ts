import { and, eq, isNull, sql } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { erasures } from '../../../schema/governance.ts'
import { sends } from '../../../schema/sending.ts'
import { consensusObject } from '../../coordination/consensus.ts'
import { leaseObject } from '../../coordination/leases/acquire.ts'
import { database } from '../../ground/ctx.ts'
import { eventStream } from '../../ground/event-stream.ts'
import { audited } from '../../journal/audit.ts'
import { ringJobs } from '../../journal/bells.ts'
import { rateWindow } from '../../limits/reservations.ts'
import { bodyKeyOf, sentBodyKey } from '../../mail/body.ts'
import { dropVectors } from '../../mail/search/entries.ts'
import { endSubscription } from '../../payments/billing/standing.ts'
import { listOf, TENANT_TABLES } from './tables.ts'

/** How long what began before the request may still be under way, in ms: a consumer holds a send for 90 s. */
export const SETTLE_MS = 120_000
/** When the sweep rings again for an erasure that somebody works on, in ms. */
const AGAIN_MS = 60_000
/** Steps of one turn, which keep it far below what one invocation may ask for; then it rings for the next. */
const STEPS_AT_ONCE = 200
const ROWS_AT_ONCE = 500
/** Pages of the search index that one call writes anew, and calls of one turn. */
const PAGES_AT_ONCE = 500
const MERGES_AT_ONCE = 20
/** Sends and objects that one step looks at: each may take calls of its own. */
const OBJECTS_AT_ONCE = 50

/** Where a tenant's files lie in R2. */
const FOLDERS = ['arrivals', 'archives', 'bodies', 'files', 'rendered']

const ERASER = { kind: 'system', name: 'erasure' } as const

type At = { env: Env; tenantId: string; now: Date }
type Erased = { rows: number; objects: number }
type Step = (at: At) => Promise<Erased>

/**
 * Erases some of a tenant, and rings for the rest. Whatever is erased is found by its rows, which go last, so that it may
 * be stopped anywhere, begun again and run twice. It is complete once nothing is left and nothing that began before the
 * request can still be under way.
 */
export async function eraseSome(env: Env, tenantId: string, clock: () => Date): Promise<void> {
  const db = database(env)
  const isOpen = and(eq(erasures.tenantId, tenantId), isNull(erasures.completedAt))
  const [erasure] = await db
    .update(erasures)
    .set({ nextAt: new Date(clock().getTime() + AGAIN_MS) })
    .where(isOpen)
    .returning()
  if (!erasure) return
  const at = { env, tenantId, now: clock() }
  await Promise.all([rateWindow(at, tenantId).erase(), eventStream(env, tenantId).erase()])
  const done = { rows: 0, objects: 0 }
  let left = STEPS_AT_ONCE
  for (const step of STEPS) {
    for (; left > 0; left--) {
      const { rows, objects } = await step(at)
      done.rows += rows
      done.objects += objects
      if (rows + objects === 0) break
    }
  }
  if (left > 0) await eraseWords(at)
  const tally = {
    rowsErased: sql`${erasures.rowsErased} + ${done.rows}`,
    objectsErased: sql`${erasures.objectsErased} + ${done.objects}`,
  }
  const settledAt = erasure.startedAt.getTime() + SETTLE_MS
  const [held] = await db
    .select({ until: sql<number | null>`max(${sends.lockUntil})` })
    .from(sends)
    .where(eq(sends.tenantId, tenantId))
  const waitsUntil = new Date(Math.max(settledAt, held?.until ?? 0))
  if (left === 0) {
    await db.update(erasures).set(tally).where(isOpen)
    await ringJobs(env, [{ tenantId, erasure: true }])
  } else if (at.now < waitsUntil) {
    await db
      .update(erasures)
      .set({ ...tally, nextAt: waitsUntil })
      .where(isOpen)
  } else {
    const author = { db, now: clock(), tenantId, actor: ERASER } as const
    await db.batch([
      db
        .update(erasures)
        .set({ ...tally, completedAt: clock(), nextAt: null })
        .where(isOpen),
      ...audited(author, [{ action: 'tenant.erased', target: erasure.id }]),
    ])
  }
}

const none: Erased = { rows: 0, objects: 0 }

/** The holds on contacts, one object each. */
const eraseLeases: Step = async ({ env, tenantId }) => {
  const { results } = await env.DB.prepare(
    `SELECT contact FROM leases WHERE tenant_id = ?1 UNION SELECT contact FROM lease_events WHERE tenant_id = ?1
     LIMIT ${OBJECTS_AT_ONCE}`,
  )
    .bind(tenantId)
    .all<{ contact: string }>()
  if (results.length === 0) return none
  const contacts = results.map(({ contact }) => contact)
  await Promise.all(contacts.map((contact) => leaseObject({ env, tenantId }, contact).erase()))
  const erased = await env.DB.batch(
    ['leases', 'lease_events'].map((table) =>
      env.DB.prepare(
        `DELETE FROM ${table} WHERE tenant_id = ?1 AND contact IN (SELECT value FROM json_each(?2))`,
      ).bind(tenantId, JSON.stringify(contacts)),
    ),
  )
  return { rows: changesOf(erased), objects: contacts.length }
}

/** The votes on shared decisions, one object each. */
const eraseDecisions: Step = async ({ env, tenantId }) => {
  const { results } = await env.DB.prepare(
    `SELECT id FROM consensus_requests WHERE tenant_id = ?1 LIMIT ${OBJECTS_AT_ONCE}`,
  )
    .bind(tenantId)
    .all<{ id: string }>()
  if (results.length === 0) return none
  await Promise.all(results.map(({ id }) => consensusObject({ env, tenantId }, id).erase()))
  const ids = JSON.stringify(results.map(({ id }) => id))
  const erased = await env.DB.batch([
    env.DB.prepare(
      'DELETE FROM consensus_votes WHERE tenant_id = ?1 AND request_id IN (SELECT value FROM json_each(?2))',
    ).bind(tenantId, ids),
    env.DB.prepare(
      'DELETE FROM consensus_requests WHERE tenant_id = ?1 AND id IN (SELECT value FROM json_each(?2))',
    ).bind(tenantId, ids),
  ])
  return { rows: changesOf(erased), objects: results.length }
}

/** What is indexed for search: a trigger takes the words along, the vectors elsewhere are told here. */
const eraseSearch: Step = async ({ env, tenantId }) => {
  const { results } = await env.DB.prepare(
    `SELECT kind, scope, ref_id, row FROM search_entries WHERE tenant_id = ?1 LIMIT ${ROWS_AT_ONCE}`,
  )
    .bind(tenantId)
    .all<{ kind: 'message' | 'memory'; scope: string; ref_id: string; row: number }>()
  if (results.length === 0) return none
  for (const kind of ['message', 'memory'] as const) {
    const texts = results.filter((entry) => entry.kind === kind)
    await dropVectors(
      env,
      kind,
      tenantId,
      texts.map(({ scope, ref_id }) => ({ scope, refId: ref_id })),
    )
  }
  const erased = await env.DB.prepare(
    'DELETE FROM search_entries WHERE tenant_id = ?1 AND row IN (SELECT value FROM json_each(?2))',
  )
    .bind(tenantId, JSON.stringify(results.map(({ row }) => row)))
    .run()
  return { rows: erased.meta.changes, objects: 0 }
}

/**
 * The words of the search index. What is deleted there is only crossed out, by pages whose numbers are 2^53 and above, and
 * gone when the pages that it stands on are written anew. Others delete too, so it ends at some point although more is there.
 */
async function eraseWords({ env }: At): Promise<void> {
  for (let left = MERGES_AT_ONCE; left > 0; left--) {
    const isCrossedOut = await env.DB.prepare(
      'SELECT 1 FROM search_fts_data WHERE id >= 9007199254740992 LIMIT 1',
    ).first()
    if (!isCrossedOut) return
    await env.DB.prepare(
      `INSERT INTO search_fts (search_fts, rank) VALUES ('merge', -${PAGES_AT_ONCE})`,
    ).run()
  }
}

/** Sends that nobody works on any more, with what lies in R2 by their ids alone and what the local outbox shows. */
const eraseSends: Step = async ({ env, tenantId, now }) => {
  const { results } = await env.DB.prepare(
    `SELECT id, input_key FROM sends WHERE tenant_id = ?1 AND (lock_until IS NULL OR lock_until <= ?2)
     LIMIT ${OBJECTS_AT_ONCE}`,
  )
    .bind(tenantId, now.getTime())
    .all<{ id: string; input_key: string | null }>()
  if (results.length === 0) return none
  const large = results.flatMap(({ id, input_key }) => (input_key === null ? [] : [{ id, key: input_key }]))
  for (const { id } of large) await handBodyOver({ env, tenantId }, id)
  const keys = large.flatMap(({ id, key }) => [key, sentBodyKey(id)])
  if (keys.length > 0) await env.MAIL.delete(keys)
  const ids = JSON.stringify(results.map(({ id }) => id))
  const erased = await env.DB.batch([
    env.DB.prepare('DELETE FROM captured_mail WHERE send_id IN (SELECT value FROM json_each(?1))').bind(ids),
    env.DB.prepare('DELETE FROM sends WHERE tenant_id = ?1 AND id IN (SELECT value FROM json_each(?2))').bind(
      tenantId,
      ids,
    ),
  ])
  return { rows: changesOf(erased), objects: keys.length }
}

/** A large body that others have received is theirs: each gets a copy of its own. */
async function handBodyOver({ env, tenantId }: Omit<At, 'now'>, sendId: string): Promise<void> {
  const key = sentBodyKey(sendId)
  const { results } = await env.DB.prepare(
    "SELECT tenant_id, id FROM messages WHERE id = 'msg_' || substr(?1, 5) AND tenant_id <> ?2 AND body_key = ?3",
  )
    .bind(sendId, tenantId, key)
    .all<{ tenant_id: string; id: string }>()
  if (results.length === 0) return
  const object = await env.MAIL.get(key)
  if (!object) return
  const body = await object.arrayBuffer()
  for (const { tenant_id, id } of results) {
    const theirs = bodyKeyOf(tenant_id, id)
    await env.MAIL.put(theirs, body)
    await env.DB.prepare('UPDATE messages SET body_key = ?3 WHERE tenant_id = ?1 AND id = ?2')
      .bind(tenant_id, id, theirs)
      .run()
  }
}

/** Links to sign in with and sessions of people who have no other tenant; they are found by address. */
const erasePeople: Step = async ({ env, tenantId }) => {
  const erased = await env.DB.batch(
    ['sign_ins', 'sessions'].map((table) =>
      env.DB.prepare(
        `DELETE FROM ${table} WHERE contact IN (SELECT o.contact FROM owners o WHERE o.tenant_id = ?1
           AND NOT EXISTS (SELECT 1 FROM owners x WHERE x.contact = o.contact AND x.tenant_id <> ?1))`,
      ).bind(tenantId),
    ),
  )
  return { rows: changesOf(erased), objects: 0 }
}

/** Nobody is left who could end what is paid for. */
const endPayments: Step = async ({ env, tenantId, now }) => {
  await endSubscription({ env, now, actor: ERASER }, tenantId)
  return none
}

const eraseFolder =
  (folder: string): Step =>
  async ({ env, tenantId }) => {
    const { objects } = await env.MAIL.list({ prefix: `${folder}/${tenantId}/`, limit: ROWS_AT_ONCE })
    if (objects.length > 0) await env.MAIL.delete(objects.map(({ key }) => key))
    return { rows: 0, objects: objects.length }
  }

/** Those that go by rules of their own, and the tenant's own row, which goes last. */
const APART = ['sends', 'tenants']

const eraseRows =
  (table: (typeof TENANT_TABLES)[number]): Step =>
  async ({ env, tenantId }) => {
    if (table.tenantId === null) return none
    const columns = listOf(table.key)
    const erased = await database(env).run(sql`
      DELETE FROM ${table.table} WHERE (${columns}) IN (
        SELECT ${columns} FROM ${table.table} WHERE ${table.tenantId} = ${tenantId} LIMIT ${ROWS_AT_ONCE})`)
    return { rows: erased.meta.changes, objects: 0 }
  }

const isErased = ({ rule }: (typeof TENANT_TABLES)[number]) => !rule.isKept

/** Where objects are found by rows, those are erased first. */
const STEPS: Step[] = [
  eraseLeases,
  eraseDecisions,
  eraseSearch,
  eraseSends,
  erasePeople,
  ...FOLDERS.map(eraseFolder),
  ...TENANT_TABLES.filter((table) => isErased(table) && !APART.includes(table.name)).map(eraseRows),
  endPayments,
  ...TENANT_TABLES.filter(({ name }) => name === 'tenants').map(eraseRows),
]

const changesOf = (results: D1Result[]) => results.reduce((sum, { meta }) => sum + meta.changes, 0)
