import { sql } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { consensusObject } from '../../coordination/consensus.ts'
import { leaseObject } from '../../coordination/leases/lease.ts'
import { database } from '../../ground/ctx.ts'
import { statement } from '../../ground/sql.ts'
import { bodyKeyOf, sentBodyKey } from '../../mail/body.ts'
import { dropVectors } from '../../mail/search/entries.ts'
import { endSubscription } from '../../payments/billing/standing.ts'
import { listOf, TENANT_TABLES } from './tables.ts'

export const ERASER = { kind: 'system', name: 'erasure' } as const

export type At = { env: Env; tenantId: string; now: Date }
type Erased = { rows: number; objects: number }
/** Erases a bounded number of rows and objects. Safe to repeat; it returns zeros when nothing is left. */
type Step = (at: At) => Promise<Erased>

/** Rows that one step deletes. */
const ROWS_AT_ONCE = 500
/** Sends and Durable Objects that one step takes: each may need calls of its own. */
const OBJECTS_AT_ONCE = 50

/** The folders of a tenant's files in R2. */
const FOLDERS = ['arrivals', 'archives', 'bodies', 'files', 'rendered']

const none: Erased = { rows: 0, objects: 0 }

const findLeases = statement<{ contact: string }>(
  `SELECT contact FROM leases WHERE tenant_id = :tenant UNION SELECT contact FROM lease_events WHERE tenant_id = :tenant
   LIMIT ${OBJECTS_AT_ONCE}`,
)
const deleteLeases = ['leases', 'lease_events'].map((table) =>
  statement(
    `DELETE FROM ${table} WHERE tenant_id = :tenant AND contact IN (SELECT value FROM json_each(:contacts))`,
  ),
)

/** Leases. Each contact has a Durable Object. */
const eraseLeases: Step = async ({ env, tenantId }) => {
  const found = await findLeases.all(env, { tenant: tenantId })
  if (found.length === 0) return none
  const contacts = found.map(({ contact }) => contact)
  await Promise.all(contacts.map((contact) => leaseObject({ env, tenantId }, contact).erase()))
  const values = { tenant: tenantId, contacts: JSON.stringify(contacts) }
  const erased = await env.DB.batch(deleteLeases.map((each) => each.bind(env, values)))
  return { rows: changesOf(erased), objects: contacts.length }
}

const findRequests = statement<{ id: string }>(
  `SELECT id FROM consensus_requests WHERE tenant_id = :tenant LIMIT ${OBJECTS_AT_ONCE}`,
)
const deleteVotes = statement(
  'DELETE FROM consensus_votes WHERE tenant_id = :tenant AND request_id IN (SELECT value FROM json_each(:ids))',
)
const deleteRequests = statement(
  'DELETE FROM consensus_requests WHERE tenant_id = :tenant AND id IN (SELECT value FROM json_each(:ids))',
)

/** Consensus requests. Each has a Durable Object. */
const eraseConsensus: Step = async ({ env, tenantId }) => {
  const found = await findRequests.all(env, { tenant: tenantId })
  if (found.length === 0) return none
  await Promise.all(found.map(({ id }) => consensusObject({ env, tenantId }, id).erase()))
  const values = { tenant: tenantId, ids: JSON.stringify(found.map(({ id }) => id)) }
  const erased = await env.DB.batch([deleteVotes.bind(env, values), deleteRequests.bind(env, values)])
  return { rows: changesOf(erased), objects: found.length }
}

const findEntries = statement<{ kind: 'message' | 'memory'; scope: string; ref_id: string; row: number }>(
  `SELECT kind, scope, ref_id, row FROM search_entries WHERE tenant_id = :tenant LIMIT ${ROWS_AT_ONCE}`,
)
const deleteEntries = statement(
  'DELETE FROM search_entries WHERE tenant_id = :tenant AND row IN (SELECT value FROM json_each(:rows))',
)

/** Entries of the search index. A trigger deletes the words; vectors outside the database are deleted here. */
const eraseSearch: Step = async ({ env, tenantId }) => {
  const found = await findEntries.all(env, { tenant: tenantId })
  if (found.length === 0) return none
  for (const kind of ['message', 'memory'] as const) {
    const refs = found
      .filter((entry) => entry.kind === kind)
      .map(({ scope, ref_id }) => ({ scope, refId: ref_id }))
    await dropVectors(env, kind, tenantId, refs)
  }
  const rows = JSON.stringify(found.map(({ row }) => row))
  return { rows: await deleteEntries.run(env, { tenant: tenantId, rows }), objects: 0 }
}

const findSends = statement<{ id: string; input_key: string | null }>(
  `SELECT id, input_key FROM sends WHERE tenant_id = :tenant AND (lock_until IS NULL OR lock_until <= :now)
   LIMIT ${OBJECTS_AT_ONCE}`,
)
const deleteCaptured = statement(
  'DELETE FROM captured_mail WHERE send_id IN (SELECT value FROM json_each(:ids))',
)
const deleteSends = statement(
  'DELETE FROM sends WHERE tenant_id = :tenant AND id IN (SELECT value FROM json_each(:ids))',
)

/** Sends that no worker has locked, with their files in R2 that only the ids lead to, and their mail in the local outbox. */
const eraseSends: Step = async ({ env, tenantId, now }) => {
  const found = await findSends.all(env, { tenant: tenantId, now: now.getTime() })
  if (found.length === 0) return none
  const large = found.flatMap(({ id, input_key }) => (input_key === null ? [] : [{ id, key: input_key }]))
  for (const { id } of large) await copyBodyForReaders({ env, tenantId }, id)
  const keys = large.flatMap(({ id, key }) => [key, sentBodyKey(id)])
  if (keys.length > 0) await env.MAIL.delete(keys)
  const ids = JSON.stringify(found.map(({ id }) => id))
  const erased = await env.DB.batch([
    deleteCaptured.bind(env, { ids }),
    deleteSends.bind(env, { tenant: tenantId, ids }),
  ])
  return { rows: changesOf(erased), objects: keys.length }
}

const findReaders = statement<{ tenant_id: string; id: string }>(
  `SELECT tenant_id, id FROM messages
   WHERE id = 'msg_' || substr(:send, 5) AND tenant_id <> :tenant AND body_key = :key`,
)
const moveBody = statement('UPDATE messages SET body_key = :key WHERE tenant_id = :tenant AND id = :id')

/** A large body lies in R2 once for all its readers. Every other tenant that received it gets its own copy. */
async function copyBodyForReaders({ env, tenantId }: Omit<At, 'now'>, sendId: string): Promise<void> {
  const shared = sentBodyKey(sendId)
  const readers = await findReaders.all(env, { send: sendId, tenant: tenantId, key: shared })
  if (readers.length === 0) return
  const object = await env.MAIL.get(shared)
  if (!object) return
  const body = await object.arrayBuffer()
  for (const { tenant_id: tenant, id } of readers) {
    const key = bodyKeyOf(tenant, id)
    await env.MAIL.put(key, body)
    await moveBody.run(env, { key, tenant, id })
  }
}

const deletePeople = ['sign_ins', 'sessions'].map((table) =>
  statement(
    `DELETE FROM ${table} WHERE contact IN (
       SELECT o.contact FROM owners o WHERE o.tenant_id = :tenant
         AND NOT EXISTS (SELECT 1 FROM owners x WHERE x.contact = o.contact AND x.tenant_id <> :tenant)
       UNION SELECT s.contact FROM second_addresses s WHERE s.tenant_id = :tenant
         AND NOT EXISTS (SELECT 1 FROM owners x WHERE x.contact = s.contact AND x.tenant_id <> :tenant)
         AND NOT EXISTS (SELECT 1 FROM second_addresses x WHERE x.contact = s.contact AND x.tenant_id <> :tenant))`,
  ),
)

/** Sign-in links and sessions of people who belong to no other tenant. They are found by address. */
const erasePeople: Step = async ({ env, tenantId }) => {
  const erased = await env.DB.batch(deletePeople.map((each) => each.bind(env, { tenant: tenantId })))
  return { rows: changesOf(erased), objects: 0 }
}

/** Ends the subscription: after the erasure nobody could. */
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

/** Tables that `eraseRows` leaves until later: sends have their own step, and the tenant's own row goes last. */
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

/** In this order: objects and files that are found by rows are erased before those rows. */
export const STEPS: Step[] = [
  eraseLeases,
  eraseConsensus,
  eraseSearch,
  eraseSends,
  erasePeople,
  ...FOLDERS.map(eraseFolder),
  ...TENANT_TABLES.filter((table) => isErased(table) && !APART.includes(table.name)).map(eraseRows),
  endPayments,
  ...TENANT_TABLES.filter(({ name }) => name === 'tenants').map(eraseRows),
]

const changesOf = (results: D1Result[]) => results.reduce((sum, { meta }) => sum + meta.changes, 0)
