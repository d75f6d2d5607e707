import { randomBytes } from 'node:crypto'
import { type SQL, sql } from 'drizzle-orm'
import { auditDetails, auditEntries } from '../../schema/journal.ts'
import { type Actor, actorName, type Db } from '../ground/ctx.ts'
import { newId } from '../ground/ids.ts'
import { commitmentTo } from './commitment.ts'

/**
 * One governed change: `noun.verb`, and the id of what was changed. Whatever may be personal belongs in the detail, which
 * stands outside the chain and can be erased. No secret belongs in either.
 */
export type AuditRecord = {
  action: `${string}.${string}`
  target: string | null
  detail?: Record<string, unknown>
}

/** Whose log, and who did it. Of a `Ctx` all that is needed; the tenant may be one that only SQL can tell. */
export type Author = { db: Db; now: Date; tenantId: string | SQL; actor: Actor }

/** Where the statement directly before has changed anything. */
export const CHANGED = sql`changes() > 0`

/**
 * The queries that add entries to a tenant's audit log, to stand in one batch directly behind the change they tell of: they
 * write where that changed a row, or where `condition` holds. For a batch of D1's own each goes through `prepared`.
 */
export function audited({ db, now, tenantId, actor }: Author, records: AuditRecord[], condition = CHANGED) {
  const rows = JSON.stringify(
    records.map(({ action, target, detail = {} }) => {
      const [salt, told] = [randomBytes(16).toString('hex'), JSON.stringify(detail)]
      const commitment = commitmentTo(salt, told)
      return { id: newId('aud', now), action, target, commitment, salt, detail: told }
    }),
  )
  return [
    db.insert(auditEntries).select(sql`
      SELECT ${tenantId},
        1 + coalesce((SELECT max(a.seq) FROM audit_entries a WHERE a.tenant_id = ${tenantId}), 0) + r.key,
        r.value ->> 'id', ${now.getTime()}, ${actorName(actor)}, r.value ->> 'action', r.value ->> 'target',
        r.value ->> 'commitment', NULL, NULL
      FROM json_each(${rows}) r WHERE ${condition}`),
    db.insert(auditDetails).select(sql`
      SELECT ${tenantId}, r.value ->> 'id', r.value ->> 'salt', r.value ->> 'detail'
      FROM json_each(${rows}) r WHERE ${CHANGED}`),
  ] as const
}
