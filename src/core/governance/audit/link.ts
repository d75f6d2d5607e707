import { and, asc, eq, gt } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { auditEntries, auditHeads } from '../../../schema/journal.ts'
import { type Db, database, prepared } from '../../ground/ctx.ts'
import { statement } from '../../ground/sql.ts'
import { GENESIS, linkHash } from './chain.ts'
import { signHead } from './key.ts'

/** Entries that one turn links. */
const AT_ONCE = 500

/**
 * Links all audit entries of a tenant that are not linked yet, in order, and signs the new head. Several callers may run at
 * once: a compare-and-set on the head lets one of them win. Returns the number of entries that this call linked.
 */
export async function linkEntries(env: Env, now: Date, tenantId: string): Promise<number> {
  const db = database(env)
  for (let linked = 0; ; ) {
    const count = await linkSome(env, db, now, tenantId)
    linked += count
    if (count < AT_ONCE) return linked
  }
}

async function linkSome(env: Env, db: Db, now: Date, tenantId: string): Promise<number> {
  const [head] = await db.select().from(auditHeads).where(eq(auditHeads.tenantId, tenantId))
  const from = head?.hash ?? GENESIS
  const waiting = await db
    .select()
    .from(auditEntries)
    .where(and(eq(auditEntries.tenantId, tenantId), gt(auditEntries.seq, head?.seq ?? 0)))
    .orderBy(asc(auditEntries.seq))
    .limit(AT_ONCE)
  const last = waiting.at(-1)
  if (!last) return 0
  let prevHash = from
  const links = waiting.map((entry) => {
    const hash = linkHash(prevHash, { ...entry, at: entry.at.toISOString() })
    const link = { seq: entry.seq, prevHash, hash }
    prevHash = hash
    return link
  })
  const next = { tenantId, seq: last.seq, hash: prevHash, at: now }
  const signed = { ...next, ...(await signHead(env, { ...next, at: now.toISOString() })) }
  const [moved] = await env.DB.batch([
    prepared(
      env,
      db
        .insert(auditHeads)
        .values(signed)
        .onConflictDoUpdate({
          target: auditHeads.tenantId,
          set: signed,
          setWhere: eq(auditHeads.hash, from),
        }),
    ),
    linkThem.bind(env, { tenant: tenantId, links: JSON.stringify(links) }),
  ])
  return moved && moved.meta.changes > 0 ? links.length : 0
}

/** Directly after the update of the head: it links only if that moved. */
const linkThem = statement(`
  WITH l AS MATERIALIZED (
    SELECT value ->> 'seq' AS seq, value ->> 'prevHash' AS prev_hash, value ->> 'hash' AS hash FROM json_each(:links))
  UPDATE audit_entries SET prev_hash = l.prev_hash, hash = l.hash FROM l
  WHERE changes() > 0 AND audit_entries.tenant_id = :tenant AND audit_entries.seq = l.seq`)
